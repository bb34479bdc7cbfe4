//! Who is compared: each a process of its own, in front of a backend port of its own, so that
//! no peer's sockets in TIME_WAIT are in another's way.

mod envoy;
mod haproxy;
mod nginx;
mod sluice;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use clap::ValueEnum;
use rustix::process::Signal;

use super::service::Service;
use super::tls::Key;
use super::way::Way;

pub(super) use envoy::WHEEL as ENVOY;
pub(super) use sluice::program as sluice_program;

/// Something to put between client and backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    /// Nothing: the client talks to the backend.
    Direct,
    /// sluice with its in-kernel relay.
    SluiceKernel,
    /// sluice with splice(2) only.
    SluiceSplice,
    /// HAProxy, mode tcp, splicing.
    Haproxy,
    /// nginx, stream module.
    Nginx,
    /// Envoy, tcp_proxy.
    Envoy,
    /// sluice where TLS ends or begins.
    Sluice,
}

/// One listener of a peer, and what is behind it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route {
    pub(super) way: Way,
    /// Where it listens.
    pub(super) front: SocketAddr,
    /// Where the backend does.
    pub(super) back: SocketAddr,
}

/// Where a peer stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) routes: &'a [Route],
    /// For its configuration and its log.
    pub(super) folder: &'a Path,
    /// Threads or workers it may have.
    pub(super) cores: usize,
}

impl Peer {
    /// Every peer, in the order of reports.
    pub(super) fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// As on the command line and in reports.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default()
    }

    /// As in README.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::SluiceKernel => "sluice, kernel",
            Self::SluiceSplice => "sluice, splice",
            Self::Haproxy => "HAProxy",
            Self::Nginx => "nginx",
            Self::Envoy => "Envoy",
            Self::Sluice => "sluice",
        }
    }

    /// Whether it is what this project makes.
    pub(super) fn is_ours(self) -> bool {
        matches!(self, Self::SluiceKernel | Self::SluiceSplice | Self::Sluice)
    }

    /// Whether it is a proxy of somebody else: what ours is compared with.
    pub(super) fn is_rival(self) -> bool {
        self != Self::Direct && !self.is_ours()
    }

    /// Where it is asked for connections of this kind, below the ephemeral ports of the bench's network.
    pub(super) fn front(self, way: Way) -> SocketAddr {
        match self {
            Self::Direct => self.back(way).0,
            _ => SocketAddr::from((way.host(), 7000 + 10 * way as u16 + self as u16)),
        }
    }

    /// The backend's address for this peer alone, and the certificate shown there. Without a proxy it is the
    /// client whom the backend shows one.
    pub(super) fn back(self, way: Way) -> (SocketAddr, Option<Key>) {
        let key = if self == Self::Direct { way.inside() } else { way.outside() };
        let port = match key {
            None => 7100,
            Some(Key::Ecdsa) => 7110,
            Some(Key::Rsa) => 7120,
        };
        let host = if self == Self::Direct { way.host() } else { Ipv4Addr::LOCALHOST };
        (SocketAddr::from((host, port + self as u16)), key)
    }

    /// Both.
    pub(super) fn route(self, way: Way) -> Route {
        Route { way, front: self.front(way), back: self.back(way).0 }
    }

    /// Writes its configuration and says how it is started; nothing for [`Peer::Direct`].
    pub(super) fn command(self, place: Place<'_>) -> Result<Option<Command>> {
        Ok(Some(match self {
            Self::Direct => return Ok(None),
            Self::SluiceKernel => sluice::command(&self.name(), "auto", place)?,
            Self::SluiceSplice => sluice::command(&self.name(), "splice", place)?,
            Self::Sluice => sluice::command(&self.name(), "auto", place)?,
            Self::Haproxy => haproxy::command(place)?,
            Self::Nginx => nginx::command(place)?,
            Self::Envoy => envoy::command(place)?,
        }))
    }

    /// Whether it reads its configuration again when it is told. Envoy does not: it asks a server for changes, or
    /// looks for them in files of another kind, and is started anew for the rest.
    pub(super) fn can_reload(self) -> bool {
        self != Self::Envoy
    }

    /// Lets it, the `turn`th time. sluice notices a change of its file, which the others do not.
    pub(super) fn reload(self, service: &Service, folder: &Path, turn: usize) -> Result<()> {
        match self {
            Self::Direct | Self::Envoy => Ok(()),
            Self::SluiceKernel | Self::SluiceSplice | Self::Sluice => {
                sluice::change(&self.name(), folder, turn)
            }
            Self::Haproxy => service.signal(Signal::USR2),
            Self::Nginx => service.signal(Signal::HUP),
        }
    }

    /// What it calls its version.
    pub(super) fn version(self) -> String {
        match self {
            Self::Direct => String::new(),
            Self::SluiceKernel | Self::SluiceSplice | Self::Sluice => {
                first_line(Command::new(sluice_program()).arg("--version"))
            }
            Self::Haproxy => first_line(Command::new("haproxy").arg("-v")),
            Self::Nginx => first_line(Command::new("nginx").arg("-v")),
            // It begins with its own path.
            Self::Envoy => first_line(Command::new(ENVOY.landmark()).arg("--version"))
                .rsplit_once("  ")
                .map_or_else(|| "unknown".to_owned(), |(_, version)| version.to_owned()),
        }
    }
}

/// The first line with anything in it; nginx answers on standard error.
fn first_line(command: &mut Command) -> String {
    let Ok(out) = command.output() else { return "unknown".to_owned() };
    let text = [out.stdout, out.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("unknown").to_owned()
}
