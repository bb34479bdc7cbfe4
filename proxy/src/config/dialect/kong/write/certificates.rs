//! Certificates with the names that they are shown for, and authorities.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::SignatureAlgorithm;
use serde_json::{Value, json};

use crate::config::dialect::write::{self, Draft, shown};
use crate::config::model::{
    ClientCertificates, Downstream, Identity, Matcher, NamePattern, Parameters, Route, Termination, Trust,
};

/// For names that have no other.
const FOR_ALL: &str = "*";

/// What has been written, each by its id.
#[derive(Default)]
pub(super) struct Certificates {
    certificates: BTreeMap<String, Value>,
    authorities: BTreeMap<String, Value>,
    /// Ids of certificates by name: Kong has the same for all of its addresses.
    names: BTreeMap<String, String>,
}

impl Certificates {
    /// The certificates at which routes end TLS.
    pub(super) fn terminate<'a>(&mut self, routes: impl Iterator<Item = &'a Route>, draft: &mut Draft<'_>) {
        let ended: Vec<_> = routes
            .filter_map(|route| match (&route.downstream, &route.matcher) {
                (Downstream::Terminate(termination), Matcher::Tls { name, .. }) => Some((termination, name)),
                _ => None,
            })
            .collect();
        let Some((first, _)) = ended.first() else { return };
        let all =
            |termination: &Arc<Termination>| (termination.certificates.clone(), termination.named.clone());
        let is_one = ended.iter().all(|(other, _)| all(other) == all(first));
        for (termination, pattern) in &ended {
            self.without_words(termination, draft);
            // The names of a route are its own where others end TLS in other ways.
            match shown(termination, pattern).filter(|_| !is_one) {
                Some(certificates) => {
                    if matches!(pattern, NamePattern::Suffix(_) | NamePattern::Prefix(_)) {
                        draft.lose(
                            &termination.name,
                            format!("its certificate is for every name that is {pattern}, and Kong's for one label in place of the star"),
                        );
                    }
                    self.name(pattern.to_string(), certificates, termination, draft);
                }
                None => {
                    for (name, certificates) in &termination.named {
                        self.name(name.to_string(), certificates, termination, draft);
                    }
                }
            }
        }
        if !self.names.contains_key(FOR_ALL) {
            self.name(FOR_ALL.to_owned(), &first.certificates, first, draft);
        }
    }

    fn without_words(&self, termination: &Termination, draft: &mut Draft<'_>) {
        if termination.clients != ClientCertificates::Ignored {
            draft.lose(&termination.name, "asks clients for certificates, which Kong does not on streams");
        }
        if termination.parameters != Parameters::default() {
            draft.lose(&termination.name, "restricts versions, ciphers, groups or protocols of TLS");
        }
    }

    fn name(&mut self, name: String, certificates: &[Identity], of: &Termination, draft: &mut Draft<'_>) {
        let id = self.add(certificates, draft);
        match self.names.get(&name) {
            Some(known) if *known != id => draft.lose(
                &of.name,
                format!("{name} has another certificate elsewhere, and in Kong one for all addresses; the first stays"),
            ),
            Some(_) => {}
            None => drop(self.names.insert(name, id)),
        }
    }

    /// The id of certificates for the same names.
    pub(super) fn add(&mut self, identities: &[Identity], draft: &mut Draft<'_>) -> String {
        let id = id(identities.iter().flat_map(|identity| &identity.key.cert).map(|der| &der[..]));
        if self.certificates.contains_key(&id) {
            return id;
        }
        let (mut certificate, mut types) = (json!({ "id": id }), Vec::new());
        for identity in identities {
            let is_rsa = identity.key.key.algorithm() == SignatureAlgorithm::RSA;
            if types.contains(&is_rsa) {
                draft.lose(&identity.source, "is one of two certificates with keys of the same type; Kong has one of RSA and one other");
                continue;
            }
            let suffix = if types.is_empty() { "" } else { "_alt" };
            types.push(is_rsa);
            certificate[format!("cert{suffix}")] = json!(write::certificates(&identity.key.cert));
            certificate[format!("key{suffix}")] = json!(key(identity, &id, suffix, draft));
        }
        self.certificates.insert(id.clone(), certificate);
        id
    }

    /// The ids of authorities.
    pub(super) fn authorities(&mut self, trust: &Trust, whose: &str, draft: &mut Draft<'_>) -> Vec<String> {
        if !trust.revoked.is_empty() {
            draft.lose(whose, "goes by lists of revoked certificates, which Kong does not");
        }
        let ids = trust.roots.iter().map(|root| {
            let id = id([&root[..]].into_iter());
            let cert = write::certificates(std::slice::from_ref(root));
            self.authorities.insert(id.clone(), json!({ "id": id, "cert": cert }));
            id
        });
        ids.collect()
    }

    /// Certificates, then authorities.
    pub(super) fn into_entities(self) -> (Vec<Value>, Vec<Value>) {
        let Self { mut certificates, authorities, names } = self;
        for (name, id) in names {
            if let Some(Value::Object(certificate)) = certificates.get_mut(&id)
                && let Value::Array(snis) = certificate.entry("snis").or_insert_with(|| json!([]))
            {
                snis.push(json!({ "name": name }));
            }
        }
        (certificates.into_values().collect(), authorities.into_values().collect())
    }
}

/// Or the variable in which decK finds it.
fn key(identity: &Identity, id: &str, suffix: &str, draft: &mut Draft<'_>) -> String {
    if draft.has_keys() {
        return write::key(identity);
    }
    let variable = format!("DECK_KEY_{}{suffix}", id.split('-').next().unwrap_or(id)).to_ascii_uppercase();
    draft.lose(
        &identity.source,
        format!(
            "the private key is not written; give --keys, or its PEM in the environment variable {variable}"
        ),
    );
    format!("${{{{ env \"{variable}\" }}}}")
}

/// A UUID (RFC 9562, version 8) of what something is, so that it is the same each time: FNV-1a of 128 bits.
fn id<'a>(content: impl Iterator<Item = &'a [u8]>) -> String {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash = content.flatten().fold(BASIS, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME));
    // Its version and its variant have places of their own.
    let hash = hash & !(0xf000_u128 << 64 | 0xc000_u128 << 48) | 0x8000_u128 << 64 | 0x8000_u128 << 48;
    let digits = format!("{hash:032x}");
    let part = |from: usize, to: usize| &digits[from..to];
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}
