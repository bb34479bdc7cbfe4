//! What a handshake may agree on, in rustls' terms.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use crate::config::model::{Parameters, Versions};
use crate::crypto;

/// The provider with the suites and groups allowed alone, in this order. Suites of a version that is off go
/// too: rustls would offer them, and choose a certificate as if they could be agreed on.
pub(super) fn provider(parameters: &Parameters) -> Arc<CryptoProvider> {
    let whole = crypto::provider();
    let Parameters { versions, ciphers, groups, .. } = parameters;
    if versions.tls12 && versions.tls13 && ciphers.is_none() && groups.is_none() {
        return Arc::clone(whole);
    }
    let mut provider = CryptoProvider::clone(whole);
    // Of TLS 1.3's nobody chooses, as with Envoy.
    let (tls13, tls12): (Vec<SupportedCipherSuite>, Vec<_>) = whole
        .cipher_suites
        .iter()
        .copied()
        .partition(|suite| matches!(suite, SupportedCipherSuite::Tls13(_)));
    provider.cipher_suites.clear();
    if versions.tls13 {
        provider.cipher_suites.extend(tls13);
    }
    if versions.tls12 {
        provider.cipher_suites.extend(match ciphers {
            None => tls12,
            Some(chosen) => chosen
                .iter()
                .filter_map(|id| tls12.iter().find(|suite| suite.suite() == *id))
                .copied()
                .collect(),
        });
    }
    if let Some(groups) = groups {
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
