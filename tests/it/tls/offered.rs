//! What a client may have of us, and nothing else: every version, suite and group there is asked for.

use super::Site;
use crate::harness::backend::Backend;
use crate::harness::probe::{Answer, Chosen, Offer, SSL3, TLS12, TLS13, taken};
use crate::harness::program::{file, run};
use crate::harness::sluice::Sluice;
use crate::harness::tls::Ca;

const ECDSA: &str = "ecdsa.example.com";
const RSA: &str = "rsa.example.com";

/// TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256.
const SUITES_OF_13: [u16; 3] = [0x1301, 0x1302, 0x1303];
/// TLS_ECDHE_ECDSA_WITH_: AES_128_GCM_SHA256, AES_256_GCM_SHA384, CHACHA20_POLY1305_SHA256.
const WITH_ECDSA: [u16; 3] = [0xc02b, 0xc02c, 0xcca9];
/// The same for RSA's signatures.
const WITH_RSA: [u16; 3] = [0xc02f, 0xc030, 0xcca8];

const P256: u16 = 0x0017;
const P384: u16 = 0x0018;
const X25519: u16 = 0x001d;
const X25519MLKEM768: u16 = 0x11ec;

const PROTOCOL_VERSION: u8 = 70;

/// A sluice with a certificate of either kind, whose contexts have these fields.
fn start(spec: &str) -> (Ca, Site, Sluice) {
    let ca = Ca::new();
    let site = Site::new();
    let echo = Backend::echo(&site.at(7001));
    let service = echo.address.to_string();
    let site = site
        .certificate("ecdsa", &[ECDSA], &ca.leaf(&[ECDSA]), spec)
        .certificate("rsa", &[RSA], &ca.leaf_of(&rcgen::PKCS_RSA_SHA256, &[RSA]), spec)
        .mapping("ecdsa", &service, &format!("  host: {ECDSA}\n"))
        .mapping("rsa", &service, &format!("  host: {RSA}\n"));
    let sluice = site.start();
    (ca, site, sluice)
}

fn every() -> Vec<u16> {
    (0..=u16::MAX).collect()
}

fn suites(site: &Site, name: &str, version: u16) -> Vec<u16> {
    taken(&every(), |some| chosen(site, &Offer::new(name, version, some)).map(|chosen| chosen.suite))
}

fn groups(site: &Site, version: u16) -> Vec<u16> {
    taken(&every(), |some| {
        let offer = Offer::new(ECDSA, version, &[SUITES_OF_13, WITH_ECDSA].concat());
        chosen(site, &Offer { groups: some.to_vec(), ..offer })?.group
    })
}

fn chosen(site: &Site, offer: &Offer<'_>) -> Option<Chosen> {
    match offer.ask(&site.front()) {
        Answer::Hello(chosen) => Some(chosen),
        Answer::Alert(_) => None,
    }
}

#[test]
fn by_default() {
    let (_, site, _sluice) = start("");
    assert_eq!(suites(&site, ECDSA, TLS13), SUITES_OF_13);
    assert_eq!(suites(&site, ECDSA, TLS12), WITH_ECDSA);
    assert_eq!(suites(&site, RSA, TLS12), WITH_RSA);
    assert_eq!(groups(&site, TLS13), [P256, P384, X25519, X25519MLKEM768]);
    assert_eq!(groups(&site, TLS12), [P256, P384, X25519]);
    // SSL 3.0, TLS 1.0, TLS 1.1; and one that is yet to come.
    for version in (SSL3..TLS12).chain([TLS13 + 1]) {
        let answer = Offer::new(RSA, version, &every()[..8192]).ask(&site.front());
        assert_eq!(answer, Answer::Alert(PROTOCOL_VERSION), "{version:#06x}");
    }
}

#[test]
fn as_a_context_says() {
    for (spec, tls13, tls12, with_groups) in [
        ("  min_tls_version: v1.3\n", &SUITES_OF_13[..], &[][..], &[P256, P384, X25519, X25519MLKEM768][..]),
        ("  max_tls_version: v1.2\n", &[], &WITH_ECDSA, &[P256, P384, X25519]),
        (
            "  cipher_suites: [ECDHE-ECDSA-AES256-GCM-SHA384, ECDHE-RSA-CHACHA20-POLY1305]\n",
            &SUITES_OF_13,
            &[0xc02c],
            &[P256, P384, X25519, X25519MLKEM768],
        ),
        ("  ecdh_curves: [P-384, X25519]\n", &SUITES_OF_13, &WITH_ECDSA, &[P384, X25519]),
    ] {
        let (_, site, _sluice) = start(spec);
        assert_eq!(suites(&site, ECDSA, TLS13), tls13, "{spec}");
        assert_eq!(suites(&site, ECDSA, TLS12), tls12, "{spec}");
        let version = if tls13.is_empty() { TLS12 } else { TLS13 };
        assert_eq!(groups(&site, version), with_groups, "{spec}");
    }
    // Whose preference it is: ours, once it was declared.
    let (_, site, _sluice) =
        start("  cipher_suites: [ECDHE-ECDSA-CHACHA20-POLY1305, ECDHE-ECDSA-AES128-GCM-SHA256]\n");
    let told = chosen(&site, &Offer::new(ECDSA, TLS12, &WITH_ECDSA)).unwrap();
    assert_eq!(told.suite, 0xcca9);
}

