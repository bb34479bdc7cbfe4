//! What a handshake may agree on, in rustls' terms.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use crate::config::model::{Parameters, Versions};
use crate::crypto;

/// The provider with these suites and groups alone, in this order.
pub(super) fn provider(parameters: &Parameters) -> Arc<CryptoProvider> {
    let whole = crypto::provider();
    if parameters.ciphers.is_none() && parameters.groups.is_none() {
        return Arc::clone(whole);
    }
    let mut provider = CryptoProvider::clone(whole);
    if let Some(ciphers) = &parameters.ciphers {
        // Of TLS 1.3's nobody chooses, as with Envoy.
        let all = &whole.cipher_suites;
        let tls13 = all.iter().filter(|suite| matches!(suite, SupportedCipherSuite::Tls13(_)));
        let chosen = ciphers.iter().filter_map(|id| all.iter().find(|suite| suite.suite() == *id));
        let tls12 = chosen.filter(|suite| matches!(suite, SupportedCipherSuite::Tls12(_)));
        provider.cipher_suites = tls13.chain(tls12).copied().collect();
    }
    if let Some(groups) = &parameters.groups {
        let chosen = groups.iter().filter_map(|id| whole.kx_groups.iter().find(|group| group.name() == *id));
        provider.kx_groups = chosen.copied().collect();
    }
    Arc::new(provider)
}

/// The versions that are on.
pub(super) fn versions(versions: Versions) -> Vec<&'static SupportedProtocolVersion> {
    [(versions.tls13, &TLS13), (versions.tls12, &TLS12)]
        .into_iter()
        .filter_map(|(on, version)| on.then_some(version))
        .collect()
}

/// Protocol names as rustls takes them.
pub(super) fn alpn(parameters: &Parameters) -> Vec<Vec<u8>> {
    parameters.alpn.iter().map(|name| name.to_vec()).collect()
}
