//! Names to addresses, through the system's resolver, remembered for a few seconds.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::endpoint::Endpoint;
use crate::config::model::{Families, Host, Service};

/// How long an answer is used without asking again; what Envoy's STRICT_DNS does.
const FRESH: Duration = Duration::from_secs(5);

/// Names that are remembered at most; configuration bounds them, this bounds its history.
const REMEMBERED: usize = 10_000;

/// Why a name has no address.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ResolveError {
    /// The resolver's answer.
    #[error("{name} does not resolve: {message}")]
    Failed {
        /// The name asked for.
        name: Arc<str>,
        /// What the resolver said.
        message: String,
    },
    /// It resolves, but not to a family that is enabled.
    #[error("{name} has no address of an enabled family (enable_ipv4 {}, enable_ipv6 {})", .families.ipv4, .families.ipv6)]
    NoFamily {
        /// The name asked for.
        name: Arc<str>,
        /// What is enabled.
        families: Families,
    },
}

/// The answers of the system's resolver: its search domains and /etc/hosts hold.
#[derive(Debug, Default)]
pub struct Resolver {
    known: Mutex<HashMap<Arc<str>, Answer>>,
}

#[derive(Debug, Clone)]
struct Answer {
    at: Instant,
    addresses: Vec<IpAddr>,
}

impl Resolver {
    /// Every endpoint of a service that may be dialled, in the order to try.
    ///
    /// # Errors
    /// Why there is none. When the resolver fails, the last good answer is used again.
    pub async fn resolve(
        &self,
        service: &Service,
        families: Families,
    ) -> Result<Vec<Endpoint>, ResolveError> {
        let name = match &service.host {
            Host::Ip(ip) => return Ok(vec![Endpoint::new(SocketAddr::new(*ip, service.port))]),
            Host::Name(name) => name,
        };
        let addresses = self.addresses(name).await?;
        let mut allowed: Vec<IpAddr> = addresses
            .into_iter()
            .filter(|ip| if ip.is_ipv6() { families.ipv6 } else { families.ipv4 })
            .collect();
        if allowed.is_empty() {
            return Err(ResolveError::NoFamily { name: Arc::clone(name), families });
        }
        // IPv6 first where both are on; within a family as the resolver ordered them.
        allowed.sort_by_key(IpAddr::is_ipv4);
        Ok(allowed.into_iter().map(|ip| Endpoint::new(SocketAddr::new(ip, service.port))).collect())
    }

    async fn addresses(&self, name: &Arc<str>) -> Result<Vec<IpAddr>, ResolveError> {
        let known = self.known().get(name).cloned();
        if let Some(answer) = known.as_ref().filter(|a| a.at.elapsed() < FRESH) {
            return Ok(answer.addresses.clone());
        }
        let asked = tokio::net::lookup_host((&**name, 0)).await;
        let addresses: Vec<IpAddr> = match (asked, known) {
            (Ok(found), _) => found.map(|a| a.ip()).collect(),
            (Err(error), Some(last)) => {
                tracing::warn!(%name, %error, "name does not resolve; using its last addresses");
                last.addresses
            }
            (Err(error), None) => {
                return Err(ResolveError::Failed { name: Arc::clone(name), message: error.to_string() });
            }
        };
        let mut known = self.known();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(Arc::clone(name), Answer { at: Instant::now(), addresses: addresses.clone() });
        Ok(addresses)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<Arc<str>, Answer>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