#[test]
fn nothing_is_compressed_and_renegotiation_is_secure_or_none() {
    let (ca, site, mut sluice) = start("");
    // heartbeat, encrypt_then_mac, extended_master_secret, session_ticket, next_protocol_negotiation.
    let flags = vec![15, 22, 23, 35, 0x3374];
    let offer = Offer {
        compressions: vec![1, 64, 0],
        flags,
        ..Offer::new(RSA, TLS12, &[&every()[..256], &WITH_RSA].concat())
    };
    let told = chosen(&site, &offer).unwrap();
    assert_eq!(told.compression, 0);
    let mut extensions = told.extensions;
    extensions.sort_unstable();
    // The last is renegotiation_info, which the SCSV among the suites asked for.
    assert_eq!(extensions, [0, 23, 35, 0xff01], "extended_master_secret and tickets, no heartbeat");
    let only = Offer { compressions: vec![1], ..Offer::new(RSA, TLS12, &WITH_RSA) };
    assert!(matches!(only.ask(&site.front()), Answer::Alert(_)), "compression is not agreed to");
    for _ in 0..2 {
        sluice.closed();
    }

    let (front, authority) = (site.front(), file("ca", &ca.pem));
    let words = ["s_client", "-tls1_2", "-connect", &front, "-servername", RSA, "-CAfile", &authority];
    let said = run("openssl", &words, b"R\n");
    assert!(said.contains("Secure Renegotiation IS supported"), "{said}");
    assert!(said.contains("Compression: NONE") && said.contains("Extended master secret: yes"), "{said}");
    assert!(said.contains("RENEGOTIATING") && said.contains("no renegotiation"), "{said}");
}

/// The same as OpenSSL sees it, through whole handshakes: of all suites that it knows without those it was given
/// before, until it is given none.
#[test]
fn openssl_finds_the_same() {
    let (_, site, _sluice) = start("");
    let front = site.front();
    let given = |name: &str, words: &[&str]| {
        let said =
            run("openssl", &[&["s_client", "-connect", &front, "-servername", name], words].concat(), b"");
        let line = said.lines().find(|line| line.starts_with("New, ")).unwrap_or_else(|| panic!("{said}"));
        Some(line.rsplit(' ').next()?.to_owned()).filter(|suite| suite != "(NONE)")
    };
    let everything = |name: &str, version: &str| {
        let (mut offered, mut suites) = ("ALL:COMPLEMENTOFALL:@SECLEVEL=0".to_owned(), Vec::new());
        while let Some(suite) = given(name, &[version, "-cipher", &offered]) {
            offered.push_str(&format!(":!{suite}"));
            suites.push(suite);
        }
        suites.sort_unstable();
        suites
    };
    for (name, kind) in [(ECDSA, "ECDSA"), (RSA, "RSA")] {
        let expected = ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"];
        assert_eq!(everything(name, "-tls1_2"), expected.map(|suite| format!("ECDHE-{kind}-{suite}")));
        for version in ["-tls1", "-tls1_1"] {
            assert_eq!(everything(name, version), [""; 0], "{version}");
        }
    }
    for (suite, good) in [
        ("TLS_AES_128_GCM_SHA256", true),
        ("TLS_AES_256_GCM_SHA384", true),
        ("TLS_CHACHA20_POLY1305_SHA256", true),
        ("TLS_AES_128_CCM_SHA256", false),
        ("TLS_AES_128_CCM_8_SHA256", false),
    ] {
        assert_eq!(given(RSA, &["-tls1_3", "-ciphersuites", suite]).is_some(), good, "{suite}");
    }
    for (curve, good) in
        [("X25519", true), ("P-256", true), ("P-384", true), ("P-521", false), ("X448", false)]
    {
        for version in ["-tls1_2", "-tls1_3"] {
            assert_eq!(given(RSA, &[version, "-curves", curve]).is_some(), good, "{curve} {version}");
        }
    }
}
