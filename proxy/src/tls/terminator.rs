//! Ends clients' TLS.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ServerSessionMemoryCache, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use super::certificates::ByName;
use super::parameters::{alpn, provider, versions};
use super::session::Session;
use crate::config::model::{ClientCertificates, Termination, Trust};

/// Sessions that a server remembers for clients of TLS 1.2 that take no tickets.
const SESSIONS: usize = 256;

/// A [`Termination`] in service. It has a ticket key of its own, so that what one asks of clients is never
/// answered by a session of another. Among its own names rustls takes up no session of one for another (RFC 6066,
/// section 3).
pub struct Terminator {
    termination: Arc<Termination>,
    config: Arc<ServerConfig>,
}

impl Terminator {
    /// Builds it.
    ///
    /// # Errors
    /// What rustls refuses.
    pub(super) fn new(termination: &Arc<Termination>) -> Result<Self, rustls::Error> {
        let parameters = &termination.parameters;
        let provider = provider(parameters);
        let clients = match &termination.clients {
            ClientCertificates::Ignored => WebPkiClientVerifier::no_client_auth(),
            ClientCertificates::Verified(trust) => verifier(trust, &provider, true)?,
            ClientCertificates::Required(trust) => verifier(trust, &provider, false)?,
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions(parameters.versions))?
            .with_client_cert_verifier(clients)
            .with_cert_resolver(Arc::new(ByName::new(termination)));
        config.alpn_protocols = alpn(parameters);
        config.ticketer = Ticketer::new()?;
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
        // Who lists suites lists them in order of preference; without a list, phones know best.
        config.ignore_client_order = parameters.ciphers.is_some();
        Ok(Self { termination: Arc::clone(termination), config: Arc::new(config) })
    }

    /// What was asked for.
    #[must_use]
    pub fn termination(&self) -> &Arc<Termination> {
        &self.termination
    }

    /// The session of a client that has not said anything yet.
    ///
    /// # Errors
    /// What rustls refuses.
    pub fn session(&self) -> Result<Session, rustls::Error> {
        Session::server(Arc::clone(&self.config))
    }
}

impl fmt::Debug for Terminator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Terminator").field(&self.termination.name).finish()
    }
}

fn verifier(
    trust: &Trust,
    provider: &Arc<rustls::crypto::CryptoProvider>,
    absent: bool,
) -> Result<Arc<dyn ClientCertVerifier>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    for root in &trust.roots {
        roots.add(root.clone())?;
    }
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .with_crls(trust.revoked.iter().map(CertificateRevocationListDer::clone))
        .only_check_end_entity_revocation()
        .allow_unknown_revocation_status();
    if absent {
        builder = builder.allow_unauthenticated();
    }
    builder.build().map_err(|error| match error {
        VerifierBuilderError::InvalidCrl(error) => error.into(),
        other => rustls::Error::General(other.to_string()),
    })
}
