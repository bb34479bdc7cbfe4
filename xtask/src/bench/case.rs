//! What is measured: the shapes of traffic, and the unit each is counted in.

use clap::ValueEnum;

/// One shape of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
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
}

/// What a case counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Bytes,
    Requests,
    Connections,
}

impl Case {
    /// Every case, in the order they are run and reported.
    pub(super) fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// As on the command line and in reports.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default()
    }

    pub(super) fn work(self) -> Work {
        match self {
            Self::Small1 | Self::Small32 => Work::Exchange(64),
            Self::Large8 => Work::Exchange(16 << 10),
            Self::Up1 | Self::Up8 => Work::Bulk { up: true, down: false },
            Self::Down1 | Self::Down8 => Work::Bulk { up: false, down: true },
            Self::Both1 | Self::Both8 => Work::Bulk { up: true, down: true },
            Self::Connect8 => Work::Connect(64),
        }
    }

    /// Connections at a time.
    pub(super) fn connections(self) -> usize {
        match self {
            Self::Small1 | Self::Up1 | Self::Down1 | Self::Both1 => 1,
            Self::Small32 => 32,
            Self::Large8 | Self::Up8 | Self::Down8 | Self::Both8 | Self::Connect8 => 8,
        }
    }

    pub(super) fn unit(self) -> Unit {
        match self.work() {
            Work::Exchange(_) => Unit::Requests,
            Work::Bulk { .. } => Unit::Bytes,
            Work::Connect(_) => Unit::Connections,
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
