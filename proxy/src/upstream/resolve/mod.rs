//! From mappings to endpoints: who is asked for them, and what was answered last.

mod gathered;
mod listed;
mod memory;
mod name;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::watch;
use tokio::task::AbortHandle;

use self::gathered::{Gathered, Part};
use self::listed::Listed;
use self::name::Name;
use super::dns::Dns;
use super::endpoint::Endpoint;
use crate::config::model::{Catalogue, Families, Host, Mapping, Resolution, Service, Target};
use crate::config::settings::Names;
use crate::telemetry;

/// Why a mapping has no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// DNS has no address for its name, or does not say.
    #[error("{name} has no address (enable_ipv4 {}, enable_ipv6 {}): {message}", .families.ipv4, .families.ipv6)]
    Name {
        /// The name asked for.
        name: Arc<str>,
        /// What is enabled.
        families: Families,
        /// What was said.
        message: String,
    },
    /// A catalogue has no instance of it that could be used, or does not say.
    #[error("{service} in {datacenter}: {message}")]
    Catalogue {
        /// The name asked for.
        service: Arc<str>,
        /// Whose catalogue.
        datacenter: Arc<str>,
        /// What was said.
        message: String,
    },
    /// None of its targets has an address.
    #[error("none of its targets has an address: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Targets(Arc<[ResolveError]>),
    /// The list it was declared with is empty.
    #[error("no endpoint of {name} is ready")]
    NoneReady {
        /// The service.
        name: String,
    },
}

/// What is known of a mapping's endpoints: nothing yet, the last good answer, or that there is none and why.
/// The same list is behind the same `Arc` for as long as it does not change.
pub type Latest = Option<Result<Arc<[Endpoint]>, ResolveError>>;

/// Knows the endpoints of every mapping, and keeps them fresh. Clones share.
#[derive(Debug, Clone)]
pub struct Resolver {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dns: Arc<Dns>,
    /// What a connection looks at. Whoever also takes `running` takes that first.
    known: RwLock<HashMap<Key, watch::Receiver<Latest>>>,
    running: Mutex<Running>,
}

#[derive(Debug, Default)]
struct Running {
    names: HashMap<(Arc<str>, Families), Kept<Name>>,
    listed: HashMap<Arc<Catalogue>, Kept<Listed>>,
    gathered: HashMap<(Arc<[Target]>, Families), Kept<Gathered>>,
}

/// Somebody who has to be asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Name { name: Arc<str>, port: u16, families: Families },
    Catalogue(Arc<Catalogue>),
    Targets { targets: Arc<[Target]>, families: Families },
}

impl Key {
    /// Who has to be asked for it: itself, and whom it is gathered from.
    fn with_parts(self) -> impl Iterator<Item = Self> {
        let parts: Vec<_> = match &self {
            Self::Name { .. } | Self::Catalogue(_) => Vec::new(),
            Self::Targets { targets, families } => {
                targets.iter().filter_map(|target| service(&target.service, *families).ok()).collect()
            }
        };
        std::iter::once(self).chain(parts)
    }
}

/// What a task keeps fresh, until it is dropped.
#[derive(Debug)]
struct Kept<T> {
    what: Arc<T>,
    task: AbortHandle,
}

impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Resolver {
    /// Reads how this system resolves names, and watches for changes of that. Needs tokio's runtime.
    #[must_use]
    pub fn new(settings: &Names) -> Self {
        let dns = Dns::new(settings.clone());
        tokio::spawn(Dns::look(Arc::downgrade(&dns)));
        Self { inner: Arc::new(Inner { dns, known: RwLock::default(), running: Mutex::default() }) }
    }

    /// Every endpoint of a mapping. It waits for the very first answer alone; from then on the last good one
    /// counts, however old, until somebody who knows says otherwise.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn resolve(&self, mapping: &Mapping) -> Result<Arc<[Endpoint]>, ResolveError> {
        let key = match key(mapping) {
            Ok(key) => key,
            Err(fixed) => return fixed,
        };
        loop {
            let mut latest = self.known(&key);
            if let Some(known) = &*latest.borrow() {
                return known.clone();
            }
            // Closed by a reload that no longer wants it, it is begun anew for this connection.
            if let Ok(known) = latest.wait_for(Option::is_some).await
                && let Some(known) = &*known
            {
                return known.clone();
            }
        }
    }

    /// What is known of a mapping's endpoints, and a word whenever that changes. The sender is gone, and the
    /// value stays, where it never changes and where no mapping in service wants it any longer.
    #[must_use]
    pub fn subscribe(&self, mapping: &Mapping) -> watch::Receiver<Latest> {
        match key(mapping) {
            Ok(key) => self.known(&key),
            Err(fixed) => watch::channel(Some(fixed)).1,
        }
    }

    /// Takes these for the mappings in service: what is new is asked for, and what nobody wants is forgotten.
    pub fn follow<'a>(&self, mappings: impl Iterator<Item = &'a Mapping>) {
        let wanted: HashSet<Key> =
            mappings.filter_map(|mapping| key(mapping).ok()).flat_map(Key::with_parts).collect();
        let mut running = self.inner.running();
        for key in &wanted {
            self.inner.begin(&mut running, key.clone());
        }
        self.inner
            .known
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|key, _| wanted.contains(key));
        running.names.retain(|(name, families), kept| {
            kept.what.retain(|port| {
                wanted.contains(&Key::Name { name: Arc::clone(name), port, families: *families })
            })
        });
        running.listed.retain(|catalogue, _| wanted.contains(&Key::Catalogue(Arc::clone(catalogue))));
        running.gathered.retain(|(targets, families), _| {
            wanted.contains(&Key::Targets { targets: Arc::clone(targets), families: *families })
        });
    }

    /// Everything that is kept fresh, by name.
    #[must_use]
    pub fn report(&self) -> Vec<telemetry::Resolution> {
        let running = self.inner.running();
        let mut report: Vec<_> = running.names.values().map(|kept| kept.what.report()).collect();
        report.extend(running.listed.values().map(|kept| kept.what.report()));
        report.sort_by(|a, b| (&a.name, &a.families).cmp(&(&b.name, &b.families)));
        report
    }

    fn known(&self, key: &Key) -> watch::Receiver<Latest> {
        if let Some(latest) = self.inner.known.read().unwrap_or_else(PoisonError::into_inner).get(key) {
            return latest.clone();
        }
        self.inner.begin(&mut self.inner.running(), key.clone())
    }
}

