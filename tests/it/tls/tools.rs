//! OpenSSL and curl as clients.

use std::io::{Read, Write};

use super::{Site, material};
use crate::harness::backend::Backend;
use crate::harness::program::{file, run};

#[test]
fn openssl_speaks_with_us_in_every_version_and_resumes() {
    let (ca, leaf) = material();
    let site = Site::new().certificate("pay", &["pay.example.com"], &leaf, "");
    let answering = Backend::serve(&site.at(7001), |mut stream| {
        let mut words = [0; 64];
        let n = stream.read(&mut words).unwrap();
        stream.write_all(&words[..n]).unwrap();
    });
    let site = site.mapping("a", &answering.address.to_string(), "  host: pay.example.com\n");
    let mut sluice = site.start();
    let (front, authority) = (site.front(), file("ca", &ca.pem));
    let common = ["s_client", "-connect", &front, "-servername", "pay.example.com", "-CAfile", &authority];
    for (version, word) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let session = file(&format!("session{version}"), "");
        for (direction, resumed) in [("-sess_out", false), ("-sess_in", true)] {
            // Waits for the answer and its end, so that tickets have come by then.
            let words =
                [&common[..], &[version, "-verify_return_error", "-ign_eof", direction, &session]].concat();
            let said = run("openssl", &words, b"hello\n");
            assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
            assert!(said.contains("hello\n"), "{said}");
            let record = sluice.closed();
            assert_eq!(
                (&record["tls_version"], &record["reason"]),
                (&word.into(), &"finished".into()),
                "{record}"
            );
            assert_eq!(record["tls_resumed"], resumed, "{said}");
        }
    }
    let words = [&common[..], &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]].concat();
    let said = run("openssl", &words, b"");
    assert!(said.contains("SSL alert number"), "{said}");
    assert_eq!(sluice.closed()["reason"], "handshake_failed");
    let words = ["s_client", "-connect", &front, "-servername", "other.example.com"];
    let said = run("openssl", &words, b"");
    assert!(said.contains("unrecognized name"), "{said}");
}

#[test]
fn curl_downloads_through_us() {
    let (ca, leaf) = material();
    let site = Site::new().certificate("pay", &["pay.example.com"], &leaf, "");
    let body = "0123456789".repeat(100_000);
    let answer =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    let backend = Backend::serve(&site.at(7001), move |mut stream| {
        let mut request = [0; 4096];
        let n = stream.read(&mut request).unwrap();
        assert!(request[..n].starts_with(b"GET /"));
        stream.write_all(answer.as_bytes()).unwrap();
    });
    let site = site.mapping("a", &backend.address.to_string(), "  host: pay.example.com\n");
    let mut sluice = site.start();
    let resolve = format!("pay.example.com:7000:{}", site.host);
    let authority = file("ca", &ca.pem);
    let words = ["-sS", "--resolve", &resolve, "--cacert", &authority, "https://pay.example.com:7000/"];
    let said = run("curl", &words, b"");
    assert!(said == body, "{} bytes", said.len());
    let record = sluice.closed();
    assert_eq!(record["reason"], "finished", "{record}");
}
