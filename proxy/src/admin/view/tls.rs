//! What becomes of TLS, as JSON: who declared it, which certificates and until when; never a key.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::config::model::{
    Authorities, ClientCertificates, Downstream, Identity, NameSent, NamesChecked, Origination, Parameters,
    Prelude, SanPattern, Termination, Trust, Verification,
};

/// The end of 9999, behind which RFC 3339 cannot write.
const LAST: u64 = 253_402_300_799;

pub(super) fn downstream(downstream: &Downstream) -> Value {
    match downstream {
        Downstream::Raw => json!("raw"),
        Downstream::Terminate(termination) => json!({ "terminate": terminate(termination) }),
    }
}

pub(super) fn originate(origination: &Origination) -> Value {
    let Origination { name, identity: own, server_name, verification, parameters } = origination;
    let verification = match verification {
        Verification::None => json!("none"),
        Verification::Chain { authorities, names, depth } => {
            let authorities = match authorities {
                Authorities::System => json!("system"),
                Authorities::Given(given) => trust(given),
            };
            let names = match names {
                NamesChecked::Any => json!("any"),
                NamesChecked::Sent => json!("sent"),
                NamesChecked::OneOf(names) => names.iter().map(san).collect(),
            };
            json!({ "authorities": authorities, "names": names, "depth": depth })
        }
    };
    json!({
        "name": name,
        "certificate": own.as_ref().map(identity),
        "server_name": sent(server_name),
        "verification": verification,
        "parameters": agreed(parameters),
    })
}

fn sent(name: &NameSent) -> Value {
    match name {
        NameSent::Nothing => Value::Null,
        NameSent::Fixed(name) => json!(name),
        NameSent::Host => json!({ "of": "host" }),
        NameSent::Client => json!({ "of": "client" }),
    }
}

pub(super) fn prelude(prelude: Prelude) -> &'static str {
    match prelude {
        Prelude::Postgres => "postgres",
    }
}

/// Protocols as people write them.
pub(super) fn protocols(alpn: &[Arc<[u8]>]) -> Vec<String> {
    alpn.iter().map(|protocol| String::from_utf8_lossy(protocol).into_owned()).collect()
}

fn terminate(termination: &Termination) -> Value {
    let Termination { name, certificates, named, clients, parameters } = termination;
    let (clients, authorities) = match clients {
        ClientCertificates::Ignored => ("ignored", None),
        ClientCertificates::Verified(trust) => ("verified", Some(trust)),
        ClientCertificates::Required(trust) => ("required", Some(trust)),
    };
    json!({
        "name": name,
        "certificates": certificates.iter().map(identity).collect::<Vec<_>>(),
        "named": named.iter().map(|(name, certificates)| json!({
            "server_name": name.to_string(),
            "certificates": certificates.iter().map(identity).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "client_certificates": clients,
        "authorities": authorities.map(trust),
        "parameters": agreed(parameters),
    })
}

fn identity(identity: &Identity) -> Value {
    json!({ "source": identity.source, "expires": expires(identity) })
}

/// RFC 3339.
fn expires(identity: &Identity) -> Option<String> {
    let seconds = u64::try_from(identity.expires).ok().filter(|seconds| *seconds <= LAST)?;
    Some(humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string())
}

fn trust(trust: &Trust) -> Value {
    json!({ "source": trust.source, "certificates": trust.roots.len(), "revocation_lists": trust.revoked.len() })
}

fn san(pattern: &SanPattern) -> String {
    match pattern {
        SanPattern::Dns(name) => format!("dns:{name}"),
        SanPattern::Uri(uri) => format!("uri:{uri}"),
        SanPattern::Ip(ip) => format!("ip:{ip}"),
    }
}

/// Lists that are not restricted are null.
fn agreed(parameters: &Parameters) -> Value {
    let Parameters { versions, ciphers, groups, alpn } = parameters;
    let versions: Vec<_> = [(versions.tls12, "1.2"), (versions.tls13, "1.3")]
        .into_iter()
        .filter_map(|(on, version)| on.then_some(version))
        .collect();
    let ciphers =
        ciphers.as_ref().map(|all| all.iter().map(|suite| format!("{suite:?}")).collect::<Vec<_>>());
    let groups = groups.as_ref().map(|all| all.iter().map(|group| format!("{group:?}")).collect::<Vec<_>>());
    json!({ "versions": versions, "cipher_suites": ciphers, "groups": groups, "alpn": protocols(alpn) })
}
