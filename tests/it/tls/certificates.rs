//! Where certificates come from, and of which kind they may be.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, SignatureAlgorithm,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

use super::{Site, context, material};
use crate::harness::backend::Backend;
use crate::harness::eventually;
use crate::harness::program::{file, run};
use crate::harness::sluice::Sluice;
use crate::harness::tls::{Ca, Client, Leaf, backend, echoed, finish, greeting, hello, secret};

/// Every kind of key that README names, each behind a name of its own on one port, for clients that know no other.
#[test]
fn keys_of_every_kind_are_shown() {
    let kinds: [(&str, &'static SignatureAlgorithm, &str); 4] = [
        ("rsa", &PKCS_RSA_SHA256, "rsa_pss_rsae_sha256"),
        ("p256", &PKCS_ECDSA_P256_SHA256, "ecdsa_secp256r1_sha256"),
        ("p384", &PKCS_ECDSA_P384_SHA384, "ecdsa_secp384r1_sha384"),
        ("ed25519", &PKCS_ED25519, "ed25519"),
    ];
    let ca = Ca::new();
    let mut site = Site::new();
    let echo = Backend::echo(&site.at(7001));
    for (name, kind, _) in kinds {
        let host = format!("{name}.example.com");
        site = site.certificate(name, &[&host], &ca.leaf_of(kind, &[&host]), "").mapping(
            name,
            &echo.address.to_string(),
            &format!("  host: {host}\n"),
        );
    }
    let mut sluice = site.start();
    let (front, authority) = (site.front(), file("ca", &ca.pem));
    for (name, _, _) in kinds {
        for (_, _, scheme) in kinds {
            let host = format!("{name}.example.com");
            for version in ["-tls1_2", "-tls1_3"] {
                let common = ["s_client", "-connect", &front, "-servername", &host, "-CAfile", &authority];
                // The authority's own signature is of the second kind.
                let words = [version, "-verify_return_error", "-sigalgs", scheme];
                let said = run("openssl", &[&common[..], &words].concat(), b"");
                let fits = kinds.iter().any(|(kind, _, own)| *kind == name && *own == scheme);
                let served = said.contains("Verification: OK") && !said.contains("no peer certificate");
                assert_eq!(served, fits, "{host} {scheme} {version}: {said}");
                let reason = sluice.closed()["reason"].clone();
                assert_eq!(reason == "handshake_failed", !fits, "{host} {scheme} {version}: {reason}");
            }
        }
    }
}

fn host(name: &str, labels: &str, secret: &str) -> String {
    format!(
        "---\napiVersion: getambassador.io/v3alpha1\nkind: Host\nmetadata: {{name: {name}, labels: {{{labels}}}}}\n\
         spec:\n  hostname: pay.example.com\n  tlsSecret: {{name: {secret}}}\n"
    )
}

/// The certificate that a client is shown.
fn shown(site: &Site, port: u16, ca: &Ca) -> Option<CertificateDer<'static>> {
    let client = hello(&site.at(port), "pay.example.com", &Arc::new(ca.client(None))).ok()?;
    Some(client.conn.peer_certificates()?[0].clone())
}

fn der(leaf: &Leaf) -> Option<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(leaf.chain.as_bytes()).ok()
}

#[test]
fn a_listener_takes_certificates_of_the_hosts_it_binds() {
    let ca = Ca::new();
    let (blue, green) = (ca.leaf(&["pay.example.com"]), ca.leaf(&["pay.example.com"]));
    let site = Site::new();
    let echo = Backend::echo(&site.at(7010));
    let mut documents = [
        blue.secret("blue"),
        green.secret("green"),
        host("blue", "team: blue", "blue"),
        host("green", "team: green", "green"),
    ]
    .concat();
    for (port, team) in [(7001, "green"), (7002, "blue"), (7003, "red")] {
        documents.push_str(&format!(
            "---\napiVersion: getambassador.io/v3alpha1\nkind: Listener\nmetadata: {{name: l{port}}}\n\
             spec:\n  port: {port}\n  protocol: TLS\n  securityModel: SECURE\n\
             \x20 hostBinding: {{selector: {{matchLabels: {{team: {team}}}}}}}\n\
             ---\napiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\nmetadata: {{name: m{port}}}\n\
             spec: {{port: {port}, host: pay.example.com, service: \"{}\"}}\n",
            echo.address
        ));
    }
    let site = site.with(&documents);
    // A Listener is where mappings without an address are.
    let mut sluice = site.start_with(&["--bind-address", &site.host]);
    assert_eq!(shown(&site, 7001, &ca), der(&green));
    assert_eq!(shown(&site, 7002, &ca), der(&blue));
    // Nobody's certificate: the mapping is not served, least of all in the clear.
    assert!(crate::harness::client::try_connect(&site.at(7003)).is_err());
    for _ in 0..2 {
        sluice.closed();
    }
}

