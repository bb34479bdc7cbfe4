//! TLS towards upstreams: begun for every protocol of a service but `tcp`.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use super::certificate::Store;
use super::entity::Entity;
use super::index::{Broken, Index};
use super::service::Service;
use crate::config::material::{self, Files, Given, MaterialError, Taken, given};
use crate::config::model::{
    Authorities, Identity, NameSent, NamesChecked, Origination, Parameters, ServerName, Trust, Verification,
};
use crate::config::settings::{Settings, UpstreamTlsVerify};

/// The setting with the authorities of services that name none, a list of files and PEM texts.
const TRUSTED: &str = "lua_ssl_trusted_certificate";

/// The word for the system's.
const SYSTEM: &str = "system";

/// What originations are put together from.
pub(super) struct Originations<'a> {
    pub(super) store: &'a Store,
    pub(super) files: &'a RefCell<Files>,
    pub(super) settings: &'a Settings,
    /// Said for the first alone.
    unverified_said: Cell<bool>,
    made: RefCell<Vec<Arc<Origination>>>,
}

/// What a service's upstream asks for, or is.
pub(super) struct Around {
    /// An upstream's `host_header`.
    pub(super) name: Option<ServerName>,
    /// An upstream's client certificate.
    pub(super) client_certificate: Option<usize>,
    /// Whether the client's name goes on to the upstream.
    pub(super) preserve_host: bool,
}

impl<'a> Originations<'a> {
    pub(super) fn new(store: &'a Store, files: &'a RefCell<Files>, settings: &'a Settings) -> Self {
        Self { store, files, settings, unverified_said: Cell::new(false), made: RefCell::default() }
    }

    /// What is wrong is said of the service.
    pub(super) fn make(
        &self,
        service: &Service,
        entity: &Entity,
        entities: &Index,
        around: &Around,
    ) -> Result<Arc<Origination>, Broken> {
        // The service's own comes first, as in Kong.
        let certificate = service.client_certificate.or(around.client_certificate);
        let identity = certificate.map(|index| self.identity(index, entity, entities)).transpose()?;
        let server_name = match (&around.name, around.preserve_host) {
            (_, true) => NameSent::Client,
            (Some(name), false) => NameSent::Fixed(Arc::clone(name)),
            (None, false) => NameSent::Host,
        };
        let origination = Origination {
            name: entity.label().into(),
            identity,
            server_name,
            verification: self.verification(service, entity, entities)?,
            parameters: Parameters::default(),
        };
        let mut made = self.made.borrow_mut();
        if let Some(same) = made.iter().find(|known| ***known == origination) {
            return Ok(Arc::clone(same));
        }
        let origination = Arc::new(origination);
        made.push(Arc::clone(&origination));
        Ok(origination)
    }

    fn identity(&self, index: usize, entity: &Entity, entities: &Index) -> Result<Identity, Broken> {
        self.store.identity(index).cloned().ok_or_else(|| {
            let message = format!("{} is in error", entities.all[index].label());
            entity.report.discard(entity.at("client_certificate"), message);
            Broken
        })
    }

    fn verification(
        &self,
        service: &Service,
        entity: &Entity,
        entities: &Index,
    ) -> Result<Verification, Broken> {
        let field = entity.at("tls_verify");
        let everywhere = self.settings.upstream_tls_verify == UpstreamTlsVerify::System;
        let wanted = service.verify.unwrap_or(self.settings.kong.proxy_ssl_verify || everywhere);
        if !wanted {
            if !self.unverified_said.replace(true) {
                let message = "the upstream's certificate is not verified, as in Kong (said once for all services); \
                               write tls_verify: true";
                entity.report.warn(field, message);
            }
            return Ok(Verification::None);
        }
        let authorities = match &service.authorities {
            Some(authorities) => Authorities::Given(self.chosen(authorities, entity, entities)?),
            None => self.of_settings(entity)?.map_or(Authorities::System, Authorities::Given),
        };
        let depth = Some(service.depth.unwrap_or(self.settings.kong.verify_depth));
        Ok(Verification::Chain { authorities, names: NamesChecked::Sent, depth })
    }

    fn chosen(&self, authorities: &[usize], entity: &Entity, entities: &Index) -> Result<Trust, Broken> {
        let mut roots = Vec::with_capacity(authorities.len());
        for index in authorities {
            match self.store.authority(*index) {
                Some(root) => roots.push(root.clone()),
                None => {
                    let message = format!("{} is in error", entities.all[*index].label());
                    entity.report.discard(entity.at("ca_certificates"), message);
                    return Err(Broken);
                }
            }
        }
        let sources: Vec<_> = authorities.iter().map(|index| entities.all[*index].label()).collect();
        Ok(Trust { source: sources.join(", ").into(), roots, revoked: Vec::new() })
    }

    /// `None` is the system's.
    fn of_settings(&self, entity: &Entity) -> Result<Option<Trust>, Broken> {
        let setting = &self.settings.kong.trusted_certificate;
        let words: Vec<_> = setting.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
        if words.iter().all(|word| *word == SYSTEM) {
            return Ok(None);
        }
        let (mut sources, mut all) = (Vec::new(), Vec::new());
        for word in words {
            let (source, roots) = self.trusted(word, entity).map_err(|error| {
                entity.report.discard(entity.at("tls_verify"), format!("{TRUSTED}: {error}"));
                Broken
            })?;
            sources.push(source);
            all.extend(roots);
        }
        Ok(Some(Trust { source: sources.join(", ").into(), roots: all, revoked: Vec::new() }))
    }

    /// What one word of `lua_ssl_trusted_certificate` is called, and whom it stands for.
    fn trusted<'w>(
        &self,
        word: &'w str,
        entity: &Entity,
    ) -> Result<(&'w str, Vec<CertificateDer<'static>>), MaterialError> {
        if word == SYSTEM {
            return Ok((word, material::system_roots()));
        }
        match given(TRUSTED, word)? {
            Given::Text(piece) => Ok((TRUSTED, material::roots(&piece)?)),
            Given::File(path) => {
                let Taken { value: roots, stale } = self.files.borrow_mut().roots(path)?;
                if let Some(error) = stale {
                    let message = format!("{TRUSTED}: {error}; what was last good in it stays");
                    entity.report.error(entity.at("tls_verify"), message);
                }
                Ok((word, roots))
            }
        }
    }
}
