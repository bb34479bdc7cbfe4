//! Clients that have to show a certificate.

use std::io::{Read, Write};
use std::sync::Arc;

use super::{Site, material};
use crate::harness::backend::Backend;
use crate::harness::tls::{Ca, echoed, finish, hello, secret};

#[test]
fn only_a_client_with_a_good_certificate_is_served() {
    let (ca, leaf) = material();
    let site = Site::new().with(&secret("ca", &[("ca.crt", &ca.pem)])).certificate(
        "pay",
        &["pay.example.com"],
        &leaf,
        "  ca_secret: ca\n  cert_required: true\n",
    );
    let echo = Backend::echo(&site.at(7001));
    let site = site.mapping("a", &echo.address.to_string(), "  host: pay.example.com\n");
    let mut sluice = site.start();

    let mut client =
        hello(&site.front(), "pay.example.com", &Arc::new(ca.client(Some(&ca.leaf(&["alice"]))))).unwrap();
    assert_eq!(echoed(&mut client, b"hello"), b"hello");
    finish(&mut client);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    let record = sluice.closed();
    assert_eq!((&record["reason"], &record["client_subject"]), (&"finished".into(), &"CN=alice".into()));

    let stranger = Ca::new().leaf(&["mallory"]);
    for (identity, alert) in [(None, "CertificateRequired"), (Some(&stranger), "UnknownCA")] {
        // A client of TLS 1.3 learns it after its own handshake is done.
        let mut client = hello(&site.front(), "pay.example.com", &Arc::new(ca.client(identity))).unwrap();
        let _ = client.write_all(b"hello");
        let told = client.read(&mut [0]).unwrap_err().to_string();
        assert!(told.contains(alert), "{told}");
        drop(client);
        let record = sluice.closed();
        assert_eq!(
            (&record["reason"], &record["side"]),
            (&"client_certificate".into(), &"downstream".into())
        );
    }
    assert_eq!(echo.accepted(), 1, "who is refused costs no upstream connection");
}
