//! What every dialect lowers into: proven values in sluice's own words, no dialect's.

mod balancing;
#[cfg(test)]
pub(crate) mod fixtures;
mod limits;
mod log_sink;
mod proxy_protocol;
mod status;
#[cfg(test)]
mod tests;
mod tls;

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

pub use balancing::{Balancing, Check, Ejection, Policy, Question, SourceAddress};
pub use limits::{Limits, Rate, SourceLimits};
pub use log_sink::{LogDestination, LogMethod, LogQueue, LogRequest, LogSink, RouteLogs};
pub use proxy_protocol::{ProxySources, ProxyVersion};
pub use status::{Condition, PartStatus, ResourceStatus, Truth};
pub use tls::{
    Authorities, CertificateName, Certificates, ClientCertificates, Identity, NameSent, NamesChecked,
    Origination, Parameters, PrivateKey, SanPattern, ServerName, Termination, Trust, Verification, Versions,
};

/// Everything that is to be served: the outcome of loading a set of documents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// Sorted by address; no two share one.
    pub listeners: Vec<Listener>,
}

impl Config {
    /// Every mapping once, on however many addresses it is.
    pub fn mappings(&self) -> impl Iterator<Item = &Mapping> {
        let mut seen = HashSet::new();
        let routes = self.listeners.iter().flat_map(|listener| &listener.routes);
        routes.flat_map(|route| &route.mappings).filter(move |mapping| seen.insert(&mapping.name))
    }

    /// Every certificate in use, one as often as it is.
    pub fn identities(&self) -> impl Iterator<Item = &Identity> {
        self.listeners.iter().flat_map(|listener| &listener.routes).flat_map(|route| {
            let downstream = match &route.downstream {
                Downstream::Raw => None,
                Downstream::Terminate(termination) => Some(termination.identities()),
            };
            let upstream = route.mappings.iter().filter_map(|mapping| mapping.originate.as_ref());
            let upstream = upstream.filter_map(|origination| origination.identity.as_ref());
            downstream.into_iter().flatten().chain(upstream)
        })
    }
}

/// One address to accept on, and the routes behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The address bound. An IPv6 wildcard takes IPv6 only.
    pub bind: SocketAddr,
    /// Whose connections begin with a PROXY header, before anything else; `None` where nobody's do.
    pub proxy_protocol: Option<ProxySources>,
    /// What clients send and expect before their TLS begins.
    pub prelude: Option<Prelude>,
    /// What its socket is asked for.
    pub socket: SocketOptions,
    /// At least one, in the order in which they are tried: the first that takes a connection has it.
    pub routes: Vec<Route>,
}

/// What a listening socket is asked for; what is not said is the process's setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SocketOptions {
    /// Connections that may wait to be accepted (listen(2)).
    pub backlog: Option<NonZeroU32>,
    /// Probes of silent clients (`SO_KEEPALIVE`).
    pub keepalive: Option<Keepalive>,
}

/// Probes of a peer that says nothing (tcp(7)); what is not said is the kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keepalive {
    /// None are sent.
    Off,
    /// They are sent.
    On {
        /// Silence before the first (`TCP_KEEPIDLE`).
        idle: Option<Duration>,
        /// From one to the next (`TCP_KEEPINTVL`).
        interval: Option<Duration>,
        /// How many without an answer end the connection (`TCP_KEEPCNT`).
        count: Option<NonZeroU32>,
    },
}

/// A protocol's own words in the clear before TLS begins (`sluice.dev/starttls`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Prelude {
    /// PostgreSQL's `SSLRequest`, answered with `S` (PostgreSQL protocol, "SSL Session Encryption").
    Postgres,
}

/// Connections that match, and the mappings that share them by weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// How the connections that this takes begin.
    pub matcher: Matcher,
    /// Whose connections they are. Two routes of a listener differ in this or in the matcher.
    pub between: Between,
    /// Which of them are refused all the same.
    pub access: Access,
    /// What becomes of the client's TLS.
    pub downstream: Downstream,
    /// In the order they were declared.
    pub mappings: Vec<Mapping>,
    /// The share of connections that nobody is there to take: they are refused, not given to the mappings. Without
    /// a mapping it is not needed, since all are refused.
    pub refused: Weight,
    /// Who else is told of each connection when it has ended.
    pub logs: Arc<RouteLogs>,
}

