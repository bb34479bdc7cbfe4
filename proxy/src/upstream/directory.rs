//! The pools in service: watched while they are, listed and changed by operators.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::task::AbortOnDropHandle;

use super::dial::Dialer;
use super::pool::{Change, Pool};
use super::probe;
use crate::telemetry::EndpointSnapshot;

/// Why an endpoint was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// No mapping in service has this name.
    #[error("no mapping in service is called {0:?}")]
    NoMapping(String),
    /// The mapping has no such endpoint.
    #[error("{mapping:?} has no endpoint {endpoint}; it has {}", .has.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    NoEndpoint {
        /// The mapping asked for.
        mapping: String,
        /// The endpoint asked for.
        endpoint: SocketAddr,
        /// Its endpoints.
        has: Vec<SocketAddr>,
    },
}

/// Every pool in service.
#[derive(Debug)]
pub struct Directory {
    dialer: Arc<Dialer>,
    serving: Mutex<BTreeMap<Arc<str>, Serving>>,
}

#[derive(Debug)]
struct Serving {
    pool: Arc<Pool>,
    /// Ends with the pool's service, though live connections may hold the pool itself longer.
    _watch: AbortOnDropHandle<()>,
}

impl Directory {
    /// An empty one, whose pools `dialer` connects to.
    #[must_use]
    pub fn new(dialer: Arc<Dialer>) -> Self {
        Self { dialer, serving: Mutex::default() }
    }

    /// Takes these pools for all in service: those that are new are watched from now on, others no longer. Has to
    /// be called within tokio's runtime.
    pub fn serve<'a>(&self, pools: impl IntoIterator<Item = &'a Arc<Pool>>) {
        let pools: Vec<_> = pools.into_iter().collect();
        self.dialer.follow(pools.iter().flat_map(|pool| pool.wanted()));
        let mut serving = self.serving();
        let mut before = std::mem::take(&mut *serving);
        for pool in pools {
            let kept = before.remove(pool.name()).filter(|kept| Arc::ptr_eq(&kept.pool, pool));
            let now = kept.unwrap_or_else(|| {
                let watch = tokio::spawn(probe::watch(Arc::clone(pool), Arc::clone(&self.dialer)));
                Serving { pool: Arc::clone(pool), _watch: AbortOnDropHandle::new(watch) }
            });
            serving.insert(Arc::clone(pool.name()), now);
        }
    }

    /// Every endpoint of every mapping, by mapping.
    #[must_use]
    pub fn snapshots(&self) -> Vec<EndpointSnapshot> {
        self.pools().iter().flat_map(|pool| pool.snapshots(self.dialer.telemetry())).collect()
    }

    /// Changes an endpoint of the mapping of this name, or of all with this `stats_name`.
    ///
    /// # Errors
    /// There is no such mapping, or it has no such endpoint.
    pub fn change(&self, mapping: &str, endpoint: SocketAddr, change: Change) -> Result<(), ChangeError> {
        let is_meant = |pool: &Arc<Pool>| **pool.name() == *mapping || **pool.label() == *mapping;
        let pools: Vec<_> = self.pools().into_iter().filter(is_meant).collect();
        if pools.is_empty() {
            return Err(ChangeError::NoMapping(mapping.to_owned()));
        }
        let telemetry = self.dialer.telemetry();
        let changed = pools.iter().filter(|pool| pool.change(endpoint, change, telemetry)).count();
        if changed > 0 {
            return Ok(());
        }
        let has = pools.iter().flat_map(|pool| pool.snapshots(telemetry)).map(|s| s.endpoint).collect();
        Err(ChangeError::NoEndpoint { mapping: mapping.to_owned(), endpoint, has })
    }

    fn pools(&self) -> Vec<Arc<Pool>> {
        self.serving().values().map(|serving| Arc::clone(&serving.pool)).collect()
    }

    fn serving(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Serving>> {
        self.serving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
