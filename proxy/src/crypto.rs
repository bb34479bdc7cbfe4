//! The one crypto provider, for whoever proves a certificate and whoever uses it.

use std::sync::{Arc, OnceLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs, ring};

/// What rustls computes with: aws-lc for keys and signatures, ring for records, each where it is the faster one.
///
/// On an EPYC with VAES and without AVX-512, which aws-lc's wide code wants, ring encrypts records of 16 KiB with
/// AES-128-GCM at 7.5 GB/s, aws-lc at 3.9. They sign alike (RSA 0.7 ms, ECDSA 0.02), but aws-lc makes and agrees
/// on an X25519 key in 43 µs, ring in 90; and aws-lc alone has X25519MLKEM768.
pub fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        Arc::new(CryptoProvider {
            cipher_suites: ring::DEFAULT_CIPHER_SUITES.to_vec(),
            ..aws_lc_rs::default_provider()
        })
    })
}
