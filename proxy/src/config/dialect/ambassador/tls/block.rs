//! The fields that `TLSContext`, a `Host`'s `tls` and the entries of the Module `tls` share.

use std::path::PathBuf;

use super::parameters;
use crate::config::dialect::fields::{Fields, scalar};
use crate::config::dialect::names;
use crate::config::dialect::report::Report;
use crate::config::model::{Parameters, ServerName};

/// What holds where a resource says nothing.
#[derive(Clone, Copy)]
pub(super) struct Defaults<'a> {
    pub(super) own_namespace: &'a str,
    /// Whether the last dot of a Secret's name parts it from its namespace.
    pub(super) namespacing: bool,
}

/// What was declared about one side's TLS; the report knows what is wrong with it.
#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    pub(super) certificate: Option<Origin<KeyPair>>,
    pub(super) authorities: Option<Origin<PathBuf>>,
    pub(super) revoked: Option<Origin<PathBuf>>,
    /// Where it stands, and what it says.
    pub(super) required: Option<(String, bool)>,
    pub(super) parameters: Parameters,
    pub(super) sni: Option<ServerName>,
}

/// Where material is, and the field that says so.
#[derive(Debug, Clone)]
pub(super) struct Origin<F> {
    pub(super) field: String,
    pub(super) at: At<F>,
}

/// A Secret, or files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum At<F> {
    Secret(SecretName),
    File(F),
}

/// Which Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SecretName {
    pub(super) namespace: String,
    pub(super) name: String,
}

/// A chain and its key, each in a file of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyPair {
    pub(super) chain: PathBuf,
    pub(super) key: PathBuf,
}

/// The longest name that Kubernetes takes. What is longer is no name, perhaps a key, and is not repeated.
const LONGEST_NAME: usize = 253;

impl Block {
    /// Reads the fields; `namespace` is that of Secrets that name none.
    pub(super) fn read(
        fields: &Fields<'_>,
        namespace: &str,
        defaults: &Defaults<'_>,
        report: &Report,
    ) -> Self {
        let namespacing = fields.boolean("secret_namespacing").unwrap_or(defaults.namespacing);
        let secret = |field: &'static str| {
            let text = name(fields, field, report)?;
            let (namespace, name) = match text.rsplit_once('.') {
                Some((name, other)) if namespacing => (other.to_owned(), name.to_owned()),
                _ => (namespace.to_owned(), text),
            };
            Some((field, SecretName { namespace, name }))
        };
        let path = |field: &'static str| Some((field, path(fields, field, report)?));
        let crl = secret("crl_secret").or_else(|| secret("v3CRLSecret"));
        fields.ignore(&["v3CRLSecret"]);
        if fields.raw("redirect_cleartext_from").is_some() {
            report.info(fields.path("redirect_cleartext_from"), "concerns HTTP alone; passed over");
        }
        let pair = pair(fields, path("cert_chain_file"), path("private_key_file"));
        Self {
            certificate: one_of(fields, secret("secret"), pair, report),
            authorities: one_of(fields, secret("ca_secret"), path("cacert_chain_file"), report),
            revoked: one_of(fields, crl, path("crl_file"), report),
            required: fields
                .boolean("cert_required")
                .map(|required| (fields.path("cert_required"), required)),
            parameters: parameters::read(fields, report),
            sni: server_name(fields, report),
        }
    }

    /// Whether clients are asked for certificates; whoever stands in for this must not be laxer.
    pub(super) fn asks_clients(&self) -> bool {
        self.authorities.is_some() || self.required.as_ref().is_some_and(|(_, required)| *required)
    }
}

fn one_of<F>(
    fields: &Fields<'_>,
    secret: Option<(&'static str, SecretName)>,
    file: Option<(&'static str, F)>,
    report: &Report,
) -> Option<Origin<F>> {
    if let (Some((secret, _)), Some((file, _))) = (&secret, &file) {
        report.discard(fields.path(file), format!("stands beside {secret}; keep one of them"));
    }
    let secret = secret.map(|(field, name)| (field, At::Secret(name)));
    let file = file.map(|(field, file)| (field, At::File(file)));
    secret.or(file).map(|(field, at)| Origin { field: fields.path(field), at })
}

fn pair(
    fields: &Fields<'_>,
    chain: Option<(&'static str, PathBuf)>,
    key: Option<(&'static str, PathBuf)>,
) -> Option<(&'static str, KeyPair)> {
    match (chain, key) {
        (Some((field, chain)), Some((_, key))) => Some((field, KeyPair { chain, key })),
        (Some(_), None) if absent(fields, "private_key_file") => {
            fields.missing("private_key_file", "give the key of cert_chain_file");
            None
        }
        (None, Some(_)) if absent(fields, "cert_chain_file") => {
            fields.missing("cert_chain_file", "give the certificate of private_key_file");
            None
        }
        _ => None,
    }
}

fn absent(fields: &Fields<'_>, field: &'static str) -> bool {
    fields.raw(field).is_none_or(|value| scalar(value).is_some_and(|text| text.trim().is_empty()))
}

/// The name of a Secret.
pub(super) fn name(fields: &Fields<'_>, field: &'static str, report: &Report) -> Option<String> {
    let name = fields.filled(field)?.trim().to_owned();
    if name.len() > LONGEST_NAME || name.contains('\n') {
        report.discard(
            fields.path(field),
            "is too long for the name of a Secret; name the Secret that holds it",
        );
        return None;
    }
    Some(name)
}

fn path(fields: &Fields<'_>, field: &'static str, report: &Report) -> Option<PathBuf> {
    let path = fields.filled(field)?;
    if path.contains('\n') {
        report.discard(
            fields.path(field),
            "holds more than the path of a file; write the PEM to a file and name that",
        );
        return None;
    }
    Some(path.trim().into())
}

fn server_name(fields: &Fields<'_>, report: &Report) -> Option<ServerName> {
    let text = fields.filled("sni")?;
    let name = names::server_name(&text);
    if name.is_none() {
        report.discard(
            fields.path("sni"),
            format!("{text:?} is no DNS name, and nothing else can be sent as SNI"),
        );
    }
    name
}
