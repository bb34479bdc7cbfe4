//! What is measured: the shapes of traffic, and the unit each is counted in.

use std::time::Duration;

use clap::ValueEnum;

use super::beside::Beside;
use super::pace::Pace;
use super::suite::Suite;
use super::way::Way;

/// One shape of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub(crate) enum Case {
    /// 64 B there and back, one connection.
    #[value(name = "rr-64-1")]
    Small1,
    /// 64 B there and back, 32 connections.
    #[value(name = "rr-64-32")]
    Small32,
    /// 16 KiB there and back, 8 connections.
    #[value(name = "rr-16k-8")]
    Large8,
    /// Client to server as fast as it goes, one connection.
    #[value(name = "up-1")]
    Up1,
    /// Client to server, 8 connections.
    #[value(name = "up-8")]
    Up8,
    /// Server to client, one connection.
    #[value(name = "down-1")]
    Down1,
    /// Server to client, 8 connections.
    #[value(name = "down-8")]
    Down8,
    /// Both ways at once, one connection.
    #[value(name = "both-1")]
    Both1,
    /// Both ways at once, 8 connections.
    #[value(name = "both-8")]
    Both8,
    /// Connect, 64 B there and back, close; 8 clients at a time.
    #[value(name = "connect-8")]
    Connect8,
    /// TLS ends in between. Connect, full handshake (ECDSA P-256), 64 B there and back, close.
    #[value(name = "tls-full-ecdsa-8")]
    FullEcdsa8,
    /// The same with a certificate of RSA, 2048 bits.
    #[value(name = "tls-full-rsa-8")]
    FullRsa8,
    /// Every connection takes up a session of a former one.
    #[value(name = "tls-resumed-ecdsa-8")]
    ResumedEcdsa8,
    /// The same with a certificate of RSA, 2048 bits.
    #[value(name = "tls-resumed-rsa-8")]
    ResumedRsa8,
    /// TLS ends in between: 64 B there and back, 32 connections.
    #[value(name = "tls-rr-64-32")]
    TlsSmall32,
    /// TLS ends in between: client to server, one connection.
    #[value(name = "tls-up-1")]
    TlsUp1,
    /// TLS ends in between: client to server, 8 connections.
    #[value(name = "tls-up-8")]
    TlsUp8,
    /// TLS ends in between: server to client, one connection.
    #[value(name = "tls-down-1")]
    TlsDown1,
    /// TLS ends in between: server to client, 8 connections.
    #[value(name = "tls-down-8")]
    TlsDown8,
    /// TLS ends in between and begins anew: full handshakes with clients (ECDSA P-256).
    #[value(name = "tls-tls-full-ecdsa-8")]
    AgainFull8,
    /// TLS ends and begins anew: resumed handshakes with clients.
    #[value(name = "tls-tls-resumed-ecdsa-8")]
    AgainResumed8,
    /// TLS ends and begins anew: 64 B there and back, 32 connections.
    #[value(name = "tls-tls-rr-64-32")]
    AgainSmall32,
    /// TLS ends and begins anew: client to server, one connection.
    #[value(name = "tls-tls-up-1")]
    AgainUp1,
    /// TLS ends and begins anew: client to server, 8 connections.
    #[value(name = "tls-tls-up-8")]
    AgainUp8,
    /// TLS ends and begins anew: server to client, one connection.
    #[value(name = "tls-tls-down-1")]
    AgainDown1,
    /// TLS ends and begins anew: server to client, 8 connections.
    #[value(name = "tls-tls-down-8")]
    AgainDown8,
    /// 64 B there and back, 32 connections, at a quarter of the rate of which the slowest proxy is able.
    #[value(name = "lat-64-25")]
    Quarter,
    /// At half of it.
    #[value(name = "lat-64-50")]
    Half,
    /// At three quarters of it.
    #[value(name = "lat-64-75")]
    ThreeQuarters,
    /// 16 KiB there and back, 8 connections, at half of what the slowest can.
    #[value(name = "lat-16k-50")]
    LargeHalf,
    /// 64 B on 8 connections, 500 a second, beside one stream from the server that goes as fast as it can.
    #[value(name = "elephant")]
    Elephant,
    /// The same beside 200 streams that are not read, or hardly.
    #[value(name = "slow-readers")]
    SlowReaders,
    /// Connect, 64 B there and back; 100 connections a second.
    #[value(name = "ttfb")]
    FirstByte,
    /// The same at half the rate of which the slowest proxy is able.
    #[value(name = "connect-50")]
    ConnectHalf,
    /// The same, 500 connections a second, while the proxy is told every second to read its configuration again.
    #[value(name = "reload")]
    Reload,
    /// TLS ends in between: as `lat-64-50`.
    #[value(name = "tls-lat-64-50")]
    TlsHalf,
    /// TLS ends in between: as `ttfb`, with a full handshake.
    #[value(name = "tls-ttfb")]
    TlsFirstByte,
    /// TLS ends in between: as `connect-50`, with full handshakes.
    #[value(name = "tls-connect-50")]
    TlsConnectHalf,
    /// 64 B there and back as fast as it goes, one connection.
    #[value(name = "scale-1")]
    Scale1,
    /// The same, 8 connections.
    #[value(name = "scale-8")]
    Scale8,
    /// 64 connections.
    #[value(name = "scale-64")]
    Scale64,
    /// 512 connections.
    #[value(name = "scale-512")]
    Scale512,
    /// 4,000 connections.
    #[value(name = "scale-4000")]
    Scale4000,
    /// 64 B on 8 connections, 1,000 a second, beside 9,000 connections that do nothing.
    #[value(name = "idle-9000")]
    Idle9000,
    /// The client is 50 ms (there and back) and 1 Gbit/s away: client to server, one connection.
    #[value(name = "far-up-1")]
    FarUp,
    /// The same, server to client.
    #[value(name = "far-down-1")]
    FarDown,
    /// The same, connect and 64 B there and back; 20 connections a second.
    #[value(name = "far-ttfb")]
    FarFirstByte,
}