/// Whether a client with this certificate is served.
fn served(site: &Site, sluice: &mut Sluice, ca: &Ca, leaf: &Leaf) -> bool {
    let config = Arc::new(ca.client(Some(leaf)));
    let mut client = hello(&site.front(), "pay.example.com", &config).unwrap();
    let answer = client.write_all(b"hello").and_then(|()| client.read_exact(&mut [0; 5]));
    match answer {
        Ok(()) => {
            finish(&mut client);
            assert_eq!(sluice.closed()["reason"], "finished");
            true
        }
        Err(told) => {
            assert!(told.to_string().contains("CertificateRevoked"), "{told}");
            assert_eq!(sluice.closed()["reason"], "client_certificate");
            false
        }
    }
}

#[test]
fn a_client_whose_certificate_is_revoked_is_refused() {
    let (ca, leaf) = material();
    let (good, bad) = (ca.leaf_numbered(7, &["good"]), ca.leaf_numbered(8, &["bad"]));
    let list = Path::new(&file("crl", &ca.revoking(&[8]))).to_owned();
    let asking = "  ca_secret: ca\n  cert_required: true\n";
    for revoked in [format!("  crl_file: {}\n", list.display()), "  crl_secret: crl\n".to_owned()] {
        let site = Site::new()
            .with(&secret("ca", &[("ca.crt", &ca.pem)]))
            .with(&secret("crl", &[("crl.pem", &ca.revoking(&[8]))]))
            .certificate("pay", &["pay.example.com"], &leaf, &format!("{asking}{revoked}"));
        let echo = Backend::echo(&site.at(7001));
        let site = site.mapping("a", &echo.address.to_string(), "  host: pay.example.com\n");
        let mut sluice = site.start();
        assert!(served(&site, &mut sluice, &ca, &good), "{revoked}");
        assert!(!served(&site, &mut sluice, &ca, &bad), "{revoked}");
        if revoked.contains("crl_file") {
            // A list that is renewed is taken up like a certificate.
            replace(&list, &ca.revoking(&[7, 8]));
            sluice.expect_log("reloaded");
            assert!(!served(&site, &mut sluice, &ca, &good), "{revoked}");
        }
    }
}

#[test]
fn an_upstream_whose_certificate_is_revoked_is_refused() {
    let ca = Ca::new();
    for (serial, expected) in [(7, "finished"), (8, "upstream_certificate")] {
        let site = Site::new();
        let _backend = backend(&site.at(7001), "tls", ca.leaf_numbered(serial, &["any"]).server());
        let service = site.at(7001);
        let site = site
            .with(&secret("ca", &[("ca.crt", &ca.pem)]))
            .with(&secret("crl", &[("crl.pem", &ca.revoking(&[8]))]))
            .with(&context("up", "  ca_secret: ca\n  crl_secret: crl\n"))
            .mapping("a", &service, "  tls: up\n");
        let mut sluice = site.start();
        let mut client = crate::harness::client::connect(&site.front());
        let _ = client.shutdown(std::net::Shutdown::Write);
        let _ = client.read_to_end(&mut Vec::new());
        assert_eq!(sluice.closed()["reason"], expected);
    }
}

#[test]
fn a_dot_in_a_secrets_name_is_one_where_it_is_said_so() {
    let ca = Ca::new();
    let (dotted, far) = (ca.leaf(&["pay.example.com"]), ca.leaf(&["pay.example.com"]));
    let module = |namespacing: bool| {
        format!(
            "---\napiVersion: getambassador.io/v3alpha1\nkind: Module\nmetadata: {{name: ambassador}}\n\
             spec: {{config: {{defaults: {{tls_secret_namespacing: {namespacing}}}}}}}\n"
        )
    };
    let far_secret = far.secret("pay").replace("{name: pay}", "{name: pay, namespace: team}");
    for (default, own, expected) in [
        (String::new(), "", &far),
        (String::new(), "  secret_namespacing: true\n", &far),
        (String::new(), "  secret_namespacing: false\n", &dotted),
        (module(false), "", &dotted),
        (module(false), "  secret_namespacing: true\n", &far),
    ] {
        let site = Site::new();
        let echo = Backend::echo(&site.at(7001));
        let spec = format!("  hosts: [pay.example.com]\n  secret: pay.team\n{own}");
        let site = site
            .with(&default)
            .with(&dotted.secret("pay.team"))
            .with(&far_secret)
            .with(&context("pay", &spec))
            .mapping("a", &echo.address.to_string(), "  host: pay.example.com\n");
        let _sluice = site.start();
        assert_eq!(shown(&site, 7000, &ca), der(expected), "{default}{own}");
    }
}

