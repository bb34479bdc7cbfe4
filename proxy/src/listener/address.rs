//! One address: its sockets, and what they are asked for, which a reload may change.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::options;
use super::socket::{BindError, Listener, bind_all};
use crate::config::model::SocketOptions;
use crate::config::settings::Sockets;

/// An address in service, or that will be.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) address: SocketAddr,
    settings: Sockets,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    options: SocketOptions,
    /// Those that are still open are held by who accepts from them.
    sockets: Vec<Weak<Listener>>,
}

impl Address {
    /// Without sockets yet.
    pub(super) fn new(address: SocketAddr, options: SocketOptions, settings: Sockets) -> Arc<Self> {
        let state = Mutex::new(State { options, sockets: Vec::new() });
        Arc::new(Self { address, settings, state })
    }

    /// Has the kernel queue connections to it.
    ///
    /// # Errors
    /// Why it cannot be bound.
    pub(super) fn bind(&self) -> Result<Vec<Arc<Listener>>, BindError> {
        // Held over it: options that change meanwhile find the sockets.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let bound = bind_all(self.address, &state.options, &self.settings)?;
        let bound: Vec<_> = bound.into_iter().map(Arc::new).collect();
        state.sockets = bound.iter().map(Arc::downgrade).collect();
        Ok(bound)
    }

    /// Asks its sockets for this from now on. Connections that are there keep what they were given.
    pub(super) fn ask(&self, wanted: SocketOptions) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut state.options, wanted);
        if before == wanted {
            return;
        }
        for socket in state.sockets.iter().filter_map(Weak::upgrade) {
            let socket = socket.get_ref();
            let mut asked = Ok(());
            if before.keepalive != wanted.keepalive {
                asked = options::watch_clients(socket, &wanted, &self.settings);
            }
            if before.backlog != wanted.backlog {
                asked = asked.and(options::listen(socket, &wanted, &self.settings));
            }
            if let Err(error) = asked {
                tracing::error!(address = %self.address, %error, "a listening socket keeps the options it had");
            }
        }
    }
}
