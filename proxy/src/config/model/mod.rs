//! What every dialect lowers into: proven values in sluice's own words, no dialect's.

mod balancing;
#[cfg(test)]
pub(crate) mod fixtures;
mod limits;
mod log_sink;
mod proxy_protocol;
mod tls;

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

pub use balancing::{Balancing, Check, Ejection, Policy, SourceAddress};
pub use limits::{Limits, Rate, SourceLimits};
pub use log_sink::{LogDestination, LogMethod, LogQueue, LogRequest, LogSink, RouteLogs};
pub use proxy_protocol::{ProxySources, ProxyVersion};
pub use tls::{
    Certificates, ClientCertificates, Identity, Origination, Parameters, SanPattern, ServerName, Termination,
    Trust, Verification, Versions,
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
                Downstream::Raw => &[][..],
                Downstream::Terminate(termination) => &termination.certificates,
            };
            let upstream = route.mappings.iter().filter_map(|mapping| mapping.originate.as_ref());
            downstream.iter().chain(upstream.filter_map(|origination| origination.identity.as_ref()))
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
    /// At least one. [`Matcher::Any`] stands alone: nothing else is on a listener that has it.
    pub routes: Vec<Route>,
}

impl Listener {
    /// Its routes as they are tried; among equals the order of the declaration counts.
    #[must_use]
    pub fn in_order(&self) -> Vec<&Route> {
        let mut routes: Vec<_> = self.routes.iter().collect();
        routes.sort_by_key(|route| route.matcher.rank());
        routes
    }
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
    /// Which connections of the listener this takes.
    pub matcher: Matcher,
    /// What becomes of the client's TLS.
    pub downstream: Downstream,
    /// At least one, in the order they were declared.
    pub mappings: Vec<Mapping>,
}

/// What a route asks of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Matcher {
    /// Every connection; no byte is looked at.
    Any,
    /// Connections that begin with a ClientHello. Among a listener's routes the exact name wins, then the
    /// longest suffix, then [`NamePattern::Everything`]; a route that asks for a protocol comes before
    /// one of the same name that asks for none.
    Tls {
        /// The name that the client asks for.
        name: NamePattern,
        /// Protocols (ALPN) of which the client offers at least one; empty asks for none.
        alpn: Vec<Arc<[u8]>>,
    },
}

impl Matcher {
    /// Sorts the matchers of a listener in the order in which they are tried.
    fn rank(&self) -> impl Ord {
        match self {
            Self::Any => (0, Reverse(0), false),
            Self::Tls { name, alpn } => match name {
                NamePattern::Exact(_) => (0, Reverse(0), alpn.is_empty()),
                NamePattern::Suffix(suffix) => (1, Reverse(suffix.len()), alpn.is_empty()),
                NamePattern::Everything => (2, Reverse(0), alpn.is_empty()),
            },
        }
    }
}

/// Which server names (SNI) a route takes, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NamePattern {
    /// This name.
    Exact(Arc<str>),
    /// Any name with one label or more before this suffix, which begins with a dot; never the suffix alone.
    Suffix(Arc<str>),
    /// Any name, and none.
    Everything,
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
    /// A service catalogue, which also knows the ports; host and port only name the service.
    Catalogue(Arc<Catalogue>),
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
