//! Annotations about connections before a mapping has them: whom they are taken from, and who is told of them.

use std::sync::Arc;

use crate::config::dialect::ambassador::networks;
use crate::config::dialect::fields::Fields;
use crate::config::dialect::log_to;
use crate::config::dialect::report::Report;
use crate::config::model::{Access, LogSink, RouteLogs};

pub(in crate::config::dialect::ambassador) const ALLOW: &str = "sluice.dev/allow-from";
pub(in crate::config::dialect::ambassador) const DENY: &str = "sluice.dev/deny-from";
pub(in crate::config::dialect::ambassador) const LOG_TO: &str = "sluice.dev/log-to";

/// What a mapping's annotations say about its route, which may have other mappings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::config::dialect::ambassador) struct RouteOverrides {
    pub(in crate::config::dialect::ambassador) access: Access,
    sinks: Vec<Arc<LogSink>>,
}

impl RouteOverrides {
    pub(super) fn read(annotations: &Fields<'_>, report: &Report) -> Self {
        let networks = |name, without| {
            let mut networks = networks::read(annotations, name, without, report).unwrap_or_default();
            // Sorted, so that lists of the same networks are the same.
            networks.sort();
            networks.dedup();
            networks
        };
        let allow = networks(ALLOW, "to admit everybody");
        let deny = networks(DENY, "to admit everybody");
        Self { access: Access { allow, deny }, sinks: sinks(annotations, report) }
    }

    /// Who is told of the route's connections.
    pub(in crate::config::dialect::ambassador) fn logs(&self) -> Arc<RouteLogs> {
        Arc::new(RouteLogs { sinks: self.sinks.clone(), ..RouteLogs::default() })
    }

    /// Which annotation two of them say differently, and whether this one alone says nothing there.
    pub(in crate::config::dialect::ambassador) fn differs(&self, other: &Self) -> Option<&'static str> {
        if self.access.allow != other.access.allow {
            Some(ALLOW)
        } else if self.access.deny != other.access.deny {
            Some(DENY)
        } else if self.sinks != other.sinks {
            Some(LOG_TO)
        } else {
            None
        }
    }
}

fn sinks(annotations: &Fields<'_>, report: &Report) -> Vec<Arc<LogSink>> {
    let Some(texts) = annotations.texts(LOG_TO) else {
        return Vec::new();
    };
    let mut sinks: Vec<Arc<LogSink>> = Vec::new();
    for item in networks::items(&texts) {
        match log_to::sink(item) {
            Ok(sink) => sinks.push(Arc::new(sink)),
            Err(error) => report.discard(annotations.path(LOG_TO), error),
        }
    }
    if networks::items(&texts).next().is_none() {
        report.discard(annotations.path(LOG_TO), "names no sink; give tcp://HOST:PORT, or leave it out");
    }
    sinks.sort_by(|a, b| a.name.cmp(&b.name));
    sinks.dedup();
    sinks
}