impl Route {
    /// A route for everyone's connections that asks for nothing more.
    #[must_use]
    pub fn new(matcher: Matcher, downstream: Downstream, mappings: Vec<Mapping>) -> Self {
        let (between, access, logs) = Default::default();
        Self { matcher, between, access, downstream, mappings, refused: Weight(0), logs }
    }

    /// What tells it from the other routes of its listener.
    #[must_use]
    pub fn key(&self) -> (&Matcher, &Between) {
        (&self.matcher, &self.between)
    }
}

/// Whose connections a route takes: those with one of the sources, and one of the destinations.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Between {
    /// The client's side; none asks for nothing.
    pub sources: Vec<Ends>,
    /// The side that the client connected to; none asks for nothing.
    pub destinations: Vec<Ends>,
}

impl Between {
    /// Whether it takes a connection with these ends.
    #[must_use]
    pub fn takes(&self, source: SocketAddr, destination: SocketAddr) -> bool {
        let among = |all: &[Ends], one| all.is_empty() || all.iter().any(|ends| ends.include(one));
        among(&self.sources, source) && among(&self.destinations, destination)
    }

    /// Whether it takes every connection.
    #[must_use]
    pub fn is_everyone(&self) -> bool {
        self.sources.is_empty() && self.destinations.is_empty()
    }
}

/// Ends of connections, by address, by port, or by both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ends {
    /// `None` is every address.
    pub network: Option<IpNet>,
    /// `None` is every port.
    pub port: Option<u16>,
}

impl Ends {
    fn include(&self, end: SocketAddr) -> bool {
        // A dual-stack socket tells IPv4 peers as IPv6 addresses.
        let address = end.ip().to_canonical();
        self.network.is_none_or(|network| network.contains(&address))
            && self.port.is_none_or(|port| port == end.port())
    }
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.network, self.port) {
            (Some(network), Some(port)) => write!(f, "{network} port {port}"),
            (Some(network), None) => network.fmt(f),
            (None, Some(port)) => write!(f, "port {port}"),
            (None, None) => f.write_str("everyone"),
        }
    }
}

/// Clients that a route refuses though it takes them from the others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// Only these; none is everyone.
    pub allow: Vec<IpNet>,
    /// Never these, allowed or not.
    pub deny: Vec<IpNet>,
}

impl Access {
    /// Whether a client may come in.
    #[must_use]
    pub fn admits(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        let among = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&client));
        !among(&self.deny) && (self.allow.is_empty() || among(&self.allow))
    }
}

/// How a connection begins that a route takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Matcher {
    /// In any way; no byte is looked at for it.
    Any,
    /// With anything but a ClientHello, or with a silence in which the server may be expected to speak first.
    Cleartext,
    /// With a ClientHello.
    Tls {
        /// The name that the client asks for.
        name: NamePattern,
        /// Protocols (ALPN) of which the client offers at least one; empty asks for none.
        alpn: Vec<Arc<[u8]>>,
    },
}

impl Matcher {
    /// Sorts routes by how much they ask for: the exact name comes first, then the longest pattern, then
    /// [`NamePattern::Everything`]; a route that asks for a protocol before one of the same name that asks for none;
    /// and those that ask for no name last.
    #[must_use]
    pub fn rank(&self) -> impl Ord + use<> {
        let Self::Tls { name, alpn } = self else {
            return (if *self == Self::Cleartext { 4 } else { 5 }, Reverse(0), false);
        };
        let (kind, length) = match name {
            NamePattern::Exact(_) => (0, 0),
            NamePattern::Suffix(suffix) => (1, suffix.len()),
            NamePattern::Prefix(prefix) => (2, prefix.len()),
            NamePattern::Everything => (3, 0),
        };
        (kind, Reverse(length), alpn.is_empty())
    }
}

