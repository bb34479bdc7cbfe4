//! PEM in, proven material or a plain reason out.

use std::fs;

use data_encoding::BASE64;
use x509_parser::der_parser::der::parse_der;

use super::fixtures::{Authority, Pair, any, pair, pair_in, pair_of};
use super::*;
use crate::config::scratch::Scratch;

fn piece(name: &str, text: &str) -> Piece {
    Piece { name: name.to_owned(), bytes: text.as_bytes().to_vec() }
}

fn prove_pair(pair: &Pair) -> Result<crate::config::model::Identity, String> {
    identity("test".into(), &piece("chain", &pair.chain), &piece("key", &pair.key)).map_err(|e| e.to_string())
}

/// What PKCS#8 wraps: PKCS#1 of an RSA key, SEC1 of an ECDSA one.
fn unwrapped(pair: &Pair, label: &str) -> Pair {
    let lines: String = pair.key.lines().filter(|line| !line.starts_with('-')).collect();
    let der = BASE64.decode(lines.as_bytes()).unwrap();
    let (_, info) = parse_der(&der).unwrap();
    let inner = info.as_sequence().unwrap()[2].as_slice().unwrap().to_vec();
    let key = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64.encode(&inner));
    Pair { chain: pair.chain.clone(), key }
}

#[test]
fn every_kind_of_key_in_every_form_is_taken() {
    let rsa = pair_of("x", &rcgen::PKCS_RSA_SHA256);
    let p256 = pair_of("x", &rcgen::PKCS_ECDSA_P256_SHA256);
    let p384 = pair_of("x", &rcgen::PKCS_ECDSA_P384_SHA384);
    let ed25519 = pair_of("x", &rcgen::PKCS_ED25519);
    let with_parameters = Pair {
        key: format!(
            "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{}",
            unwrapped(&p256, "EC PRIVATE KEY").key
        ),
        ..p256.clone()
    };
    let cases = [
        ("RSA, PKCS#1", unwrapped(&rsa, "RSA PRIVATE KEY")),
        ("P-256, SEC1", unwrapped(&p256, "EC PRIVATE KEY")),
        ("P-384, SEC1", unwrapped(&p384, "EC PRIVATE KEY")),
        ("P-256, as openssl ecparam -genkey writes it", with_parameters),
        (
            "Windows' line ends",
            Pair { chain: p256.chain.replace('\n', "\r\n"), key: p256.key.replace('\n', "\r\n") },
        ),
        (
            "text around",
            Pair { chain: format!("subject=x\n{}\n# end", p256.chain), key: format!("Bag\n{}", p256.key) },
        ),
        ("both in one", Pair { chain: p256.key.clone() + &p256.chain, key: p256.chain.clone() + &p256.key }),
        ("RSA, PKCS#8", rsa),
        ("P-256, PKCS#8", p256),
        ("P-384, PKCS#8", p384),
        ("Ed25519, PKCS#8", ed25519),
    ];
    for (what, pair) in cases {
        assert_eq!(prove_pair(&pair).map(|_| ()), Ok(()), "{what}");
    }
}

#[test]
fn a_chain_ends_with_the_first_of_its_certificates() {
    let key = pair_in("leaf", (2020, 2030));
    let chain = key.chain.clone() + &pair_in("issuer", (2020, 2025)).chain;
    let identity = prove_pair(&Pair { chain, key: key.key }).unwrap();
    assert_eq!((identity.key.cert.len(), identity.expires), (2, 1_735_689_600), "2025-01-01");
}

#[test]
fn the_wrong_way_round_is_no_chain() {
    let (authority, leaf) = (Authority::new("ca"), any());
    let chain = authority.pem + &leaf.chain;
    let error = prove_pair(&Pair { chain, key: leaf.key.clone() }).unwrap_err();
    assert_eq!(
        error,
        "chain and key do not belong together; the first certificate must be the one of the private key"
    );
}

