//! Where the connections of each mapping would go at this moment.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use crate::config::model::{Config, Mapping, Resolution, Service};
use crate::config::settings::Settings;
use crate::upstream::Resolver;

/// For all mappings together, which are asked for at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was answered for one mapping.
#[derive(Debug, Serialize)]
pub(super) struct Resolved {
    /// Who declared it.
    mapping: Arc<str>,
    /// As declared.
    service: String,
    /// Addresses and ports, in the order of preference.
    endpoints: Vec<String>,
    /// Why there is none.
    error: Option<String>,
}

/// Asks for the endpoints of every mapping.
pub(super) async fn resolve(config: &Config, settings: &Settings) -> Vec<Resolved> {
    let resolver = Resolver::new(&settings.names);
    resolver.follow(config.mappings());
    let deadline = Instant::now() + PATIENCE;
    let mut all = Vec::new();
    for mapping in &config.mappings().flat_map(parts).collect::<Vec<_>>() {
        let (endpoints, error) = match timeout_at(deadline, resolver.resolve(mapping)).await {
            Ok(Ok(endpoints)) => (endpoints.iter().map(|e| e.address.to_string()).collect(), None),
            Ok(Err(error)) => (Vec::new(), Some(error.to_string())),
            Err(_elapsed) => (Vec::new(), Some(format!("no answer within {PATIENCE:?}"))),
        };
        let (mapping, service) = (Arc::clone(&mapping.name.0), mapping.service.to_string());
        all.push(Resolved { mapping, service, endpoints, error });
    }
    all
}

/// A mapping to each of its targets; itself where it has none.
fn parts(mapping: &Mapping) -> Vec<Mapping> {
    let Resolution::Targets(targets) = &mapping.resolution else {
        return vec![mapping.clone()];
    };
    let to = |service: &Service| Mapping {
        service: service.clone(),
        resolution: Resolution::Dns,
        ..mapping.clone()
    };
    targets.iter().map(|target| to(&target.service)).collect()
}

impl fmt::Display for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mapping, service, endpoints, error } = self;
        match error {
            None => write!(f, "{mapping}: {service} is at {}", endpoints.join(", ")),
            Some(error) => write!(f, "{mapping}: {service} is nowhere: {error}"),
        }
    }
}
