//! Asks DNS, or /etc/hosts before it, for the addresses of a name, once.

mod answer;
mod system;
#[cfg(test)]
mod tests;

use std::pin::{Pin, pin};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::sync::{Semaphore, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

use self::system::System;
use crate::config::model::Families;
use crate::config::settings::Names;

pub(super) use self::answer::{Answer, Answers};

/// How long one family's answer waits for the other's (RFC 8305, section 3: Resolution Delay).
const GRACE: Duration = Duration::from_millis(50);

/// How often resolv.conf and hosts are looked at. inotify would miss them where a container has them bound in:
/// whoever writes them does so under another name.
const LOOK: Duration = Duration::from_secs(2);

/// Names asked for at a time: thousands that a configuration brings at once are not sent as one burst.
const AT_A_TIME: usize = 256;

/// DNS as the system has it set up.
#[derive(Debug)]
pub(super) struct Dns {
    settings: Names,
    system: RwLock<Arc<System>>,
    /// Tells that the system's files have changed.
    changes: watch::Sender<()>,
    places: Semaphore,
}

impl Dns {
    /// Reads the system's files.
    pub(super) fn new(settings: Names) -> Arc<Self> {
        let system = RwLock::new(Arc::new(System::read(&settings)));
        Arc::new(Self {
            settings,
            system,
            changes: watch::Sender::new(()),
            places: Semaphore::new(AT_A_TIME),
        })
    }

    /// Keeps looking whether the system's files have changed, for as long as there is anybody to tell.
    pub(super) async fn look(this: Weak<Self>) {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some(dns) = this.upgrade() else {
                return;
            };
            if dns.system().is_current(&dns.settings) {
                continue;
            }
            tracing::info!("resolv.conf or hosts has changed; every name is asked for again");
            let system = Arc::new(System::read(&dns.settings));
            *dns.system.write().unwrap_or_else(PoisonError::into_inner) = system;
            dns.changes.send_replace(());
        }
    }

    /// Tells when the system's files have changed.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Asks for the addresses of a name, along the search list. A family whose answer is there while the
    /// other's is not is told to `early` after a moment.
    pub(super) async fn ask(
        &self,
        name: &str,
        families: Families,
        early: &(dyn Fn(Answers) + Sync),
    ) -> Answers {
        // The semaphore is never closed.
        let _place = self.places.acquire().await;
        let system = self.system();
        if let Some(answers) = system.in_hosts(name, families) {
            return answers;
        }
        let candidates = match system.candidates(name) {
            Ok(candidates) => candidates,
            Err(error) => return Answers::failed(families, &error.to_string()),
        };
        // As in glibc: a server that fails for one name of the list may know the next, but then it is not
        // certain that there is none. Where no server is there, the next name would only wait as long again.
        let (mut failed, mut negative) = (None, None);
        for candidate in candidates {
            let answers = both(&system, candidate, families, early).await;
            if answers.any_address() || answers.is_silence() {
                return answers;
            }
            let kept = if answers.any_failure() { &mut failed } else { &mut negative };
            kept.get_or_insert(answers);
        }
        failed.or(negative).unwrap_or_else(|| Answers::failed(families, "there is nothing to ask for"))
    }

    fn system(&self) -> Arc<System> {
        Arc::clone(&self.system.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Asks for both families of one absolute name at once.
async fn both(system: &System, name: Name, families: Families, early: &(dyn Fn(Answers) + Sync)) -> Answers {
    let mut ipv4 = pin!(system.lookup(&name, RecordType::A, families.ipv4));
    let mut ipv6 = pin!(system.lookup(&name, RecordType::AAAA, families.ipv6));
    tokio::select! {
        ipv4 = &mut ipv4 => {
            let first = Answers { ipv4, ipv6: Answer::Unasked };
            Answers { ipv6: second(ipv6, &first, early).await, ..first }
        }
        ipv6 = &mut ipv6 => {
            let first = Answers { ipv4: Answer::Unasked, ipv6 };
            Answers { ipv4: second(ipv4, &first, early).await, ..first }
        }
    }
}

/// The family that answers later, for however long that takes.
async fn second(
    mut slow: Pin<&mut impl Future<Output = Answer>>,
    first: &Answers,
    early: &(dyn Fn(Answers) + Sync),
) -> Answer {
    if let Ok(answer) = timeout(GRACE, &mut slow).await {
        return answer;
    }
    if first.any_address() {
        early(first.clone());
    }
    slow.await
}
