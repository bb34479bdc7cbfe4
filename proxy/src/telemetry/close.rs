//! Why a connection ended, and whose doing it was.

/// Every way a connection can end: the access log's word and the metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CloseReason {
    /// Both directions were read to their end and delivered.
    Finished,
    /// The client reset.
    DownstreamReset,
    /// The upstream reset.
    UpstreamReset,
    /// The client stopped acknowledging (keepalive or `TCP_USER_TIMEOUT`).
    DownstreamTimeout,
    /// The upstream stopped acknowledging (keepalive or `TCP_USER_TIMEOUT`).
    UpstreamTimeout,
    /// No route of the listener takes this connection.
    NoRoute,
    /// Every mapping of the route has weight 0.
    NoUpstream,
    /// The upstream's name has no address.
    ResolveFailed,
    /// The upstream refused or could not be reached.
    ConnectFailed,
    /// The upstream did not answer within the connect timeout.
    ConnectTimeout,
    /// No local port was free towards the upstream (EADDRNOTAVAIL).
    NoLocalPort,
    /// A limit on connections was reached.
    Overflow,
    /// No byte for the idle timeout.
    IdleTimeout,
    /// One direction ended and the other stayed silent for the half-closed timeout.
    HalfClosedTimeout,
    /// The connection reached its maximum age.
    MaxAge,
    /// sluice stopped, and the drain time was over.
    Drained,
    /// Counters and bytes disagreed at the end: both sides were reset rather than one told a lie.
    Integrity,
    /// A system call failed that has no business failing.
    Internal,
}

/// Whose doing a close was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Nobody's: it was complete.
    None,
    /// The client's.
    Downstream,
    /// The upstream's.
    Upstream,
    /// sluice's, by configuration or failure.
    Proxy,
}

impl CloseReason {
    /// Every reason, so that metrics exist before their first event.
    pub const ALL: [Self; 18] = [
        Self::Finished,
        Self::DownstreamReset,
        Self::UpstreamReset,
        Self::DownstreamTimeout,
        Self::UpstreamTimeout,
        Self::NoRoute,
        Self::NoUpstream,
        Self::ResolveFailed,
        Self::ConnectFailed,
        Self::ConnectTimeout,
        Self::NoLocalPort,
        Self::Overflow,
        Self::IdleTimeout,
        Self::HalfClosedTimeout,
        Self::MaxAge,
        Self::Drained,
        Self::Integrity,
        Self::Internal,
    ];

    /// The word for logs and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::DownstreamReset => "downstream_reset",
            Self::UpstreamReset => "upstream_reset",
            Self::DownstreamTimeout => "downstream_timeout",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::NoRoute => "no_route",
            Self::NoUpstream => "no_upstream",
            Self::ResolveFailed => "resolve_failed",
            Self::ConnectFailed => "connect_failed",
            Self::ConnectTimeout => "connect_timeout",
            Self::NoLocalPort => "no_local_port",
            Self::Overflow => "overflow",
            Self::IdleTimeout => "idle_timeout",
            Self::HalfClosedTimeout => "half_closed_timeout",
            Self::MaxAge => "max_age",
            Self::Drained => "drained",
            Self::Integrity => "integrity",
            Self::Internal => "internal",
        }
    }

    /// Whose doing it was.
    #[must_use]
    pub const fn side(self) -> Side {
        match self {
            Self::Finished => Side::None,
            Self::DownstreamReset | Self::DownstreamTimeout => Side::Downstream,
            Self::UpstreamReset
            | Self::UpstreamTimeout
            | Self::ResolveFailed
            | Self::ConnectFailed
            | Self::ConnectTimeout => Side::Upstream,
            Self::NoRoute
            | Self::NoUpstream
            | Self::NoLocalPort
            | Self::Overflow
            | Self::IdleTimeout
            | Self::HalfClosedTimeout
            | Self::MaxAge
            | Self::Drained
            | Self::Integrity
            | Self::Internal => Side::Proxy,
        }
    }
}

impl Side {
    /// The word for logs and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Downstream => "downstream",
            Self::Upstream => "upstream",
            Self::Proxy => "proxy",
        }
    }
}