impl Inner {
    fn begin(&self, running: &mut Running, key: Key) -> watch::Receiver<Latest> {
        let latest = match &key {
            Key::Name { name, port, families } => {
                let kept = running.names.entry((Arc::clone(name), *families)).or_insert_with(|| {
                    let what = Arc::new(Name::new(Arc::clone(name), *families));
                    let task = tokio::spawn(Arc::clone(&what).keep(Arc::clone(&self.dns)));
                    Kept { what, task: task.abort_handle() }
                });
                kept.what.subscribe(*port)
            }
            Key::Catalogue(catalogue) => {
                let kept = running.listed.entry(Arc::clone(catalogue)).or_insert_with(|| {
                    let what = Arc::new(Listed::new(Arc::clone(catalogue)));
                    let task = tokio::spawn(Arc::clone(&what).keep(Arc::clone(&self.dns)));
                    Kept { what, task: task.abort_handle() }
                });
                kept.what.subscribe()
            }
            Key::Targets { targets, families } => self.gather(running, targets, *families),
        };
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(key, latest.clone());
        latest
    }

    fn gather(
        &self,
        running: &mut Running,
        targets: &Arc<[Target]>,
        families: Families,
    ) -> watch::Receiver<Latest> {
        let whole = (Arc::clone(targets), families);
        if let Some(kept) = running.gathered.get(&whole) {
            return kept.what.subscribe();
        }
        let part = |(index, target): (usize, &Target)| {
            let latest = match service(&target.service, families) {
                Ok(key) => self.begin(running, key),
                Err(address) => watch::channel(Some(Ok([Endpoint::new(address)].into()))).1,
            };
            Part { target: index, weight: target.weight, latest }
        };
        let parts: Vec<_> = targets.iter().enumerate().map(part).collect();
        let what = Arc::new(Gathered::new(&parts));
        let task = tokio::spawn(Arc::clone(&what).keep(parts));
        let latest = what.subscribe();
        running.gathered.insert(whole, Kept { what, task: task.abort_handle() });
        latest
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who is to be asked for a mapping's endpoints; the endpoints themselves where it says them.
fn key(mapping: &Mapping) -> Result<Key, Result<Arc<[Endpoint]>, ResolveError>> {
    let families = mapping.families;
    let none_ready = || Err(ResolveError::NoneReady { name: mapping.service.to_string() });
    match &mapping.resolution {
        Resolution::Fixed(addresses) if addresses.is_empty() => Err(none_ready()),
        Resolution::Fixed(addresses) => {
            Err(Ok(addresses.iter().map(|address| Endpoint::new(*address)).collect()))
        }
        Resolution::Targets(targets) if targets.is_empty() => Err(none_ready()),
        Resolution::Targets(targets) => Ok(Key::Targets { targets: Arc::clone(targets), families }),
        Resolution::Catalogue(catalogue) => Ok(Key::Catalogue(Arc::clone(catalogue))),
        Resolution::Dns => {
            service(&mapping.service, families).map_err(|address| Ok([Endpoint::new(address)].into()))
        }
    }
}

/// Who is to be asked for a service; its address where that says it.
fn service(service: &Service, families: Families) -> Result<Key, SocketAddr> {
    match &service.host {
        Host::Ip(ip) => Err(SocketAddr::new(*ip, service.port)),
        Host::Name(name) => Ok(Key::Name { name: Arc::clone(name), port: service.port, families }),
    }
}

/// Tells what is new, and nothing where it is not.
fn tell(sender: &watch::Sender<Latest>, latest: Latest) {
    sender.send_if_modified(|before| {
        let is_news = *before != latest;
        if is_news {
            *before = latest;
        }
        is_news
    });
}
