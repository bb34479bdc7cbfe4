//! TLS at both ends of the bench. One version, one suite and one group, so that whoever stands between does the
//! same work as the others.

mod client;
mod key;
mod server;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use anyhow::Result;
use rustls::crypto::{CryptoProvider, aws_lc_rs, ring};
use rustls::version::TLS13;
use rustls::{ConfigBuilder, ConfigSide, WantsVersions};

pub(super) use client::Client;
pub(super) use key::{Key, make as make_keys};
pub(super) use server::Server;
pub(super) use stream::TlsStream;

/// What reports call it.
pub(super) const WHAT: &str = "TLS 1.3, TLS_AES_128_GCM_SHA256, X25519";

fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![ring::cipher_suite::TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    })
}

/// Either side's configuration, as far as the sides agree.
fn version<S: ConfigSide>(
    builder: ConfigBuilder<S, WantsVersions>,
) -> Result<ConfigBuilder<S, rustls::WantsVerifier>> {
    Ok(builder.with_protocol_versions(&[&TLS13])?)
}
