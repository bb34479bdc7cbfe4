//! Certificates change while connections come and go.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::{Site, material};
use crate::harness::backend::Backend;
use crate::harness::sluice::Sluice;
use crate::harness::tls::{Leaf, echoed, finish, hello};

fn site_with(host: &str, leaf: &Leaf, service: &str, more: &str) -> String {
    let mut site = Site::new();
    host.clone_into(&mut site.host);
    site.certificate("pay", &["pay.example.com"], leaf, "")
        .mapping("a", service, "  host: pay.example.com\n")
        .with(more)
        .documents
}

#[test]
fn no_handshake_is_lost_while_certificates_are_renewed() {
    let (ca, leaf) = material();
    let (site, echo, mut sluice) = served(&leaf);
    let service = echo.address.to_string();
    let (stop, front) = (Arc::new(AtomicBool::new(false)), site.front());
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (config, stop, front) = (Arc::new(ca.client(None)), Arc::clone(&stop), front.clone());
            thread::spawn(move || {
                let mut done = 0;
                while !stop.load(Ordering::Relaxed) {
                    let mut client = hello(&front, "pay.example.com", &config).unwrap();
                    assert_eq!(echoed(&mut client, b"hello"), b"hello");
                    done += 1;
                }
                done
            })
        })
        .collect();
    let mut newest = leaf;
    for _ in 0..10 {
        newest = ca.leaf(&["pay.example.com"]);
        sluice.reload(&site_with(&site.host, &newest, &service, ""));
    }
    stop.store(true, Ordering::Relaxed);
    let done: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
    assert!(done > 10, "{done}");
    let client = hello(&front, "pay.example.com", &Arc::new(ca.client(None))).unwrap();
    let shown = client.conn.peer_certificates().unwrap()[0].clone();
    assert_eq!(
        shown,
        CertificateDer::from_pem_slice(newest.chain.as_bytes()).unwrap(),
        "the newest is in service"
    );
}

/// An echo behind sluice, with a certificate.
fn served(leaf: &Leaf) -> (Site, Backend, Sluice) {
    let mut site = Site::new();
    let echo = Backend::echo(&site.at(7001));
    site.documents = site_with(&site.host, leaf, &echo.address.to_string(), "");
    let sluice = site.start();
    (site, echo, sluice)
}

#[test]
fn sessions_outlive_a_reload_that_leaves_them_alone() {
    let (ca, leaf) = material();
    let (site, echo, mut sluice) = served(&leaf);
    let service = echo.address.to_string();
    let config = Arc::new(ca.client(None));
    let resumed = |sluice: &mut Sluice| {
        let mut client = hello(&site.front(), "pay.example.com", &config).unwrap();
        assert_eq!(echoed(&mut client, b"hello"), b"hello");
        finish(&mut client);
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        sluice.closed()["tls_resumed"].as_bool().unwrap()
    };
    assert_eq!((resumed(&mut sluice), resumed(&mut sluice)), (false, true));
    let more = format!(
        "---\napiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\nmetadata: {{name: b}}\n\
         spec: {{address: {}, port: 7007, service: \"{service}\"}}\n",
        site.host
    );
    sluice.reload(&site_with(&site.host, &leaf, &service, &more));
    assert!(resumed(&mut sluice), "the ticket key is the same");
    sluice.reload(&site_with(&site.host, &ca.leaf(&["pay.example.com"]), &service, ""));
    assert!(!resumed(&mut sluice), "another certificate, another key");
}
