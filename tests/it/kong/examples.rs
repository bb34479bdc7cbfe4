//! config/examples/kong: each file is in order, and does what it says.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Site, answer};
use crate::command::sluice_with;
use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::program::file;
use crate::harness::sluice::Builder;
use crate::harness::tls::{Ca, backend, echoed, greeting, hello};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples/kong")
}

#[test]
fn every_example_is_in_order() {
    let leaf = Ca::new().leaf(&["pay.example.com"]);
    let variables = [("DECK_PAY_CERT", leaf.chain.as_str()), ("DECK_PAY_KEY", &leaf.key)];
    let conf = folder().join("kong.conf");
    let mut count = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let words = ["check", path.to_str().unwrap(), "--kong-conf", conf.to_str().unwrap()];
            let ended = sluice_with(&words, &variables, "");
            assert_eq!(ended.code, Some(0), "{}: {ended:?}", path.display());
            assert!(ended.stdout.ends_with("0 errors, 0 warnings\n"), "{}: {ended:?}", path.display());
            count += 1;
        }
    }
    assert!(count >= 4);
}

/// A file of the examples, in which an address became this site's.
fn at(site: &Site, name: &str) -> String {
    let text = std::fs::read_to_string(folder().join(name)).unwrap();
    text.replace(if name == "kong.conf" { "0.0.0.0" } else { "127.0.0.1" }, &site.host)
}

#[test]
fn connections_of_the_services_go_where_they_say() {
    let site = Site::new();
    let _backends = [Backend::named(&site.at(7001), "postgres"), Backend::named(&site.at(7002), "redis")];
    let conf = file("kong.conf", &at(&site, "kong.conf"));
    let _sluice = Builder::new(&at(&site, "services.yaml")).flags(&["--kong-conf", &conf]).start();
    assert_eq!(answer(&site.at(5432)), "postgres");
    assert_eq!(answer(&site.at(6379)), "redis");
}

#[test]
fn a_file_of_kong_1_serves_both_kinds_of_clients_on_its_port() {
    let site = Site::new();
    let ca = Ca::new();
    let leaf = ca.leaf(&["tcpbin.test"]);
    let _echo = Backend::echo(&site.at(7001));
    let conf = file("kong.conf", &at(&site, "kong.conf"));
    let (cert, key) = (file("cert", &leaf.chain), file("key", &leaf.key));
    let flags = ["--kong-conf", &conf, "--kong-ssl-cert", &cert, "--kong-ssl-cert-key", &key];
    let _sluice = Builder::new(&at(&site, "version-1.yaml")).flags(&flags).start();
    assert_eq!(echoed(&mut connect(&site.at(5555)), b"hello"), b"hello");
    let mut client = hello(&site.at(5555), "tcpbin.test", &Arc::new(ca.client(None))).unwrap();
    assert_eq!(echoed(&mut client, b"hello"), b"hello");
}

#[test]
fn names_of_one_port_end_tls_or_pass_it_through() {
    let (site, ca) = (Site::new(), Ca::new());
    let leaf = ca.leaf(&["pay.example.com"]);
    let _pay = Backend::echo(&site.at(7001));
    let _legacy = backend(&site.at(7002), "legacy", ca.leaf(&["a.legacy.example.com"]).server());
    let conf = file("kong.conf", &at(&site, "kong.conf"));
    // Variables of a test's own process are nobody's to set while others run.
    let pem =
        |text: &str| format!("|\n{}", text.lines().map(|line| format!("    {line}\n")).collect::<String>());
    let text = at(&site, "tls.yaml")
        .replace("${{ env \"DECK_PAY_CERT\" }}", &pem(&leaf.chain))
        .replace("${{ env \"DECK_PAY_KEY\" }}", &pem(&leaf.key));
    let _sluice = Builder::new(&text).flags(&["--kong-conf", &conf]).start();
    let config = Arc::new(ca.client(None));
    let mut pay = hello(&site.at(8443), "pay.example.com", &config).unwrap();
    assert_eq!(echoed(&mut pay, b"hello"), b"hello");
    let mut legacy = hello(&site.at(8443), "a.legacy.example.com", &config).unwrap();
    assert_eq!(greeting(&mut legacy), "legacy a.legacy.example.com unknown");
}

#[test]
fn a_replica_that_is_gone_leaves_the_other_all() {
    let site = Site::new();
    let _light = Backend::named(&site.at(7002), "light");
    let conf = file("kong.conf", &at(&site, "kong.conf"));
    let _sluice = Builder::new(&at(&site, "upstreams.yaml")).flags(&["--kong-conf", &conf]).start();
    for _ in 0..5 {
        assert_eq!(answer(&site.at(5432)), "light");
    }
}
