//! Whether an upstream's certificate is good.
//!
//! rustls' own verifier always asks for a name, which the certificates of meshes do not have: they name a
//! workload (SPIFFE) by URI.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use webpki::{
    CertRevocationList, EndEntityCert, KeyUsage, OwnedCertRevocationList, RevocationCheckDepth,
    RevocationOptionsBuilder, UnknownStatusPolicy, VerifiedPath,
};

use super::contexts::{SystemRoots, Why};
use crate::config::model::{Authorities, NamesChecked, SanPattern, Trust, Verification};

/// Verifies as a [`Verification`] says. Handshake signatures are checked in any case: the upstream has the
/// key of the certificate it shows.
#[derive(Debug)]
pub(super) struct UpstreamVerifier {
    asks: Asks,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
enum Asks {
    Nothing,
    Chain { anchors: Anchors, names: NamesChecked, depth: Option<u8> },
}

#[derive(Debug)]
struct Anchors {
    roots: Arc<[TrustAnchor<'static>]>,
    /// The same, as they were given.
    given: Vec<CertificateDer<'static>>,
    revoked: Vec<CertRevocationList<'static>>,
}

impl UpstreamVerifier {
    pub(super) fn new(
        verification: &Verification,
        algorithms: WebPkiSupportedAlgorithms,
        system: &SystemRoots,
    ) -> Result<Self, Why> {
        let asks = match verification {
            Verification::None => Asks::Nothing,
            Verification::Chain { authorities, names, depth } => {
                let anchors = match authorities {
                    Authorities::System => {
                        Anchors { roots: system.get()?, given: Vec::new(), revoked: Vec::new() }
                    }
                    Authorities::Given(trust) => Anchors::new(trust)?,
                };
                Asks::Chain { anchors, names: names.clone(), depth: *depth }
            }
        };
        Ok(Self { asks, algorithms })
    }
}

impl Anchors {
    fn new(trust: &Trust) -> Result<Self, Why> {
        let anchor = |root| webpki::anchor_from_trusted_cert(root).map(|anchor| anchor.to_owned());
        let list = |der: &rustls::pki_types::CertificateRevocationListDer<'_>| {
            OwnedCertRevocationList::from_der(der).map(CertRevocationList::from)
        };
        Ok(Self {
            roots: trust.roots.iter().map(anchor).collect::<Result<_, _>>().map_err(Why::Trust)?,
            given: trust.roots.clone(),
            revoked: trust.revoked.iter().map(list).collect::<Result<_, _>>().map_err(Why::Trust)?,
        })
    }

    fn verify(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        depth: Option<u8>,
        now: UnixTime,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), webpki::Error> {
        let certificate = EndEntityCert::try_from(shown)?;
        let lists: Vec<_> = self.revoked.iter().collect();
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|options| {
            options
                .with_depth(RevocationCheckDepth::EndEntity)
                .with_status_policy(UnknownStatusPolicy::Allow)
                .build()
        });
        // Asked of every path that is found, so that a shorter one may still be good.
        let is_short = |path: &VerifiedPath<'_>| {
            let between = path.intermediate_certificates().count();
            let fits = depth.is_none_or(|most| between <= most.into());
            fits.then_some(()).ok_or(webpki::Error::MaximumPathDepthExceeded)
        };
        let verified = certificate.verify_for_usage(
            algorithms.all,
            &self.roots,
            intermediates,
            now,
            KeyUsage::server_auth(),
            revocation,
            Some(&is_short),
        );
        match verified {
            // A self-signed certificate that is trusted by itself, as `openssl req -x509` makes them: an
            // authority by its extensions, and its own server. webpki comes here after it has checked the
            // dates (verify_cert.rs, check_issuer_independent_properties).
            Err(webpki::Error::CaUsedAsEndEntity) if self.given.iter().any(|root| **root == **shown) => {
                Ok(())
            }
            other => other.map(drop),
        }
    }
}

/// Whether a certificate has one of the names; `sent` is the one sent, or dialled.
fn has_name(
    names: &NamesChecked,
    shown: &CertificateDer<'_>,
    sent: &ServerName<'_>,
) -> Result<(), webpki::Error> {
    let certificate = EndEntityCert::try_from(shown)?;
    let is = |name: &ServerName<'_>| certificate.verify_is_valid_for_subject_name(name);
    match names {
        NamesChecked::Any => Ok(()),
        NamesChecked::Sent => is(sent),
        NamesChecked::OneOf(patterns) => {
            let found = patterns.iter().any(|pattern| match pattern {
                SanPattern::Dns(name) => ServerName::try_from(&**name).is_ok_and(|name| is(&name).is_ok()),
                SanPattern::Ip(ip) => is(&ServerName::IpAddress((*ip).into())).is_ok(),
                SanPattern::Uri(uri) => certificate.valid_uri_names().any(|name| *name == **uri),
            });
            found.then_some(()).ok_or(webpki::Error::UnsupportedNameType)
        }
    }
}

impl ServerCertVerifier for UpstreamVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Asks::Chain { anchors, names, depth } = &self.asks {
            anchors.verify(end_entity, intermediates, *depth, now, &self.algorithms).map_err(refused)?;
            has_name(names, end_entity, server_name).map_err(|_detail| CertificateError::NotValidForName)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// In rustls' words, which choose the alert.
fn refused(error: webpki::Error) -> Error {
    use webpki::Error as E;
    let error = match error {
        E::BadDer | E::TrailingData(_) => CertificateError::BadEncoding,
        E::CertExpired { .. } => CertificateError::Expired,
        E::CertNotValidYet { .. } => CertificateError::NotValidYet,
        E::CertRevoked => CertificateError::Revoked,
        E::UnknownIssuer => CertificateError::UnknownIssuer,
        other => CertificateError::Other(OtherError(Arc::new(other))),
    };
    Error::InvalidCertificate(error)
}
