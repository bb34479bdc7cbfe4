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
    /// Nobody is there to take the route's share that this connection fell to, every mapping has weight 0, or every endpoint of the mapping is drained, disabled or of weight 0.
    NoUpstream,
    /// The upstream's name has no address.
    ResolveFailed,
    /// The upstream refused or could not be reached.
    ConnectFailed,
    /// The upstream did not answer within the connect timeout.
    ConnectTimeout,
    /// No local port was free towards the upstream (EADDRNOTAVAIL), or the mapping's source address is not this host's.
    NoLocalPort,
    /// The peer's PROXY header was not complete within the client-hello timeout.
    ProxyHeaderTimeout,
    /// The peer closed, or half-closed, before its PROXY header was complete.
    ProxyHeaderIncomplete,
    /// The peer sent something else to a listener that wants a PROXY header.
    ProxyHeaderMissing,
    /// The peer sent a PROXY header that is none by the specification, or whose checksum is wrong.
    ProxyHeaderMalformed,
    /// The peer sent a PROXY header of more than 16 KiB.
    ProxyHeaderTooLong,
    /// The client's ClientHello was not complete within the client-hello timeout.
    HelloTimeout,
    /// The client closed, or half-closed, before its ClientHello was complete.
    HelloIncomplete,
    /// The client sent a ClientHello that is none by any RFC.
    HelloMalformed,
    /// The client's ClientHello was not complete after 64 KiB.
    HelloTooLong,
    /// The client did not speak TLS to a listener that wants it.
    NotTls,
    /// A PostgreSQL client wanted to cancel a query without TLS.
    CancelInClear,
    /// No route of the listener has the name that the client asked for; it was told so (`unrecognized_name`).
    UnknownName,
    /// The client's TLS handshake was not done within the handshake timeout.
    HandshakeTimeout,
    /// The client's TLS handshake failed: nothing in common, a refusal, or nonsense.
    HandshakeFailed,
    /// The limit on TLS handshakes at a time was reached.
    HandshakeOverflow,
    /// The client showed no certificate, or none that is good here.
    ClientCertificate,
    /// The client broke the TLS protocol after its handshake, or sent an alert.
    DownstreamTls,
    /// The client closed without TLS's own end (`close_notify`): bytes may be missing, and the upstream was reset.
    DownstreamTruncated,
    /// The upstream did not agree to TLS when asked in its own protocol.
    UpstreamRefusedTls,
    /// The upstream's TLS handshake was not done within the connect timeout.
    UpstreamHandshakeTimeout,
    /// The upstream's TLS handshake failed: nothing in common, a refusal, or nonsense.
    UpstreamHandshakeFailed,
    /// The upstream showed a certificate that is not good here.
    UpstreamCertificate,
    /// The upstream broke the TLS protocol after its handshake, or sent an alert.
    UpstreamTls,
    /// The upstream closed without TLS's own end (`close_notify`): bytes may be missing, and the client was reset.
    UpstreamTruncated,
    /// The client's address is not among those that the route admits.
    Denied,
    /// No descriptor was left for the upstream.
    Overflow,
    /// The mapping's limit on connections was reached (`circuit_breakers`).
    MaxConnections,
    /// The mapping's limit on connections being dialled was reached (`circuit_breakers`).
    MaxPending,
    /// The mapping had more new connections than its rate allows.
    ConnectionRate,
    /// The client's address had as many connections as one may have of the mapping.
    SourceConnections,
    /// The client's address had more new connections than its rate allows.
    SourceRate,
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
    pub const ALL: [Self; 48] = [
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
        Self::ProxyHeaderTimeout,
        Self::ProxyHeaderIncomplete,
        Self::ProxyHeaderMissing,
        Self::ProxyHeaderMalformed,
        Self::ProxyHeaderTooLong,
        Self::HelloTimeout,
        Self::HelloIncomplete,
        Self::HelloMalformed,
        Self::HelloTooLong,
        Self::NotTls,
        Self::CancelInClear,
        Self::UnknownName,
        Self::HandshakeTimeout,
        Self::HandshakeFailed,
        Self::HandshakeOverflow,
        Self::ClientCertificate,
        Self::DownstreamTls,
        Self::DownstreamTruncated,
        Self::UpstreamRefusedTls,
        Self::UpstreamHandshakeTimeout,
        Self::UpstreamHandshakeFailed,
        Self::UpstreamCertificate,
        Self::UpstreamTls,
        Self::UpstreamTruncated,
        Self::Denied,
        Self::Overflow,
        Self::MaxConnections,
        Self::MaxPending,
        Self::ConnectionRate,
        Self::SourceConnections,
        Self::SourceRate,
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
            Self::ProxyHeaderTimeout => "proxy_header_timeout",
            Self::ProxyHeaderIncomplete => "proxy_header_incomplete",
            Self::ProxyHeaderMissing => "proxy_header_missing",
            Self::ProxyHeaderMalformed => "proxy_header_malformed",
            Self::ProxyHeaderTooLong => "proxy_header_too_long",
            Self::HelloTimeout => "hello_timeout",
            Self::HelloIncomplete => "hello_incomplete",
            Self::HelloMalformed => "hello_malformed",
            Self::HelloTooLong => "hello_too_long",
            Self::NotTls => "not_tls",
            Self::CancelInClear => "cancel_in_clear",
            Self::UnknownName => "unknown_name",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::HandshakeFailed => "handshake_failed",
            Self::HandshakeOverflow => "handshake_overflow",
            Self::ClientCertificate => "client_certificate",
            Self::DownstreamTls => "downstream_tls",
            Self::DownstreamTruncated => "downstream_truncated",
            Self::UpstreamRefusedTls => "upstream_refused_tls",
            Self::UpstreamHandshakeTimeout => "upstream_handshake_timeout",
            Self::UpstreamHandshakeFailed => "upstream_handshake_failed",
            Self::UpstreamCertificate => "upstream_certificate",
            Self::UpstreamTls => "upstream_tls",
            Self::UpstreamTruncated => "upstream_truncated",
            Self::Denied => "denied",
            Self::Overflow => "overflow",
            Self::MaxConnections => "max_connections",
            Self::MaxPending => "max_pending",
            Self::ConnectionRate => "connection_rate",
            Self::SourceConnections => "source_connections",
            Self::SourceRate => "source_rate",
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
            Self::DownstreamReset
            | Self::DownstreamTimeout
            | Self::ProxyHeaderTimeout
            | Self::ProxyHeaderIncomplete
            | Self::ProxyHeaderMissing
            | Self::ProxyHeaderMalformed
            | Self::ProxyHeaderTooLong
            | Self::HelloTimeout
            | Self::HelloIncomplete
            | Self::HelloMalformed
            | Self::HelloTooLong
            | Self::NotTls
            | Self::CancelInClear
            | Self::UnknownName
            | Self::HandshakeTimeout
            | Self::HandshakeFailed
            | Self::ClientCertificate
            | Self::DownstreamTls
            | Self::DownstreamTruncated => Side::Downstream,
            Self::UpstreamReset
            | Self::UpstreamTimeout
            | Self::ResolveFailed
            | Self::ConnectFailed
            | Self::ConnectTimeout
            | Self::UpstreamRefusedTls
            | Self::UpstreamHandshakeTimeout
            | Self::UpstreamHandshakeFailed
            | Self::UpstreamCertificate
            | Self::UpstreamTls
            | Self::UpstreamTruncated => Side::Upstream,
            Self::NoRoute
            | Self::NoUpstream
            | Self::NoLocalPort
            | Self::HandshakeOverflow
            | Self::Denied
            | Self::Overflow
            | Self::MaxConnections
            | Self::MaxPending
            | Self::ConnectionRate
            | Self::SourceConnections
            | Self::SourceRate
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
