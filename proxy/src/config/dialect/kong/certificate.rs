//! Certificates with their names, and authorities: PEM texts of the file, proven.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::SignatureAlgorithm;
use rustls::pki_types::CertificateDer;

use super::entity::{Entity, Kind};
use super::index::{Broken, Index};
use super::sni;
use crate::config::dialect::fields::Fields;
use crate::config::material::{self, Piece};
use crate::config::model::{CertificateName, Certificates, Identity};

/// What the file's certificates come to.
#[derive(Default)]
pub(super) struct Store {
    /// By their place among the entities; those in error are not there.
    certificates: HashMap<usize, Certificates>,
    authorities: HashMap<usize, CertificateDer<'static>>,
    /// In the order of their names' declaration.
    pub(super) named: Vec<(CertificateName, Certificates)>,
    /// For names that have no other: that of the name `*`.
    pub(super) for_all: Option<Certificates>,
}

impl Store {
    pub(super) fn read(entities: &Index) -> Self {
        let mut store = Self::default();
        for (index, entity) in entities.of(Kind::CaCertificate) {
            if let Ok(root) = authority(entity) {
                store.authorities.insert(index, root);
            }
        }
        for (index, entity) in entities.of(Kind::Certificate) {
            if let Ok(certificates) = certificates(entity) {
                store.certificates.insert(index, certificates);
            }
        }
        for (_, entity) in entities.of(Kind::Sni) {
            store.name(entity, entities);
        }
        store
    }

    /// What a client certificate's reference stands for.
    pub(super) fn identity(&self, certificate: usize) -> Option<&Identity> {
        self.certificates.get(&certificate).and_then(|certificates| certificates.first())
    }

    pub(super) fn authority(&self, authority: usize) -> Option<&CertificateDer<'static>> {
        self.authorities.get(&authority)
    }

    fn name(&mut self, entity: &Entity, entities: &Index) {
        let (fields, report) = (entity.fields(), &entity.report);
        let name = fields.filled("name");
        let owner = entities.owner(entity, &fields, "certificate", Kind::Certificate);
        fields.refuse_unknown(&[]);
        if name.is_none() && !report.failed() {
            fields.missing("name", "give the name that clients ask for");
        }
        let name = name.and_then(|text| {
            let read = sni::of_certificate(&text);
            read.map_err(|why| report.discard(fields.path("name"), why)).ok()
        });
        match owner {
            Ok(None) => {
                fields.missing("certificate", "name the certificate, or write the sni among its snis")
            }
            Ok(Some(owner)) if !self.certificates.contains_key(&owner) => {
                let owner = entities.all[owner].label();
                report.discard(
                    fields.path("certificate"),
                    format!("{owner} is in error; clients get the default certificate"),
                );
            }
            Ok(Some(owner)) if !report.failed() => {
                let certificates = self.certificates[&owner].clone();
                match name {
                    Some(None) => self.for_all = Some(certificates),
                    Some(Some(name)) => self.named.push((name, certificates)),
                    None => {}
                }
            }
            _ => {}
        }
    }
}

fn authority(entity: &Entity) -> Result<CertificateDer<'static>, Broken> {
    let (fields, report) = (entity.fields(), &entity.report);
    fields.ignore(&["cert_digest"]);
    let piece = pem(&fields, "cert", entity);
    fields.refuse_unknown(&[]);
    let roots = material::roots(&piece?).map_err(|error| {
        report.discard("", error);
        Broken
    })?;
    let field = || fields.path("cert");
    match &roots[..] {
        [root] => match material::unfit(root) {
            Some(why) => {
                report.discard(field(), format!("the certificate {why}; give an authority's that is in date"))
            }
            None if !report.failed() => return Ok(root.clone()),
            None => {}
        },
        several => {
            let message =
                format!("please submit only one certificate at a time: there are {}", several.len());
            report.discard(field(), message);
        }
    }
    Err(Broken)
}

fn certificates(entity: &Entity) -> Result<Certificates, Broken> {
    let (fields, report) = (entity.fields(), &entity.report);
    let first = pair(&fields, ("cert", "key"), entity);
    let has_second = ["cert_alt", "key_alt"].map(|field| fields.raw(field).is_some());
    let second = match has_second {
        [true, true] => Some(pair(&fields, ("cert_alt", "key_alt"), entity)),
        [false, false] => None,
        [first, _] => {
            let (is, lacks) = if first { ("cert_alt", "key_alt") } else { ("key_alt", "cert_alt") };
            fields.missing(lacks, &format!("{is} needs it; give both or none"));
            None
        }
    };
    fields.refuse_unknown(&[]);
    let (first, second) = (first?, second.transpose()?);
    if let Some(second) = &second
        && is_rsa(&first) == is_rsa(second)
    {
        let message = "certificate and alternative certificate need to have different type (e.g. RSA and ECDSA), the \
                       provided certificates were both of the same type";
        report.discard(fields.path("cert_alt"), message);
    }
    if report.failed() { Err(Broken) } else { Ok([first].into_iter().chain(second).collect()) }
}

fn pair(
    fields: &Fields<'_>,
    (cert, key): (&'static str, &'static str),
    entity: &Entity,
) -> Result<Identity, Broken> {
    let (chain, private_key) = (pem(fields, cert, entity), pem(fields, key, entity));
    let source = Arc::from(entity.label());
    let identity = material::identity(source, &chain?, &private_key?).map_err(|error| {
        entity.report.discard("", error);
        Broken
    })?;
    if let Some(fault) = material::out_of_date(&identity) {
        entity.report.warn(fields.path(cert), format!("{fault}; it is used all the same: renew it"));
    }
    Ok(identity)
}

fn pem(fields: &Fields<'_>, field: &'static str, entity: &Entity) -> Result<Piece, Broken> {
    let report = &entity.report;
    if fields.raw(field).is_none() {
        fields.missing(field, "write its PEM");
        return Err(Broken);
    }
    let text = fields.secret(field).ok_or(Broken)?;
    if text.trim_start().starts_with("{vault://") {
        report.discard(fields.path(field), "is in a vault, and sluice opens none; write its PEM, or an environment variable with ${{ env \"DECK_X\" }}");
        return Err(Broken);
    }
    Ok(Piece { name: fields.path(field), bytes: text.into_bytes() })
}

fn is_rsa(identity: &Identity) -> bool {
    identity.key.key.algorithm() == SignatureAlgorithm::RSA
}
