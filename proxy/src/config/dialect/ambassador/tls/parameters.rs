//! Versions, cipher suites, curves and protocols: Envoy's words for what rustls has.

use std::sync::Arc;

use rustls::{CipherSuite, NamedGroup};

use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;
use crate::config::model::{Parameters, Versions};
use crate::crypto;

/// The names of BoringSSL, which are OpenSSL's.
const SUITES: [(&str, CipherSuite); 6] = [
    ("ECDHE-ECDSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

/// The names of BoringSSL and OpenSSL.
const GROUPS: [(&str, NamedGroup); 10] = [
    ("X25519", NamedGroup::X25519),
    ("P-256", NamedGroup::secp256r1),
    ("prime256v1", NamedGroup::secp256r1),
    ("secp256r1", NamedGroup::secp256r1),
    ("P-384", NamedGroup::secp384r1),
    ("secp384r1", NamedGroup::secp384r1),
    ("P-521", NamedGroup::secp521r1),
    ("secp521r1", NamedGroup::secp521r1),
    ("X25519MLKEM768", NamedGroup::X25519MLKEM768),
    ("SecP256r1MLKEM768", NamedGroup::secp256r1MLKEM768),
];

/// Reads what a handshake may agree on.
pub(super) fn read(fields: &Fields<'_>, report: &Report) -> Parameters {
    let versions = versions(fields, report);
    Parameters {
        versions,
        ciphers: ciphers(fields, versions, report),
        groups: groups(fields, report),
        alpn: alpn(fields, "alpn_protocols", report),
    }
}

/// A suite as it is read.
pub(in crate::config::dialect::ambassador) fn suite_name(suite: CipherSuite) -> &'static str {
    let boring = SUITES.iter().find(|(_, known)| *known == suite);
    boring.map_or_else(|| suite.as_str().unwrap_or_default(), |(name, _)| name)
}

/// A group as it is read.
pub(in crate::config::dialect::ambassador) fn group_name(group: NamedGroup) -> &'static str {
    GROUPS.iter().find(|(_, known)| *known == group).map_or("", |(name, _)| name)
}

fn versions(fields: &Fields<'_>, report: &Report) -> Versions {
    let choices = [("v1.0", 0), ("v1.1", 1), ("v1.2", 2), ("v1.3", 3)];
    let least = fields.choice("min_tls_version", &choices);
    let most = fields.choice("max_tls_version", &choices);
    let range = (least.unwrap_or(0), most.unwrap_or(3));
    match range {
        (least, most) if least > most => report.discard(
            fields.path("min_tls_version"),
            format!("v1.{least} is above max_tls_version v1.{most}; no version is left"),
        ),
        (_, most @ (0 | 1)) => report.discard(
            fields.path("max_tls_version"),
            format!(
                "v1.{most} leaves no version: sluice has TLS 1.2 and 1.3 alone; raise it to v1.2 or v1.3"
            ),
        ),
        _ => {}
    }
    if let Some(least @ (0 | 1)) = least {
        let message =
            format!("v1.{least} is broken and left out (RFC 8996); TLS 1.2 is the least that is offered");
        report.info(fields.path("min_tls_version"), message);
    }
    Versions { tls12: (range.0..=range.1).contains(&2), tls13: (range.0..=range.1).contains(&3) }
}

fn ciphers(fields: &Fields<'_>, versions: Versions, report: &Report) -> Option<Vec<CipherSuite>> {
    let field = fields.path("cipher_suites");
    let named: Vec<String> = fields.texts("cipher_suites")?.iter().flat_map(|text| members(text)).collect();
    if named.is_empty() {
        return None;
    }
    let mut suites = Vec::new();
    for name in &named {
        match suite(name) {
            Some(suite) if suite.is_tls13 => {
                report.info(field.clone(), format!("{name:?} is of TLS 1.3, whose suites are always all on"));
            }
            Some(suite) if suites.contains(&suite.suite) => {}
            Some(suite) => suites.push(suite.suite),
            None => {
                let known: Vec<_> = SUITES.iter().map(|(name, _)| *name).collect();
                let message =
                    format!("{name:?} is none that sluice has, and is left out; it has {}", known.join(", "));
                report.warn(field.clone(), message);
            }
        }
    }
    if suites.is_empty() && versions.tls12 {
        report.discard(field, "leaves no cipher suite for TLS 1.2; name one, or set min_tls_version: v1.3");
    }
    Some(suites)
}

struct Suite {
    suite: CipherSuite,
    is_tls13: bool,
}

/// By any of its names; IANA's are rustls' own.
fn suite(name: &str) -> Option<Suite> {
    let boring = SUITES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, suite)| *suite);
    let of_provider = crypto::provider().cipher_suites.iter().find(|supported| {
        let iana = supported.suite().as_str().unwrap_or_default();
        // rustls calls those of 1.3 TLS13_, IANA TLS_.
        boring.map_or(iana.replace("TLS13_", "TLS_").eq_ignore_ascii_case(name), |suite| {
            suite == supported.suite()
        })
    })?;
    Some(Suite { suite: of_provider.suite(), is_tls13: of_provider.tls13().is_some() })
}

/// `[A|B]` is a group of equal preference, which rustls does not know: its members stand in a row.
fn members(text: &str) -> Vec<String> {
    let inside = text.trim().trim_start_matches('[').trim_end_matches(']');
    inside.split(['|', ',', ':']).map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

fn groups(fields: &Fields<'_>, report: &Report) -> Option<Vec<NamedGroup>> {
    let field = fields.path("ecdh_curves");
    let named: Vec<String> = fields.texts("ecdh_curves")?.iter().flat_map(|text| members(text)).collect();
    if named.is_empty() {
        return None;
    }
    let offered =
        |group: &NamedGroup| crypto::provider().kx_groups.iter().any(|known| known.name() == *group);
    let mut groups = Vec::new();
    for name in &named {
        let group =
            GROUPS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, group)| *group);
        match group.filter(offered) {
            Some(group) if groups.contains(&group) => {}
            Some(group) => groups.push(group),
            None => {
                let known: Vec<_> =
                    GROUPS.iter().filter(|(_, group)| offered(group)).map(|(name, _)| *name).collect();
                let message =
                    format!("{name:?} is none that sluice has, and is left out; it has {}", known.join(", "));
                report.warn(field.clone(), message);
            }
        }
    }
    if groups.is_empty() {
        report.discard(field, "leaves no curve; name one, or leave the field out");
    }
    Some(groups)
}

/// Protocols by comma, in order of preference.
pub(in crate::config::dialect::ambassador) fn alpn(
    fields: &Fields<'_>,
    field: &'static str,
    report: &Report,
) -> Vec<Arc<[u8]>> {
    let texts = fields.texts(field).unwrap_or_default();
    let names: Vec<_> = texts
        .iter()
        .flat_map(|text| text.split(','))
        .map(|name| name.trim().as_bytes())
        .filter(|name| !name.is_empty())
        .collect();
    if names.iter().any(|name| name.len() > 255) {
        report.discard(
            fields.path(field),
            "has a protocol of more than 255 bytes, the longest there is (RFC 7301)",
        );
    }
    names.into_iter().map(Into::into).collect()
}