#[test]
fn no_prefix_of_a_pem_panics_or_shows_its_content() {
    let Pair { chain, key } = any();
    let secrets: Vec<_> = key.lines().filter(|line| line.len() > 20 && !line.starts_with('-')).collect();
    for end in 0..key.len() {
        let cut = Pair { chain: chain.clone(), key: key[..end].to_owned() };
        let Err(error) = prove_pair(&cut) else {
            // Its last dashes may be missing.
            assert!(end + 2 >= key.len());
            continue;
        };
        assert!(!secrets.iter().any(|line| error.contains(line)), "{error}");
    }
    for end in 0..chain.len() {
        let text = piece("x", &chain[..end]);
        let _ = (roots(&text), revocation_lists(&text));
    }
    for noise in ["-----BEGIN ", "-----BEGIN X", "-----BEGIN X-----", "\0\u{1}", "-----END PRIVATE KEY-----"]
    {
        assert!(prove_pair(&Pair { chain: noise.to_owned(), key: noise.to_owned() }).is_err());
    }
}

#[test]
fn authorities_and_lists_are_proven() {
    let (authority, other) = (Authority::new("a"), Authority::new("b"));
    let both = roots(&piece("ca", &format!("{}{}", authority.pem, other.pem))).unwrap();
    let revoked = revocation_lists(&piece("crl", &authority.revoke(7, 2100))).unwrap();
    assert_eq!((both.len(), revoked.len(), overdue(&revoked)), (2, 1, None));
    let trust = crate::config::model::Trust { source: "ca".into(), roots: both, revoked };
    assert!(prove(&trust).is_ok());

    let error = |result: Result<_, MaterialError>| result.map(|_: Vec<_>| ()).unwrap_err().to_string();
    let junk = |label: &str| format!("-----BEGIN {label}-----\nMAA=\n-----END {label}-----\n");
    let bad = format!("{}{}", authority.pem, junk("CERTIFICATE"));
    assert_eq!(error(roots(&piece("ca", &bad))), "ca holds a certificate that is no valid X.509 (number 2)");
    let expected = "crl holds a revocation list that is no valid X.509 CRL of version 2 (number 1)";
    assert_eq!(
        revocation_lists(&piece("crl", &junk("X509 CRL"))).map(|_| ()).unwrap_err().to_string(),
        expected
    );
}

#[test]
fn files_keep_what_was_last_good_in_them() {
    let scratch = Scratch::new();
    let (old, new) = (pair("old"), pair("new"));
    let (chain, key) = (scratch.write("tls.crt", &old.chain), scratch.write("tls.key", &old.key));
    let mut files = Files::default();
    let read = |files: &mut Files| {
        files.begin(1 << 20);
        let taken = files.identity(&chain, &key);
        assert_eq!(files.end(), [chain.clone(), key.clone()], "both matter, whatever is in them");
        taken.map(|taken| (taken.value.key.cert[0].clone(), taken.stale.map(|error| error.to_string())))
    };
    let der = |pair: &Pair| prove_pair(pair).unwrap().key.cert[0].clone();
    assert_eq!(read(&mut files).unwrap(), (der(&old), None));

    // A rotation writes one file after the other.
    fs::write(&chain, &new.chain).unwrap();
    let (certificate, stale) = read(&mut files).unwrap();
    assert_eq!(certificate, der(&old));
    assert!(
        stale
            .unwrap()
            .ends_with("do not belong together; the first certificate must be the one of the private key")
    );
    fs::write(&key, &new.key).unwrap();
    assert_eq!(read(&mut files).unwrap(), (der(&new), None));

    fs::remove_file(&key).unwrap();
    let (certificate, stale) = read(&mut files).unwrap();
    assert_eq!(certificate, der(&new));
    assert_eq!(
        stale.unwrap(),
        format!("{} cannot be read: No such file or directory (os error 2)", key.display())
    );

    files.begin(1 << 20);
    assert!(files.end().is_empty());
    assert!(read(&mut files).is_err(), "what nobody asked for is forgotten");
}

#[test]
fn files_are_bounded_and_not_waited_for() {
    let scratch = Scratch::new();
    let file = scratch.write("ca.crt", &any().chain);
    let mut files = Files::default();
    files.begin(100);
    let error = files.roots(&file).unwrap_err().to_string();
    assert!(error.contains("is larger than 100 bytes"), "{error}");
    files.begin(1 << 20);
    let fifo = scratch.path("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    let error = files.revocation_lists(&fifo).unwrap_err().to_string();
    assert_eq!(error, format!("{} cannot be read: not a file", fifo.display()));
    assert!(files.roots(&file).is_ok());
}
