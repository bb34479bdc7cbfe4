//! Certificates and declarations for tests, made when they run: no key is ever committed.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod,
    KeyPair, RevokedCertParams, SanType, SerialNumber, SignatureAlgorithm, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::{
    Authorities, ClientCertificates, Identity, NameSent, NamesChecked, Origination, Parameters, PrivateKey,
    Termination, Trust, Verification,
};
use crate::crypto;

/// A certificate authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    /// What is between it and the root, itself first.
    between: Vec<CertificateDer<'static>>,
}

/// What a certificate is to say.
pub(crate) struct Wish {
    pub(crate) names: Vec<SanType>,
    pub(crate) serial: u64,
    pub(crate) years: (i32, i32),
    pub(crate) algorithm: &'static SignatureAlgorithm,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            names: vec![dns("pay.example.com")],
            serial: 1,
            years: (2020, 2100),
            algorithm: &rcgen::PKCS_ECDSA_P256_SHA256,
        }
    }
}

pub(crate) fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, format!("ca {}", fastrand::u64(..)));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let der = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), der, between: Vec::new() }
    }

    /// An authority that this one vouches for.
    pub(crate) fn intermediate(&self) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, format!("intermediate {}", fastrand::u64(..)));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let der = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let between = std::iter::once(&der).chain(&self.between).cloned().collect();
        Self { issuer: Issuer::new(params, key), der, between }
    }

    pub(crate) fn identity(&self, wish: Wish) -> Identity {
        let key = KeyPair::generate_for(wish.algorithm).unwrap();
        let certificate = params(&wish).signed_by(&key, &self.issuer).unwrap();
        let chain = std::iter::once(certificate.der()).chain(&self.between).cloned().collect();
        identity(chain, &key)
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust { source: "test".into(), roots: vec![self.der.clone()], revoked: Vec::new() }
    }

    /// Trust that has revoked a serial number.
    pub(crate) fn trust_without(&self, serial: u64) -> Trust {
        let list = revoking(serial, 2100).signed_by(&self.issuer).unwrap().der().clone();
        Trust { revoked: vec![list], ..self.trust() }
    }

    /// As rustls' own clients trust it.
    pub(crate) fn store(&self) -> RootCertStore {
        let mut store = RootCertStore::empty();
        store.add(self.der.clone()).unwrap();
        store
    }
}

/// A certificate that is its own authority, as `openssl req -x509` makes them.
pub(crate) fn self_signed(years: (i32, i32)) -> Identity {
    let key = KeyPair::generate().unwrap();
    let mut params = params(&Wish { years, ..Wish::default() });
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    identity(vec![params.self_signed(&key).unwrap().der().clone()], &key)
}

fn params(wish: &Wish) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "pay");
    params.subject_alt_names = wish.names.clone();
    params.serial_number = Some(SerialNumber::from(wish.serial));
    (params.not_before, params.not_after) =
        (date_time_ymd(wish.years.0, 1, 1), date_time_ymd(wish.years.1, 1, 1));
    params
}

fn identity(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Identity {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let private_key = PrivateKey::new(key.clone_key());
    let key = crypto::provider().key_provider.load_private_key(key).unwrap();
    let key = Arc::new(CertifiedKey::new(chain, key));
    Identity { source: "test".into(), key, private_key, expires: 0 }
}

/// Ends TLS with this certificate, and asks nothing.
pub(crate) fn termination(identity: Identity) -> Termination {
    Termination {
        name: "TLSContext default/pay".into(),
        certificates: vec![identity],
        named: Vec::new(),
        clients: ClientCertificates::Ignored,
        parameters: Parameters::default(),
    }
}

/// A chain to one of these, whatever its names.
pub(crate) fn vouched(trust: Trust) -> Verification {
    Verification::Chain { authorities: Authorities::Given(trust), names: NamesChecked::Any, depth: None }
}

/// Begins TLS and verifies so.
pub(crate) fn origination(verification: Verification) -> Origination {
    Origination {
        name: "TCPMapping default/pay".into(),
        identity: None,
        server_name: NameSent::Fixed("pay.example.com".into()),
        verification,
        parameters: Parameters::default(),
    }
}

/// A list, still to be signed, that revokes a serial number; the next is due in that year.
pub(crate) fn revoking(serial: u64, next: i32) -> CertificateRevocationListParams {
    let revoked = RevokedCertParams {
        serial_number: SerialNumber::from(serial),
        revocation_time: date_time_ymd(2020, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(next, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![revoked],
        key_identifier_method: KeyIdMethod::Sha256,
    }
}