fn replace(path: &Path, text: &str) {
    let next = path.with_extension("next");
    fs::write(&next, text).unwrap();
    fs::rename(next, path).unwrap();
}

const SPIFFE: &str = "spiffe://cluster.local/ns/default/sa/orders";

/// The certificate of a mesh as a volume shows it: `..data` leads to a folder that is swapped as a whole.
fn mount(folder: &Path, version: &str, ca: &Ca, leaf: &Leaf) {
    let inside = folder.join(format!("..{version}"));
    fs::create_dir_all(&inside).unwrap();
    for (name, text) in [("cert-chain.pem", &leaf.chain), ("key.pem", &leaf.key), ("root-cert.pem", &ca.pem)]
    {
        fs::write(inside.join(name), text).unwrap();
        if version == "1" {
            std::os::unix::fs::symlink(format!("..data/{name}"), folder.join(name)).unwrap();
        }
    }
    let next = folder.join("..next");
    std::os::unix::fs::symlink(format!("..{version}"), &next).unwrap();
    fs::rename(next, folder.join("..data")).unwrap();
}

/// Files as they were left by Istio, or by a helper that renames each.
fn write(folder: &Path, ca: &Ca, leaf: &Leaf) {
    for (name, text) in [("cert-chain.pem", &leaf.chain), ("key.pem", &leaf.key), ("root-cert.pem", &ca.pem)]
    {
        replace(&folder.join(name), text);
    }
}

/// The documented example, as it stands but for its paths and addresses.
#[test]
fn mounted_files_are_renewed_as_meshes_do_it() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples/tls/mounted-files.yaml");
    let example = fs::read_to_string(example).unwrap();
    let ca = Ca::new();
    let names = ["orders.example.com", SPIFFE];
    for swapped in [true, false] {
        let folder =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("mesh-{}-{swapped}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let put = |version: &str, leaf: &Leaf| match swapped {
            true => mount(&folder, version, &ca, leaf),
            false => write(&folder, &ca, leaf),
        };
        let first = ca.leaf(&names);
        put("1", &first);
        let site = Site::new();
        let _backend = backend(&site.at(7361), "orders", ca.server_asking(&ca.leaf(&["orders", SPIFFE])));
        let text = example
            .replace("/etc/istio-certs", folder.to_str().unwrap())
            .replace("port: 7360", &format!("address: {}\n  port: 7360", site.host))
            .replace("127.0.0.1:7361", &site.at(7361));
        let site = site.with(&text);
        let mut sluice = site.start();
        let config = Arc::new(ca.client(Some(&ca.leaf(&["client"]))));
        let meet = || hello(&site.at(7360), "orders.example.com", &config).unwrap();
        let certificate = |client: &Client| client.conn.peer_certificates().unwrap()[0].clone();

        let mut old = meet();
        assert_eq!(greeting(&mut old), "orders - known");
        assert_eq!(Some(certificate(&old)), der(&first));
        for version in ["2", "3"] {
            let newer = ca.leaf(&names);
            put(version, &newer);
            // Half-way, a chain and a key that do not belong together wait for each other.
            eventually("the renewed certificate in service", || {
                let mut client = meet();
                assert_eq!(greeting(&mut client), "orders - known", "both sides go on meanwhile");
                (Some(certificate(&client)) == der(&newer)).then_some(())
            });
        }
        assert_eq!(echoed(&mut old, b"hello"), b"hello", "who was there before stays");
        finish(&mut old);
        let finished = std::iter::from_fn(|| Some(sluice.closed()))
            .find(|record: &Value| record["reason"] == "finished");
        assert!(finished.is_some());
        drop(sluice);
        fs::remove_dir_all(folder).unwrap();
    }
}
