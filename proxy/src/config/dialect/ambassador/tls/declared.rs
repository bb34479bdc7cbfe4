//! One declaration of TLS, whose certificates are looked up when somebody wants them, and once.

use std::cell::OnceCell;
use std::sync::Arc;

use super::block::Block;
use super::store::{Broken, Store};
use crate::config::dialect::report::Report;
use crate::config::material;
use crate::config::model::{ClientCertificates, Identity, Termination, Trust};

/// A resource that declares TLS, and what it comes to.
pub(super) struct Declared {
    /// `kind namespace/name`.
    pub(super) label: Arc<str>,
    pub(super) block: Block,
    pub(super) report: Report,
    identity: OnceCell<Result<Option<Identity>, Broken>>,
    trust: OnceCell<Result<Option<Trust>, Broken>>,
    clients: OnceCell<Result<ClientCertificates, Broken>>,
    /// The same for every route that ends TLS with this.
    termination: OnceCell<Result<Arc<Termination>, Broken>>,
}

impl Declared {
    pub(super) fn new(block: Block, report: Report) -> Self {
        let label = report.resource().into();
        let (identity, trust, clients, termination) = Default::default();
        Self { label, block, report, identity, trust, clients, termination }
    }

    /// How clients' TLS ends with this, made by `assemble` when it is first asked for.
    pub(super) fn termination(
        &self,
        assemble: impl FnOnce() -> Result<Termination, Broken>,
    ) -> Result<Arc<Termination>, Broken> {
        self.termination.get_or_init(|| assemble().map(Arc::new)).clone()
    }

    /// Its own certificate, if it names one.
    pub(super) fn identity(&self, store: &Store<'_>) -> Result<Option<Identity>, Broken> {
        let find = || {
            self.sound()?;
            self.block.certificate.as_ref().map(|origin| store.identity(origin, &self.report)).transpose()
        };
        self.identity.get_or_init(find).clone()
    }

    /// Who may have signed a peer's certificate, if it says so.
    pub(super) fn trust(&self, store: &Store<'_>) -> Result<Option<Trust>, Broken> {
        self.trust.get_or_init(|| self.find_trust(store)).clone()
    }

    /// What clients are asked for. An authority that is missing is never the same as asking for nothing.
    pub(super) fn clients(&self, store: &Store<'_>) -> Result<ClientCertificates, Broken> {
        let find = || {
            let trust = self.trust(store)?;
            match (&self.block.required, trust) {
                (Some((_, true)), Some(trust)) => Ok(ClientCertificates::Required(trust)),
                (Some((field, true)), None) => {
                    self.report.error(
                        field.clone(),
                        "asks clients for certificates without an authority to check them, so no client is \
                         served; give ca_secret or cacert_chain_file",
                    );
                    Err(Broken)
                }
                (_, Some(trust)) => Ok(ClientCertificates::Verified(trust)),
                (_, None) => Ok(ClientCertificates::Ignored),
            }
        };
        self.clients.get_or_init(find).clone()
    }

    fn find_trust(&self, store: &Store<'_>) -> Result<Option<Trust>, Broken> {
        self.sound()?;
        let Block { certificate, authorities, revoked, .. } = &self.block;
        let found = match (authorities, certificate) {
            (Some(origin), _) => Some(store.authorities(origin, &self.report)?),
            (None, Some(origin)) => store.implied(origin, &self.report)?,
            (None, None) => None,
        };
        let lists =
            revoked.as_ref().map(|origin| store.revocation_lists(origin, &self.report)).transpose()?;
        let trust = match (found, lists, revoked) {
            (Some(found), lists, _) => {
                Trust { source: found.source, roots: found.roots, revoked: lists.unwrap_or_default() }
            }
            (None, Some(_), Some(origin)) => {
                let message = "revokes nothing without an authority; give ca_secret or cacert_chain_file";
                self.report.discard(origin.field.clone(), message);
                return Err(Broken);
            }
            (None, ..) => return Ok(None),
        };
        if let Err(error) = material::prove(&trust) {
            let field = revoked.as_ref().or(authorities.as_ref()).map(|origin| origin.field.clone());
            self.report
                .discard(field.unwrap_or_default(), format!("{} cannot be used: {error}", trust.source));
            return Err(Broken);
        }
        Ok(Some(trust))
    }

    /// Whether the fields themselves are right.
    fn sound(&self) -> Result<(), Broken> {
        if self.report.failed() { Err(Broken) } else { Ok(()) }
    }
}
