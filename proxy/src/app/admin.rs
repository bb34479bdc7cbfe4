//! The admin endpoint's place in the process.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::admin::{Handles, serve};

/// The running endpoint, if there is one.
#[derive(Debug)]
pub(super) struct Admin {
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Admin {
    /// Serves on `address`. A proxy without its admin endpoint is still one: an address that is
    /// taken is told, and that is all.
    pub(super) async fn start(address: Option<SocketAddr>, handles: Handles) -> Self {
        let stop = CancellationToken::new();
        let Some(address) = address else {
            return Self { stop, task: None };
        };
        if !address.ip().is_loopback() {
            tracing::warn!(%address, "whoever reaches the admin endpoint sees connections and configuration");
        }
        let task = match TcpListener::bind(address).await {
            Ok(listener) => {
                // Port 0 becomes what the kernel chose.
                let address = listener.local_addr().unwrap_or(address);
                tracing::info!(%address, "admin endpoint");
                Some(tokio::spawn(serve(listener, handles, stop.clone())))
            }
            Err(error) => {
                tracing::error!(%address, %error, "no admin endpoint");
                None
            }
        };
        Self { stop, task }
    }

    /// Ends the endpoint, with the answers that are under way.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        if let Some(task) = self.task {
            // A panic in it has been told by its hook.
            let _ = task.await;
        }
    }
}