/// Which server names (SNI) a route takes, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NamePattern {
    /// This name.
    Exact(Arc<str>),
    /// Any name with one label or more before this suffix, which begins with a dot; never the suffix alone.
    Suffix(Arc<str>),
    /// Any name with one label or more behind this prefix, which ends with a dot; never the prefix alone.
    Prefix(Arc<str>),
    /// Any name, and none.
    Everything,
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Suffix(suffix) => write!(f, "*{suffix}"),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
            Self::Everything => f.write_str("*"),
        }
    }
}

/// What becomes of the client's TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Downstream {
    /// The bytes go on as they come, TLS or not. With [`Matcher::Tls`] the ClientHello has been looked at
    /// and goes on too: passthrough by name.
    Raw,
    /// It ends here.
    Terminate(Arc<Termination>),
}

/// One declared way to an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Who declared it, unique in a configuration, though perhaps on several of its addresses.
    pub name: MappingName,
    /// Label of this mapping's metrics (Ambassador `stats_name`, else the name).
    pub stats_name: Arc<str>,
    /// Share of the route's connections, relative to the others of the route.
    pub weight: Weight,
    /// Where to.
    pub service: Service,
    /// Who knows the endpoints of the service.
    pub resolution: Resolution,
    /// TLS towards the upstream, where it is begun here.
    pub originate: Option<Arc<Origination>>,
    /// The PROXY header that the upstream wants to hear before anything else.
    pub proxy_protocol: Option<ProxyVersion>,
    /// What the upstream wants to hear before TLS begins, ours or the client's own.
    pub prelude: Option<Prelude>,
    /// Which address families a name may resolve to.
    pub families: Families,
    /// Which of the service's endpoints a connection goes to.
    pub balancing: Balancing,
    /// Which relay may carry it.
    pub relay: RelayChoice,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// How much of it there may be.
    pub limits: Limits,
}

/// `kind namespace/name` of the resource that declared a mapping: the key of its counters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MappingName(pub Arc<str>);

impl fmt::Display for MappingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A share of new connections. Zero takes none; a route's shares need not sum to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(pub u32);

/// Host and port of an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Service {
    /// A literal address, or a name to resolve.
    pub host: Host,
    /// Never 0.
    pub port: u16,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(ip) => SocketAddr::new(*ip, self.port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// Who knows the endpoints of a service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Resolution {
    /// DNS, where its host is a name; the host itself, where that is an address.
    #[default]
    Dns,
    /// The configuration: these, none twice; host and port only name the service.
    Fixed(Arc<[SocketAddr]>),
    /// Several services that serve as one, each found as its host says; host and port only name the whole.
    Targets(Arc<[Target]>),
    /// A service catalogue, which also knows the ports; host and port only name the service.
    Catalogue(Arc<Catalogue>),
}

/// One of several services behind a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// Where it is.
    pub service: Service,
    /// Its share; every address that its name stands for has the whole of it. Zero takes no connection.
    pub weight: u32,
}

/// A service in a catalogue that speaks Consul's HTTP API.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Catalogue {
    /// Who is asked, over HTTP in the clear.
    pub agent: Service,
    /// Which datacenter's catalogue.
    pub datacenter: Arc<str>,
    /// The name of the service there.
    pub service: Arc<str>,
}

/// A literal address or a DNS name in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// Used as it is.
    Ip(IpAddr),
    /// Resolved as long as a mapping wants it.
    Name(Arc<str>),
}

/// Address families an upstream name may resolve to; at least one is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Families {
    /// A records.
    pub ipv4: bool,
    /// AAAA records, preferred where both are on.
    pub ipv6: bool,
}

/// Which relay may carry a mapping's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RelayChoice {
    /// The kernel relay wherever it works.
    #[default]
    Auto,
    /// Userspace only.
    Splice,
}

/// How long each phase of a connection may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From choosing the mapping to a connected socket, all attempts together; each leaves those that may
    /// follow their share.
    pub connect: Duration,
    /// No byte in either direction; `None` waits for ever.
    pub idle: Option<Duration>,
    /// One direction finished and no byte in the other; `None` waits for ever.
    pub half_closed: Option<Duration>,
    /// From accept to a forced end; `None` never ends it.
    pub max_age: Option<Duration>,
}