/// What the load generator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// A request of so many bytes, the same back, and again.
    Exchange(usize),
    /// Streams: client to server, server to client.
    Bulk { up: bool, down: bool },
    /// A connection per request of so many bytes.
    Connect(usize),
    /// The same, each taking up a TLS session of a former one.
    Resume(usize),
    /// Requests of so many bytes at a constant rate.
    Paced(usize, Pace, Beside),
    /// A connection per request of so many bytes, at a constant rate.
    Fresh(usize, Pace),
}

/// What a case counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Bytes,
    Requests,
    Connections,
}

impl Case {
    /// Every case there is, in the order of reports.
    pub(super) fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// As on the command line and in reports.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default()
    }

    /// Through which listener it goes.
    pub(super) fn way(self) -> Way {
        self.shape().0
    }

    pub(super) fn work(self) -> Work {
        self.shape().1
    }

    /// The bench of which it is a part.
    pub(super) fn suite(self) -> Suite {
        match (self, self.way(), self.work()) {
            (Self::Scale1 | Self::Scale8 | Self::Scale64 | Self::Scale512 | Self::Scale4000, ..)
            | (_, _, Work::Paced(_, _, Beside::Idle(_))) => Suite::Scale,
            (_, Way::Far, _) => Suite::Delay,
            (_, Way::Plain, Work::Paced(..) | Work::Fresh(..)) => Suite::Latency,
            (_, _, Work::Paced(..) | Work::Fresh(..)) => Suite::TlsLatency,
            (_, Way::Plain, _) => Suite::Cleartext,
            (_, Way::Ecdsa | Way::Rsa | Way::Again, _) => Suite::Tls,
        }
    }

    /// Requests or connections a second, where that is set.
    pub(super) fn pace(self) -> Option<Pace> {
        match self.work() {
            Work::Paced(_, pace, _) | Work::Fresh(_, pace) => Some(pace),
            _ => None,
        }
    }

    /// Connections whose memory is asked for.
    pub(super) fn held(self) -> Option<usize> {
        match self.work() {
            Work::Paced(_, _, beside) => beside.connections(),
            _ => None,
        }
    }

    /// Whether the peer has to read its configuration again and again.
    pub(super) fn reloads(self) -> bool {
        self == Self::Reload
    }

    /// The shortest sample that says anything: of a reload per second, or of a stream that starts slowly.
    pub(super) fn least(self) -> Duration {
        match (self, self.way()) {
            (Self::Reload, _) => Duration::from_millis(2_200),
            (_, Way::Far) => Duration::from_secs(2),
            _ => Duration::ZERO,
        }
    }

    /// Connections at a time.
    pub(super) fn connections(self) -> usize {
        self.shape().2
    }

    fn shape(self) -> (Way, Work, usize) {
        const SMALL: Work = Work::Exchange(64);
        const UP: Work = Work::Bulk { up: true, down: false };
        const DOWN: Work = Work::Bulk { up: false, down: true };
        const BOTH: Work = Work::Bulk { up: true, down: true };
        const FULL: Work = Work::Connect(64);
        const RESUMED: Work = Work::Resume(64);
        const fn paced(size: usize, pace: Pace) -> Work {
            Work::Paced(size, pace, Beside::Nothing)
        }
        const fn beside(rate: u32, beside: Beside) -> Work {
            Work::Paced(64, Pace::Fixed(rate), beside)
        }
        const fn fresh(pace: Pace) -> Work {
            Work::Fresh(64, pace)
        }
        match self {
            Self::Small1 => (Way::Plain, SMALL, 1),
            Self::Small32 => (Way::Plain, SMALL, 32),
            Self::Large8 => (Way::Plain, Work::Exchange(16 << 10), 8),
            Self::Up1 => (Way::Plain, UP, 1),
            Self::Up8 => (Way::Plain, UP, 8),
            Self::Down1 => (Way::Plain, DOWN, 1),
            Self::Down8 => (Way::Plain, DOWN, 8),
            Self::Both1 => (Way::Plain, BOTH, 1),
            Self::Both8 => (Way::Plain, BOTH, 8),
            Self::Connect8 => (Way::Plain, FULL, 8),
            Self::FullEcdsa8 => (Way::Ecdsa, FULL, 8),
            Self::FullRsa8 => (Way::Rsa, FULL, 8),
            Self::ResumedEcdsa8 => (Way::Ecdsa, RESUMED, 8),
            Self::ResumedRsa8 => (Way::Rsa, RESUMED, 8),
            Self::TlsSmall32 => (Way::Ecdsa, SMALL, 32),
            Self::TlsUp1 => (Way::Ecdsa, UP, 1),
            Self::TlsUp8 => (Way::Ecdsa, UP, 8),
            Self::TlsDown1 => (Way::Ecdsa, DOWN, 1),
            Self::TlsDown8 => (Way::Ecdsa, DOWN, 8),
            Self::AgainFull8 => (Way::Again, FULL, 8),
            Self::AgainResumed8 => (Way::Again, RESUMED, 8),
            Self::AgainSmall32 => (Way::Again, SMALL, 32),
            Self::AgainUp1 => (Way::Again, UP, 1),
            Self::AgainUp8 => (Way::Again, UP, 8),
            Self::AgainDown1 => (Way::Again, DOWN, 1),
            Self::AgainDown8 => (Way::Again, DOWN, 8),
            Self::Quarter => (Way::Plain, paced(64, Pace::Percent(25, Self::Small32)), 32),
            Self::Half => (Way::Plain, paced(64, Pace::Percent(50, Self::Small32)), 32),
            Self::ThreeQuarters => (Way::Plain, paced(64, Pace::Percent(75, Self::Small32)), 32),
            Self::LargeHalf => (Way::Plain, paced(16 << 10, Pace::Percent(50, Self::Large8)), 8),
            Self::Elephant => (Way::Plain, beside(500, Beside::Elephant), 8),
            Self::SlowReaders => (Way::Plain, beside(500, Beside::SlowReaders(200)), 8),
            Self::FirstByte => (Way::Plain, fresh(Pace::Fixed(100)), 16),
            Self::ConnectHalf => (Way::Plain, fresh(Pace::Percent(50, Self::Connect8)), 64),
            Self::Reload => (Way::Plain, fresh(Pace::Fixed(500)), 64),
            Self::TlsHalf => (Way::Ecdsa, paced(64, Pace::Percent(50, Self::TlsSmall32)), 32),
            Self::TlsFirstByte => (Way::Ecdsa, fresh(Pace::Fixed(50)), 16),
            Self::TlsConnectHalf => (Way::Ecdsa, fresh(Pace::Percent(50, Self::FullEcdsa8)), 64),
            Self::Scale1 => (Way::Plain, SMALL, 1),
            Self::Scale8 => (Way::Plain, SMALL, 8),
            Self::Scale64 => (Way::Plain, SMALL, 64),
            Self::Scale512 => (Way::Plain, SMALL, 512),
            Self::Scale4000 => (Way::Plain, SMALL, 4_000),
            Self::Idle9000 => (Way::Plain, beside(1_000, Beside::Idle(9_000)), 8),
            Self::FarUp => (Way::Far, UP, 1),
            Self::FarDown => (Way::Far, DOWN, 1),
            Self::FarFirstByte => (Way::Far, fresh(Pace::Fixed(20)), 16),
        }
    }

    pub(super) fn unit(self) -> Unit {
        match self.work() {
            Work::Exchange(_) | Work::Paced(..) => Unit::Requests,
            Work::Bulk { .. } => Unit::Bytes,
            Work::Connect(_) | Work::Resume(_) | Work::Fresh(..) => Unit::Connections,
        }
    }
}

impl Unit {
    /// How a rate is written: its name, and what one of it is in ops (or bytes) per second.
    pub(super) fn rate(self) -> (&'static str, f64) {
        match self {
            Self::Bytes => ("Gbit/s", 1e9 / 8.0),
            Self::Requests => ("req/s", 1.0),
            Self::Connections => ("conn/s", 1.0),
        }
    }

    /// What CPU time is divided by: its name, and how many ops (or bytes) it is.
    pub(super) fn cost(self) -> (&'static str, f64) {
        match self {
            Self::Bytes => ("GB", 1e9),
            Self::Requests => ("1,000 req", 1e3),
            Self::Connections => ("1,000 conn", 1e3),
        }
    }
}
