//! TLS towards upstreams: names, certificates on either side, and who is believed (K34 to K42).

use std::io::Read;

use serde_json::{Value, json};

use super::{Site, certificate, document, start};
use crate::harness::client::connect;
use crate::harness::sluice::Sluice;
use crate::harness::tls::{Ca, backend, greeting, hello};

/// A service of TLS with these fields, in front of port 7001.
fn document_of(host: &str, fields: Value, more: Value) -> String {
    let mut service = json!({
        "name": "pay", "protocol": "tls", "host": host, "port": 7001,
        "routes": [{"protocols": ["tcp"], "destinations": [{"port": 9000}]}],
    });
    service.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let mut entities = json!({"services": [service]});
    entities.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    document("3.0", entities)
}

fn serve(site: &Site, host: &str, fields: Value, more: Value) -> Sluice {
    start(&document_of(host, fields, more), &site.at(9000), &["--hosts-file", &hosts(site)])
}

/// `pay.test` is where the upstream is.
fn hosts(site: &Site) -> String {
    crate::harness::program::file("hosts", &format!("{} pay.test other.test\n", site.host))
}

/// What the upstream says: its name, the name it was asked for, and whether it knows the client.
fn said(site: &Site) -> String {
    greeting(&mut connect(&site.at(9000)))
}

/// The upstream is not let through to.
fn expect_refused(site: &Site, sluice: &mut Sluice) {
    let mut bytes = Vec::new();
    let _ = connect(&site.at(9000)).read_to_end(&mut bytes);
    assert_eq!(bytes, b"");
    let record = sluice.closed();
    assert_eq!(record["side"], "upstream", "{record}");
}

/// K34: an address is never asked for, a name is.
#[test]
fn the_host_is_asked_for_unless_it_is_an_address() {
    let leaf = Ca::new().leaf(&["pay.test"]);
    let site = Site::new();
    let _backend = backend(&site.at(7001), "tls", leaf.server());
    let mut sluice = serve(&site, &site.host, json!({}), json!({}));
    assert_eq!(said(&site), "tls - unknown");
    sluice.reload(&document_of("pay.test", json!({}), json!({})));
    assert_eq!(said(&site), "tls pay.test unknown");
}

/// K35: with `preserve_host` the client's name goes on.
#[test]
fn preserve_host_asks_for_what_the_client_asked_for() {
    let ca = Ca::new();
    let leaf = ca.leaf(&["client.test", "pay.test"]);
    let site = Site::new();
    let _backend = backend(&site.at(7001), "tls", leaf.server());
    let entities = |preserve: bool| {
        document(
            "3.0",
            json!({
                "services": [{
                    "name": "pay", "protocol": "tls", "host": "pay.test", "port": 7001,
                    "routes": [{"protocols": ["tls"], "snis": ["client.test"], "preserve_host": preserve}],
                }],
                "certificates": [certificate("c", &leaf, &["client.test"])],
            }),
        )
    };
    let listen = format!("{} ssl", site.at(9000));
    let mut sluice = start(&entities(true), &listen, &["--hosts-file", &hosts(&site)]);
    let config = std::sync::Arc::new(ca.client(None));
    let asked = || greeting(&mut hello(&site.at(9000), "client.test", &config).unwrap());
    assert_eq!(asked(), "tls client.test unknown");
    sluice.reload(&entities(false));
    assert_eq!(asked(), "tls pay.test unknown");
}

/// K37, K38: an upstream that asks for a certificate gets that of the service, as long as it has one.
#[test]
fn the_services_certificate_is_shown_while_it_has_one() {
    let ca = Ca::new();
    let (leaf, [own, other]) = (ca.leaf(&["pay.test"]), [ca.leaf(&["me.test"]), ca.leaf(&["me.test"])]);
    let site = Site::new();
    let _backend = backend(&site.at(7001), "tls", ca.server_asking(&leaf));
    let with = |fields: Value| {
        let certificates =
            json!({"certificates": [certificate("own", &own, &[]), certificate("other", &other, &[])]});
        document_of("pay.test", fields, certificates)
    };
    let mut sluice = start(&with(json!({})), &site.at(9000), &["--hosts-file", &hosts(&site)]);
    let mut bytes = Vec::new();
    let _ = connect(&site.at(9000)).read_to_end(&mut bytes);
    assert_eq!(bytes, b"");
    for id in ["own", "other"] {
        sluice.reload(&with(json!({"client_certificate": id})));
        assert_eq!(said(&site), "tls pay.test known");
    }
    sluice.reload(&with(json!({"client_certificate": {"id": "own"}, "retries": 1})));
    assert_eq!(said(&site), "tls pay.test known");
}

