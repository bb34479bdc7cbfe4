//! What each example loses in the words of each dialect: how the sentences begin, in their order. An example that is
//! not listed loses nothing.

/// Example, dialect, sentences.
pub(super) const LOSSES: &[(&str, &str, &[&str])] = &[
    ("access", "gateway", &["TCPMapping default/ledger: refuses some clients"]),
    (
        "aws/nlb",
        "kong",
        &[
            "Gateway default/databases listener orders: restricts versions",
            "TCPRoute default/orders backend orders:5432: tries every endpoint where none is healthy",
            "TCPRoute default/orders backend orders:5432: counts checks without an answer in time with those that fail",
            "TCPRoute default/orders backend orders:5432: asks its upstream for no name",
        ],
    ),
    (
        "aws/nlb",
        "gateway",
        &[
            "TCPRoute default/orders backend orders:5432: begins TLS without a look at the upstream's certificate",
        ],
    ),
    (
        "canary",
        "kong",
        &["TCPMapping default/orders: the 2 mappings of its route become targets of one upstream"],
    ),
    (
        "endpoints",
        "kong",
        &[
            "TCPMapping default/cache: tries every endpoint where none is healthy",
            "TCPMapping default/cache: tries endpoints that failed again after a while",
            "TCPMapping default/cache: counts connections that were not made in time with those that failed",
            "TCPMapping default/cache: leaves no more than 50 percent of endpoints alone",
            "TCPMapping default/orders: asks endpoints a question",
            "TCPMapping default/orders: checks another port than the one connected to",
            "TCPMapping default/orders: counts checks without an answer in time with those that fail",
            "TCPMapping default/orders: counts connections that were not made in time with those that failed",
            "TCPMapping default/redis: tries every endpoint where none is healthy",
            "TCPMapping default/redis: asks endpoints a question",
            "TCPMapping default/redis: counts checks without an answer in time with those that fail",
            "TCPMapping default/redis: no service of Kong's has a backup, a slow start",
        ],
    ),
    (
        "endpoints",
        "gateway",
        &[
            "TCPMapping default/cache: no backend of the Gateway API's has a rule of balancing",
            "TCPMapping default/orders: no backend of the Gateway API's has a rule of balancing",
            "TCPMapping default/redis: no backend of the Gateway API's has a rule of balancing",
            "TCPMapping default/orders: goes to several names at once",
        ],
    ),
    (
        "gateway",
        "kong",
        &[
            "TCPRoute default/orders backend orders:7301: the 2 mappings of its route become targets of one upstream",
        ],
    ),
    (
        "kong/services",
        "gateway",
        &[
            "service redis: refuses some clients",
            "service postgres: no backend of the Gateway API's has timeouts, a rule of balancing, a family of addresses",
        ],
    ),
    (
        "kong/tls",
        "gateway",
        &[
            "service pay: no backend of the Gateway API's has timeouts, a rule of balancing, a family of addresses",
            "service legacy: no backend of the Gateway API's has timeouts, a rule of balancing, a family of addresses",
        ],
    ),
    (
        "kong/upstreams",
        "gateway",
        &[
            "service postgres: no backend of the Gateway API's has timeouts, a rule of balancing, a family of addresses",
            "service postgres: goes to addresses of different weights",
        ],
    ),
    ("kong/version-1", "ambassador", &["service tcpbin: takes what is not TLS"]),
    (
        "kong/version-1",
        "gateway",
        &[
            "service tcpbin: takes what is not TLS",
            "service tcpbin: no backend of the Gateway API's has timeouts, a rule of balancing, a family of addresses",
        ],
    ),
    ("limits", "kong", &["TCPMapping default/ssh: no service of Kong's has limits"]),
    ("limits", "gateway", &["TCPMapping default/ssh: no backend of the Gateway API's has timeouts, limits"]),
    ("listeners", "kong", &["TCPMapping default/replica: stands on 0.0.0.0:7240 beside a narrower address"]),
    (
        "postgres-ssh-redis",
        "kong",
        &[
            "TCPMapping default/redis: no service of Kong's has a time for half-closed connections",
            "TCPMapping default/postgres: no service of Kong's has an age of connections",
        ],
    ),
    (
        "postgres-ssh-redis",
        "gateway",
        &[
            "TCPMapping default/ssh: no backend of the Gateway API's has timeouts",
            "TCPMapping default/redis: no backend of the Gateway API's has timeouts",
            "TCPMapping default/postgres: no backend of the Gateway API's has timeouts",
        ],
    ),
    ("proxy-protocol", "kong", &["TCPMapping default/echo: sends a PROXY header (v2)"]),
    ("proxy-protocol", "gateway", &["TCPMapping default/echo: is for clients behind a PROXY header"]),
    ("resolvers", "kong", &["TCPMapping shop/payments: is looked up in Consul's catalogue"]),
    ("resolvers", "gateway", &["TCPMapping shop/payments: is looked up in Consul's catalogue"]),
    (
        "tls/both",
        "kong",
        &[
            "TCPMapping default/orders: looks for other names in its upstream's certificate than the one that is sent",
        ],
    ),
    ("tls/both", "gateway", &["TCPMapping default/orders: begins TLS without a name of its own to ask for"]),
    ("tls/mounted-files", "kong", &["TCPMapping default/orders: asks clients for certificates"]),
    (
        "tls/mounted-files",
        "gateway",
        &["TCPMapping default/orders: begins TLS without a name of its own to ask for"],
    ),
    ("tls/mutual", "kong", &["TCPMapping default/orders: asks clients for certificates"]),
    (
        "tls/mutual",
        "gateway",
        &["TCPMapping default/orders: begins TLS without a name of its own to ask for"],
    ),
    (
        "tls/originate",
        "gateway",
        &[
            "TCPMapping default/orders: begins TLS where none has ended, which no policy asks for; the route on 0.0.0.0:7310 is left out",
        ],
    ),
    (
        "tls/passthrough",
        "kong",
        &[
            "TCPMapping default/orders-h2: goes by application protocols (ALPN)",
            "TCPMapping default/others: passes TLS of every name through",
        ],
    ),
    ("tls/passthrough", "gateway", &["TCPMapping default/orders-h2: goes by application protocols (ALPN)"]),
    (
        "tls/postgres",
        "kong",
        &[
            "TCPMapping default/db: is asked for TLS in PostgreSQL's words",
            "TCPMapping default/ledger: is asked for TLS in PostgreSQL's words",
            "TCPMapping default/archive: is asked for TLS in PostgreSQL's words",
            "TCPMapping default/remote: looks for other names in its upstream's certificate than the one that is sent",
            "TCPMapping default/remote: no service of Kong's has words before TLS (sluice.dev/starttls)",
        ],
    ),
    (
        "tls/postgres",
        "gateway",
        &[
            "TCPMapping default/db: is asked for TLS in PostgreSQL's words",
            "TCPMapping default/ledger: is asked for TLS in PostgreSQL's words",
            "TCPMapping default/archive: is asked for TLS in PostgreSQL's words",
            "TCPMapping default/remote: begins TLS where none has ended, which no policy asks for; the route on 127.0.0.1:7351 is left out",
        ],
    ),
    (
        "tls/terminate",
        "kong",
        &[
            "TLSContext default/internal: restricts versions",
            "TCPMapping default/orders: the 2 mappings of its route become targets of one upstream",
        ],
    ),
    ("tls/terminate", "gateway", &["TLSContext default/internal: restricts ciphers or groups"]),
    (
        "v2",
        "gateway",
        &[
            "TCPMapping default/cockroach: no backend of the Gateway API's has timeouts, a family of addresses",
        ],
    ),
];
