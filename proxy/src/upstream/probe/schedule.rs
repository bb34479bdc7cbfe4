//! Who is to be asked when. Time is told, not asked for.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::super::pool::Checked;
use crate::config::model::Check;

/// When to look again where nobody is ever asked.
const NEVER: Duration = Duration::from_secs(3600);

/// When each endpoint was asked last.
#[derive(Debug, Default)]
pub(super) struct Schedule(HashMap<SocketAddr, Asked>);

#[derive(Debug, Clone, Copy)]
struct Asked {
    at: Instant,
    /// How much later than its interval it is asked next, so that many processes do not ask at one time.
    late: f64,
    /// It has not answered yet.
    open: bool,
}

impl Schedule {
    /// Those of `all` that are to be asked now, and when to look again. Whoever is new is asked at once.
    pub(super) fn due(&mut self, check: &Check, all: Vec<Checked>, now: Instant) -> (Vec<Checked>, Instant) {
        self.0.retain(|address, _| all.iter().any(|endpoint| endpoint.address == *address));
        // An endpoint may become unhealthy, or healthy, from one moment to the next.
        let intervals = [check.interval, check.unhealthy_interval].into_iter().filter(|span| !span.is_zero());
        let mut next = now + intervals.min().unwrap_or(NEVER);
        let mut due = Vec::new();
        for endpoint in all {
            let interval = if endpoint.healthy { check.interval } else { check.unhealthy_interval };
            if interval.is_zero() {
                continue;
            }
            match self.0.get(&endpoint.address) {
                Some(asked) if asked.open => continue,
                Some(asked) if now < asked.at + interval.mul_f64(1.0 + asked.late) => {
                    next = next.min(asked.at + interval.mul_f64(1.0 + asked.late));
                    continue;
                }
                _ => {}
            }
            let late = fastrand::f64() / 10.0;
            self.0.insert(endpoint.address, Asked { at: now, late, open: true });
            due.push(endpoint);
        }
        (due, next)
    }

    /// An endpoint has answered, or failed to.
    pub(super) fn answered(&mut self, address: SocketAddr) {
        if let Some(asked) = self.0.get_mut(&address) {
            asked.open = false;
        }
    }
}
