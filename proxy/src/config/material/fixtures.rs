//! Certificates for tests, made when they run: no key is ever committed.

use std::sync::OnceLock;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
    SignatureAlgorithm, date_time_ymd,
};

use crate::config::model::fixtures::revoking;

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub(in crate::config) struct Pair {
    pub(in crate::config) chain: String,
    pub(in crate::config) key: String,
}

/// A certificate authority.
pub(in crate::config) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(in crate::config) pem: String,
}

impl Authority {
    pub(in crate::config) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for a name.
    pub(in crate::config) fn certify(&self, name: &str) -> Pair {
        let key = KeyPair::generate().unwrap();
        let chain = params(name).signed_by(&key, &self.issuer).unwrap().pem();
        Pair { chain, key: key.serialize_pem() }
    }

    /// A list that revokes a serial number, the next due in that year.
    pub(in crate::config) fn revoke(&self, serial: u64, next: i32) -> String {
        revoking(serial, next).signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

/// A self-signed certificate for a name, with a key of some kind.
pub(in crate::config) fn pair_of(name: &str, algorithm: &'static SignatureAlgorithm) -> Pair {
    let key = KeyPair::generate_for(algorithm).unwrap();
    Pair { chain: params(name).self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

/// A self-signed certificate for a name.
pub(in crate::config) fn pair(name: &str) -> Pair {
    pair_of(name, &rcgen::PKCS_ECDSA_P256_SHA256)
}

/// The same, good from the first day of one year to that of another.
pub(in crate::config) fn pair_in(name: &str, years: (i32, i32)) -> Pair {
    let key = KeyPair::generate().unwrap();
    let mut params = params(name);
    (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
    Pair { chain: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

/// One pair for every test that asks for nothing special: keys take time.
pub(in crate::config) fn any() -> &'static Pair {
    static ANY: OnceLock<Pair> = OnceLock::new();
    ANY.get_or_init(|| pair("any.example.com"))
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())];
    params
}
