//! The field: the backend, and every peer that could be started.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::backend;
use super::cpu::Tree;
use super::line::Line;
use super::peers::{Peer, Place, Route};
use super::service::Service;
use super::suite::{Suite, folder};

/// What runs while samples are taken.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) peers: Vec<Running>,
    /// Peers that could not be had, and why.
    pub(super) absent: Vec<(Peer, String)>,
    pub(super) backend: Service,
    /// Between the clients and all of these, where they are far.
    pub(super) line: Option<Line>,
}

/// A peer that serves.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) peer: Peer,
    pub(super) version: String,
    /// It ended, and that was reported.
    pub(super) gone: bool,
    service: Option<Service>,
}

impl Field {
    /// Starts the backend and these peers. One that fails is left out, and that is said.
    pub(super) fn start(suite: Suite, peers: &[Peer], folder: &Path, cores: usize) -> Result<Self> {
        // First: the backend listens at its near end.
        let line = (suite == Suite::Delay).then(|| Line::lay(folder)).transpose()?;
        let mut command = itself("backend")?;
        let mut backs: Vec<_> =
            peers.iter().flat_map(|peer| suite.ways().iter().map(|way| peer.back(*way))).collect();
        backs.sort_unstable_by_key(|(address, _)| *address);
        backs.dedup();
        for (address, key) in &backs {
            command.arg(backend::argument(*key)).arg(address.to_string());
        }
        let mut backend = Service::start("backend", &command, folder)?;
        backend.await_ready(backs.into_iter()).context("the backend")?;
        let mut field = Self { peers: Vec::new(), absent: Vec::new(), backend, line };
        for &peer in peers {
            match Running::start(suite, peer, folder, cores) {
                Ok(running) => field.peers.push(running),
                Err(error) => {
                    eprintln!("bench: {} is left out: {error:#}", peer.name());
                    field.absent.push((peer, format!("{error:#}")));
                }
            }
        }
        ensure!(!field.peers.is_empty(), "no peer could be started");
        Ok(field)
    }
}

impl Running {
    fn start(suite: Suite, peer: Peer, folder: &Path, cores: usize) -> Result<Self> {
        let routes: Vec<Route> = suite.ways().iter().map(|way| peer.route(*way)).collect();
        let place = Place { routes: &routes, folder, cores };
        let service = match peer.command(place)? {
            None => None,
            Some(command) => {
                let mut service = Service::start(&peer.name(), &command, folder)?;
                service.await_ready(routes.iter().map(|route| (route.front, route.way.inside())))?;
                Some(service)
            }
        };
        Ok(Self { peer, version: peer.version(), gone: false, service })
    }

    /// Its own processes as they are now; the direct way has none.
    pub(super) fn tree(&self) -> Result<Option<Tree>> {
        self.service.as_ref().map(|service| Tree::of(service.id())).transpose()
    }

    /// Lets it read its configuration again, the `turn`th time.
    pub(super) fn reload(&self, turn: usize) -> Result<()> {
        self.service.as_ref().map_or(Ok(()), |service| self.peer.reload(service, &folder(), turn))
    }

    /// How it ended, if it did.
    pub(super) fn epitaph(&mut self) -> Option<String> {
        self.service.as_mut()?.epitaph()
    }
}

/// A part of the bench as a process of its own.
pub(super) fn itself(part: &str) -> Result<Command> {
    let mut command = Command::new(env::current_exe().context("where xtask is")?);
    command.args(["bench-part", part]);
    Ok(command)
}
