//! The security policies that AWS' network load balancers know, as far as rustls has what they allow.
//!
//! Source: "Security policies for your Network Load Balancer"
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/network/describe-ssl-policies.html>). Of TLS 1.2's suites
//! every policy below allows the same four that rustls has too, in this order; where policies differ is in versions, and
//! in suites with CBC or without forward secrecy, which rustls has none of. Those named RFC9151 allow fewer and are
//! left out.

use rustls::CipherSuite;

use crate::config::model::{Parameters, Versions};

/// What a policy lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lets {
    /// TLS 1.0 or 1.1, which rustls does not speak.
    old: bool,
    tls12: bool,
    tls13: bool,
}

const ONLY_13: Lets = Lets { old: false, tls12: false, tls13: true };
const FROM_12: Lets = Lets { old: false, tls12: true, tls13: true };
const FROM_OLD: Lets = Lets { old: true, tls12: true, tls13: true };
const ONLY_12: Lets = Lets { old: false, tls12: true, tls13: false };
const OLD_TO_12: Lets = Lets { old: true, tls12: true, tls13: false };

/// By the names' ends, which all begin alike.
const POLICIES: [(&str, Lets); 39] = [
    ("TLS13-1-3-2021-06", ONLY_13),
    ("TLS13-1-3-FIPS-2023-04", ONLY_13),
    ("TLS13-1-3-PQ-2025-09", ONLY_13),
    ("TLS13-1-3-FIPS-PQ-2025-09", ONLY_13),
    ("TLS13-1-2-2021-06", FROM_12),
    ("TLS13-1-2-Res-2021-06", FROM_12),
    ("TLS13-1-2-Ext1-2021-06", FROM_12),
    ("TLS13-1-2-Ext2-2021-06", FROM_12),
    ("TLS13-1-2-FIPS-2023-04", FROM_12),
    ("TLS13-1-2-Res-FIPS-2023-04", FROM_12),
    ("TLS13-1-2-Ext0-FIPS-2023-04", FROM_12),
    ("TLS13-1-2-Ext1-FIPS-2023-04", FROM_12),
    ("TLS13-1-2-Ext2-FIPS-2023-04", FROM_12),
    ("TLS13-1-2-PQ-2025-09", FROM_12),
    ("TLS13-1-2-Res-PQ-2025-09", FROM_12),
    ("TLS13-1-2-Ext1-PQ-2025-09", FROM_12),
    ("TLS13-1-2-Ext2-PQ-2025-09", FROM_12),
    ("TLS13-1-2-FIPS-PQ-2025-09", FROM_12),
    ("TLS13-1-2-Res-FIPS-PQ-2025-09", FROM_12),
    ("TLS13-1-2-Ext0-FIPS-PQ-2025-09", FROM_12),
    ("TLS13-1-2-Ext1-FIPS-PQ-2025-09", FROM_12),
    ("TLS13-1-2-Ext2-FIPS-PQ-2025-09", FROM_12),
    ("TLS13-1-1-2021-06", FROM_OLD),
    ("TLS13-1-1-FIPS-2023-04", FROM_OLD),
    ("TLS13-1-0-2021-06", FROM_OLD),
    ("TLS13-1-0-FIPS-2023-04", FROM_OLD),
    ("TLS13-1-0-PQ-2025-09", FROM_OLD),
    ("TLS13-1-0-FIPS-PQ-2025-09", FROM_OLD),
    ("TLS-1-2-Ext-2018-06", ONLY_12),
    ("TLS-1-2-2017-01", ONLY_12),
    ("FS-1-2-Res-2020-10", ONLY_12),
    ("FS-1-2-Res-2019-08", ONLY_12),
    ("FS-1-2-2019-08", ONLY_12),
    ("TLS-1-1-2017-01", OLD_TO_12),
    ("TLS-1-0-2015-04", OLD_TO_12),
    ("FS-1-1-2019-08", OLD_TO_12),
    ("FS-2018-06", OLD_TO_12),
    ("2016-08", OLD_TO_12),
    ("2015-05", OLD_TO_12),
];

const PREFIX: &str = "ELBSecurityPolicy-";

/// What all of them allow of TLS 1.2, by preference.
const SUITES: [CipherSuite; 4] = [
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
];

/// What a policy comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) parameters: Parameters,
    /// Whether it lets clients in that speak TLS 1.0 or 1.1 alone, which sluice does not.
    pub(super) lets_old: bool,
    /// Whether it promises cryptography that was validated (FIPS 140).
    pub(super) is_fips: bool,
}

/// The policy of that name.
pub(super) fn find(name: &str) -> Option<Policy> {
    let end = name.strip_prefix(PREFIX)?;
    let (_, lets) = POLICIES.iter().find(|(known, _)| *known == end)?;
    let versions = Versions { tls12: lets.tls12, tls13: lets.tls13 };
    let ciphers = lets.tls12.then(|| SUITES.to_vec());
    let parameters = Parameters { versions, ciphers, ..Parameters::default() };
    Some(Policy { parameters, lets_old: lets.old, is_fips: end.contains("FIPS") })
}

/// Every name, for whoever missed one.
pub(super) fn names() -> Vec<String> {
    POLICIES.iter().map(|(end, _)| format!("{PREFIX}{end}")).collect()
}
