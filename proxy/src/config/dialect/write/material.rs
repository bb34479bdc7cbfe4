//! Certificates, keys and revocation lists as PEM, in Secrets and ConfigMaps.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Map, Value, json};

use super::{ObjectName, Taken, object};
use crate::config::model::{Identity, Trust};

/// Secrets and ConfigMaps that the documents name.
pub(super) struct Material {
    own_namespace: String,
    pub(super) with_keys: bool,
    taken: Taken,
    /// By what is in them, and for ConfigMaps by their namespace.
    names: BTreeMap<Vec<u8>, ObjectName>,
    documents: Vec<Value>,
}

impl Material {
    pub(super) fn new(own_namespace: &str, with_keys: bool) -> Self {
        Self {
            own_namespace: own_namespace.to_owned(),
            with_keys,
            taken: Taken::default(),
            names: BTreeMap::new(),
            documents: Vec::new(),
        }
    }

    pub(super) fn identity(&mut self, identity: &Identity, lost: &mut Vec<String>) -> ObjectName {
        let content = identity.key.cert.iter().flat_map(|der| der.iter().copied()).collect();
        let (name, is_new) = self.name(&identity.source, content);
        if is_new && self.with_keys {
            let (chain, key) = (certificates(&identity.key.cert), key(identity));
            self.secret(&name, "kubernetes.io/tls", &[("tls.crt", &chain), ("tls.key", &key)]);
        } else if is_new {
            let shown = name.shown(&self.own_namespace);
            lost.push(format!(
                "{}: the private key is not written; give --keys, or keep a Secret {shown} beside the documents",
                identity.source
            ));
        }
        name
    }

    pub(super) fn trust(&mut self, trust: &Trust) -> (ObjectName, Option<ObjectName>) {
        let roots = self.public(&trust.source, "ca.crt", &certificates(&trust.roots));
        if trust.revoked.is_empty() {
            return (roots, None);
        }
        let lists: String = trust.revoked.iter().map(|der| pem("X509 CRL", der)).collect();
        let lists = self.public(&format!("{}-revoked", trust.source), "crl.pem", &lists);
        (roots, Some(lists))
    }

    /// Authorities alone, in a ConfigMap of a namespace.
    pub(super) fn config_map(&mut self, trust: &Trust, namespace: Option<&str>) -> ObjectName {
        let pem = certificates(&trust.roots);
        let content = format!("ConfigMap {} {pem}", namespace.unwrap_or_default()).into_bytes();
        let words = if trust.source.starts_with('/') { "file ca" } else { &*trust.source };
        let wanted = ObjectName {
            namespace: namespace.map(str::to_owned),
            ..ObjectName::of(words, &self.own_namespace)
        };
        if let Some(name) = self.names.get(&content) {
            return name.clone();
        }
        let name = self.taken.free(wanted);
        self.names.insert(content, name.clone());
        let body = Map::from_iter([("data".to_owned(), json!({ "ca.crt": pem }))]);
        self.documents.push(object("v1", "ConfigMap", &name, Map::new(), body));
        name
    }

    pub(super) fn into_documents(self) -> Vec<Value> {
        self.documents
    }

    fn public(&mut self, source: &str, key: &str, pem: &str) -> ObjectName {
        let (name, is_new) =
            self.name(&format!("{source}-{}", key.split('.').next().unwrap_or(key)), pem.into());
        if is_new {
            self.secret(&name, "Opaque", &[(key, pem)]);
        }
        name
    }

    /// The name of a Secret with this content, and whether it has to be written.
    fn name(&mut self, source: &str, content: Vec<u8>) -> (ObjectName, bool) {
        if let Some(name) = self.names.get(&content) {
            return (name.clone(), false);
        }
        // A path is no kind and name; whatever it is, its own words are the best name.
        let words = if source.starts_with('/') { format!("file {source}") } else { source.to_owned() };
        let name = self.taken.free(ObjectName::of(&words, &self.own_namespace));
        self.names.insert(content, name.clone());
        (name, true)
    }

    fn secret(&mut self, name: &ObjectName, kind: &str, data: &[(&str, &str)]) {
        let data: Map<_, _> = data
            .iter()
            .map(|(key, text)| ((*key).to_owned(), json!(BASE64.encode(text.as_bytes()))))
            .collect();
        let mut body = Map::new();
        body.insert("type".to_owned(), json!(kind));
        body.insert("data".to_owned(), Value::Object(data));
        self.documents.push(object("v1", "Secret", name, Map::new(), body));
    }
}

/// One behind the other.
pub(in crate::config::dialect) fn certificates(ders: &[CertificateDer<'_>]) -> String {
    ders.iter().map(|der| pem("CERTIFICATE", der)).collect()
}

/// The private key, in the form in which it was read.
pub(in crate::config::dialect) fn key(identity: &Identity) -> String {
    let (label, der) = match identity.private_key.der() {
        PrivateKeyDer::Pkcs1(der) => ("RSA PRIVATE KEY", der.secret_pkcs1_der()),
        PrivateKeyDer::Sec1(der) => ("EC PRIVATE KEY", der.secret_sec1_der()),
        // The only other form; a new one would be PKCS #8 inside.
        other => ("PRIVATE KEY", other.secret_der()),
    };
    pem(label, der)
}

/// RFC 7468.
fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let packed = BASE64.encode(der);
    for line in packed.as_bytes().chunks(64) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}
