//! Which endpoint of a mapping's service a connection goes to, and which are left alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::Service;

/// How a mapping's connections are spread over the endpoints of its service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balancing {
    /// Whose turn it is.
    pub policy: Policy,
    /// Connect attempts for one connection at most, the first included; each goes to another endpoint.
    pub attempts: u32,
    /// Whose endpoints are used while none of the service's own is healthy.
    pub backup: Option<Service>,
    /// Where connections to endpoints come from.
    pub source: SourceAddress,
    /// When an endpoint that cannot be connected to is left alone.
    pub ejection: Ejection,
    /// What endpoints are asked, connections or not.
    pub check: Option<Check>,
    /// How long an endpoint's share grows after it has come back or joined others; zero is at once. Not for
    /// [`Policy::SourceHash`], whose clients would move twice.
    pub slow_start: Duration,
    /// Connections are refused unless more than this percent of the endpoints' weight is healthy; `None` uses all
    /// endpoints where none is.
    pub quorum: Option<u8>,
}

impl Default for Balancing {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            attempts: 3,
            backup: None,
            source: SourceAddress::default(),
            ejection: Ejection::default(),
            check: None,
            slow_start: Duration::ZERO,
            quorum: None,
        }
    }
}

/// Whose turn it is among healthy endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// In turn, exactly by weight.
    #[default]
    RoundRobin,
    /// The one with the fewest of sluice's own connections, relative to its weight.
    LeastConnections,
    /// The less busy of two drawn by weight ("The Power of Two Random Choices").
    Random,
    /// By the client's address alone (Maglev): the same client goes to the same endpoint, in any process with
    /// the same endpoints, and few clients move when one comes or goes.
    SourceHash,
    /// The one that lately took less time to connect to for its weight, of two drawn by weight (peak EWMA).
    Latency,
}

impl Policy {
    /// The word for configuration and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::LeastConnections => "least-connections",
            Self::Random => "random",
            Self::SourceHash => "source-hash",
            Self::Latency => "latency",
        }
    }
}

/// Local addresses to connect from; a family without one leaves the choice to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SourceAddress {
    /// Towards IPv4 endpoints.
    pub ipv4: Option<Ipv4Addr>,
    /// Towards IPv6 endpoints.
    pub ipv6: Option<Ipv6Addr>,
}

impl SourceAddress {
    /// The address to connect to `endpoint` from.
    #[must_use]
    pub fn towards(&self, endpoint: IpAddr) -> Option<IpAddr> {
        match endpoint {
            IpAddr::V4(_) => self.ipv4.map(IpAddr::V4),
            IpAddr::V6(_) => self.ipv6.map(IpAddr::V6),
        }
    }
}

/// When an endpoint that cannot be connected to is left alone, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ejection {
    /// Failures in a row that eject; 0 never does.
    pub after: u32,
    /// The same for connections that were not made in time, counted apart; `None` counts them with the others.
    pub after_timeouts: Option<u32>,
    /// How long for at first. It doubles each time an endpoint fails again soon after. `None` is until a check
    /// succeeds or an operator says so.
    pub base: Option<Duration>,
    /// How long for at most.
    pub most: Duration,
    /// Percent of a mapping's endpoints that may be ejected at a time. Were it more, all would be used.
    pub share: u32,
}

impl Default for Ejection {
    /// Envoy's outlier detection has 5, 30 s and 300 s, and a share of 10 % that one endpoint may always exceed;
    /// 50 % lets go of one family where a service has two.
    fn default() -> Self {
        Self {
            after: 5,
            after_timeouts: None,
            base: Some(Duration::from_secs(30)),
            most: Duration::from_secs(300),
            share: 50,
        }
    }
}

/// What endpoints are asked at intervals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// From one to the next of a healthy endpoint; each is up to a tenth later, at random. Zero asks none.
    pub interval: Duration,
    /// The same of an unhealthy one.
    pub unhealthy_interval: Duration,
    /// For connecting, sending and hearing what is expected.
    pub timeout: Duration,
    /// Successes in a row that make an unhealthy endpoint healthy; 0 never does.
    pub healthy: u32,
    /// Failures in a row that make a healthy endpoint unhealthy; 0 never does.
    pub unhealthy: u32,
    /// The same for checks that were not over in time, counted apart; `None` counts them with the others.
    pub unhealthy_timeouts: Option<u32>,
    /// Which port is asked; `None` is the endpoint's own.
    pub port: Option<u16>,
    /// What is asked.
    pub question: Question,
}

/// What a check asks an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// For a connection, and an answer where one is expected.
    Exchange {
        /// What is sent once connected.
        send: Arc<[u8]>,
        /// What has to be among what comes back; empty asks for a connection alone.
        expect: Arc<[u8]>,
    },
    /// `GET` over HTTP/1.1.
    Http {
        /// Whether TLS is begun first; nothing is asked of the certificate.
        tls: bool,
        /// Path and query.
        path: Arc<str>,
        /// Which statuses are good.
        statuses: Vec<RangeInclusive<u16>>,
    },
}