/// K40, K42.
#[test]
fn upstreams_are_verified_where_that_is_wanted() {
    let (ca, other) = (Ca::new(), Ca::new());
    let leaf = ca.leaf(&["pay.test"]);
    let site = Site::new();
    let _backend = backend(&site.at(7001), "tls", leaf.server());
    let authorities =
        json!({"ca_certificates": [{"id": "right", "cert": ca.pem}, {"id": "wrong", "cert": other.pem}]});
    let with = |host: &str, fields: Value| document_of(host, fields, authorities.clone());
    let on = |id: &str| json!({"tls_verify": true, "ca_certificates": [id]});
    let mut sluice = start(&with("pay.test", json!({})), &site.at(9000), &["--hosts-file", &hosts(&site)]);
    assert_eq!(said(&site), "tls pay.test unknown");
    sluice.closed();
    // The system's authorities do not know it.
    sluice.reload(&with("pay.test", json!({"tls_verify": true})));
    expect_refused(&site, &mut sluice);
    sluice.reload(&with("pay.test", on("right")));
    assert_eq!(said(&site), "tls pay.test unknown");
    sluice.closed();
    sluice.reload(&with("pay.test", on("wrong")));
    expect_refused(&site, &mut sluice);
    // The name is looked for as well.
    sluice.reload(&with("other.test", on("right")));
    expect_refused(&site, &mut sluice);
    drop(sluice);

    let flags = ["--hosts-file", &hosts(&site), "--kong-proxy-ssl-verify", "true"];
    let mut sluice = start(&with("pay.test", json!({"ca_certificates": ["wrong"]})), &site.at(9000), &flags);
    expect_refused(&site, &mut sluice);
    sluice.reload(&with("pay.test", json!({"tls_verify": false})));
    assert_eq!(said(&site), "tls pay.test unknown");
}

/// `lua_ssl_trusted_certificate` vouches for services that name nobody.
#[test]
fn kongs_own_authorities_vouch_for_services_that_name_none() {
    let ca = Ca::new();
    let leaf = ca.leaf(&["pay.test"]);
    let site = Site::new();
    let _backend = backend(&site.at(7001), "tls", leaf.server());
    let authority = crate::harness::program::file("ca.pem", &ca.pem);
    let flags = ["--hosts-file", &hosts(&site), "--kong-lua-ssl-trusted-certificate", &authority];
    let _sluice =
        start(&document_of("pay.test", json!({"tls_verify": true}), json!({})), &site.at(9000), &flags);
    assert_eq!(said(&site), "tls pay.test unknown");
}

/// K41: an intermediate is one certificate too many for a depth of 0.
#[test]
fn a_chain_may_be_no_longer_than_its_depth() {
    let ca = Ca::new();
    let leaf = ca.intermediate().leaf(&["pay.test"]);
    let site = Site::new();
    let _backend = backend(&site.at(7001), "tls", leaf.server());
    let authorities = json!({"ca_certificates": [{"id": "right", "cert": ca.pem}]});
    let with = |depth: u8| {
        let fields = json!({"tls_verify": true, "ca_certificates": ["right"], "tls_verify_depth": depth});
        document_of("pay.test", fields, authorities.clone())
    };
    let mut sluice = start(&with(0), &site.at(9000), &["--hosts-file", &hosts(&site)]);
    expect_refused(&site, &mut sluice);
    sluice.reload(&with(1));
    assert_eq!(said(&site), "tls pay.test unknown");
}
