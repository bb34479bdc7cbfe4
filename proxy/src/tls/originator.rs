//! Begins TLS with upstreams.

use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use rustls::sign::SingleCertAndKey;

use super::contexts::{SystemRoots, Why};
use super::parameters::{alpn, provider, versions};
use super::session::Session;
use super::verifier::UpstreamVerifier;
use crate::config::model::{Host, NameSent, Origination};

/// Tickets that are remembered, eight a name at most: most originations have one name, and the table is
/// allocated for all.
const TICKETS: usize = 64;

/// An [`Origination`] in service. It remembers sessions of its own, so that what one asks of an upstream is
/// never answered by a session of another.
pub struct Originator {
    origination: Arc<Origination>,
    config: Arc<ClientConfig>,
}

impl Originator {
    /// Builds it.
    ///
    /// # Errors
    /// What rustls refuses, or a system without roots.
    pub(super) fn new(origination: &Arc<Origination>, system: &SystemRoots) -> Result<Self, Why> {
        let parameters = &origination.parameters;
        let provider = provider(parameters);
        let algorithms = provider.signature_verification_algorithms;
        let verifier = UpstreamVerifier::new(&origination.verification, algorithms, system)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions(parameters.versions))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match &origination.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let key = SingleCertAndKey::from(Arc::clone(&identity.key));
                builder.with_client_cert_resolver(Arc::new(key))
            }
        };
        config.alpn_protocols = alpn(parameters);
        config.resumption = Resumption::in_memory_sessions(TICKETS);
        // Addresses are never sent, on or not (RFC 6066, section 3).
        config.enable_sni = origination.server_name != NameSent::Nothing;
        Ok(Self { origination: Arc::clone(origination), config: Arc::new(config) })
    }

    /// What was asked for.
    #[must_use]
    pub fn origination(&self) -> &Arc<Origination> {
        &self.origination
    }

    /// A session with an upstream that was dialled as `host`, for a client that asked for the name `client`.
    /// Sessions of one name are never taken up for another: rustls remembers them by name.
    ///
    /// # Errors
    /// A name that is none, or what rustls refuses.
    pub fn session(&self, host: &Host, client: Option<&str>) -> Result<Session, rustls::Error> {
        let dns = |name: &str| ServerName::try_from(name.to_owned());
        let dialled = || match host {
            Host::Name(name) => dns(name),
            Host::Ip(ip) => Ok(ServerName::IpAddress((*ip).into())),
        };
        let name = match &self.origination.server_name {
            NameSent::Fixed(name) => dns(name),
            // What is no name was not meant for the upstream.
            NameSent::Client => client.and_then(|name| dns(name).ok()).map_or_else(dialled, Ok),
            NameSent::Host | NameSent::Nothing => dialled(),
        };
        let name = name.map_err(|InvalidDnsNameError| rustls::Error::UnsupportedNameType)?;
        Session::client(Arc::clone(&self.config), name)
    }
}

impl fmt::Debug for Originator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Originator").field(&self.origination.name).finish()
    }
}
