//! Clients without an end, so many at a time, that can be told to rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::client::Clients;

/// Connections under way at a time: many for two cores, with every kind of them among them.
const AT_A_TIME: usize = 96;

/// How soon somebody who was refused comes again.
const AGAIN: Duration = Duration::from_millis(250);

/// The load.
#[derive(Debug)]
pub(crate) struct Load {
    on: watch::Sender<bool>,
    begun: Arc<AtomicU64>,
    busy: Arc<AtomicUsize>,
}

impl Load {
    /// At rest.
    pub(crate) fn new(clients: &Arc<Clients>, runtime: &tokio::runtime::Handle) -> Self {
        let on = watch::Sender::new(false);
        let (begun, busy) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicUsize::new(0)));
        for _ in 0..AT_A_TIME {
            let (clients, begun, busy) = (Arc::clone(clients), Arc::clone(&begun), Arc::clone(&busy));
            let mut wanted = on.subscribe();
            runtime.spawn(async move {
                // Until the run is over and nobody wants anything any more.
                while wanted.wait_for(|on| *on).await.is_ok() {
                    busy.fetch_add(1, Ordering::SeqCst);
                    // Once more, since it may have been told to rest before it was counted.
                    let on = *wanted.borrow();
                    let come = !on || clients.run(begun.fetch_add(1, Ordering::SeqCst)).await;
                    busy.fetch_sub(1, Ordering::SeqCst);
                    if !come {
                        tokio::time::sleep(AGAIN).await; // tidy: nobody is there, which is tried again like anybody would
                    }
                }
            });
        }
        Self { on, begun, busy }
    }

    pub(crate) fn go(&self) {
        self.on.send_replace(true);
    }

    /// No more connections begin.
    pub(crate) fn rest(&self) {
        self.on.send_replace(false);
    }

    /// Connections begun so far.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    /// Connections under way.
    pub(crate) fn busy(&self) -> usize {
        self.busy.load(Ordering::SeqCst)
    }
}
