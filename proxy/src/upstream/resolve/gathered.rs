//! Several services that serve as one, put together again whenever what is known of one changes.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::watch;

use super::super::endpoint::Endpoint;
use super::{Latest, ResolveError, tell};

/// One of the services.
#[derive(Debug)]
pub(super) struct Part {
    /// Which it is.
    pub(super) target: usize,
    /// What each of its endpoints has of the whole.
    pub(super) weight: u32,
    /// What is known of it.
    pub(super) latest: watch::Receiver<Latest>,
}

/// Services that a mapping wants together.
#[derive(Debug)]
pub(super) struct Gathered(watch::Sender<Latest>);

impl Gathered {
    pub(super) fn new(parts: &[Part]) -> Self {
        Self(watch::Sender::new(gather(parts)))
    }

    /// What is known of their endpoints, now and as it changes.
    pub(super) fn subscribe(&self) -> watch::Receiver<Latest> {
        self.0.subscribe()
    }

    /// Follows its parts, until none of them can change any more.
    pub(super) async fn keep(self: Arc<Self>, mut parts: Vec<Part>) {
        loop {
            let can_change = changed(&mut parts).await;
            tell(&self.0, gather(&parts));
            if !can_change {
                return;
            }
        }
    }
}

/// Waits for a change of one of them, or for the end of its changes; false where none can change.
async fn changed(parts: &mut [Part]) -> bool {
    let following = parts.iter_mut().filter(|part| part.latest.has_changed().is_ok());
    let mut changes: Vec<_> = following.map(|part| Box::pin(part.latest.changed())).collect();
    if changes.is_empty() {
        return false;
    }
    poll_fn(|cx| match changes.iter_mut().any(|change| change.as_mut().poll(cx).is_ready()) {
        true => Poll::Ready(true),
        false => Poll::Pending,
    })
    .await
}

/// All endpoints of those that have any, and nothing before one is known of. An address of several services has
/// their weights together, and is of the first that has one.
fn gather(parts: &[Part]) -> Latest {
    let mut endpoints: Vec<Endpoint> = Vec::new();
    let mut errors = Vec::new();
    for Part { target, weight, latest } in parts {
        let found = match &*latest.borrow() {
            None => continue,
            Some(Ok(found)) => Arc::clone(found),
            Some(Err(error)) => {
                errors.push(error.clone());
                continue;
            }
        };
        for endpoint in found.iter() {
            let one =
                Endpoint { weight: endpoint.weight.saturating_mul(*weight), target: *target, ..*endpoint };
            match endpoints.iter_mut().find(|other| other.address == one.address) {
                None => endpoints.push(one),
                Some(other) if other.weight == 0 => *other = one,
                Some(other) => other.weight = other.weight.saturating_add(one.weight),
            }
        }
    }
    if !endpoints.is_empty() {
        return Some(Ok(endpoints.into()));
    }
    (errors.len() == parts.len()).then(|| Err(ResolveError::Targets(errors.into())))
}
