//! Where sluice listens for Kong's files, and which service a plain connection meets.

use std::io::{Read, Write};

use serde_json::json;

use super::{Site, answer, document, expect_nothing, service, start, tcp};
use crate::command::{file, sluice_with};
use crate::harness::backend::Backend;
use crate::harness::client::connect;

/// K20.
#[test]
fn without_stream_listen_the_check_names_the_setting() {
    let routes = json!([{"protocols": ["tcp"], "destinations": [{"port": 9000}]}]);
    let text = document("3.0", json!({"services": [service("pay", "tcp://127.0.0.1:1", routes)]}));
    let path = file(&text);
    let ended = sluice_with(&["check", &path], &[("KONG_STREAM_LISTEN", "")], "");
    assert_eq!(ended.code, Some(64), "{ended:?}");
    assert!(ended.stdout.contains("KONG_STREAM_LISTEN=\"0.0.0.0:9000\""), "{ended:?}");
    let ended = sluice_with(&["check", &path], &[("KONG_STREAM_LISTEN", "127.0.0.1:9000 reuseport")], "");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("service pay"), "{ended:?}");
}

/// K21, K22, K24, K25.
#[test]
fn each_port_has_its_service_and_who_has_none_is_refused() {
    let site = Site::new();
    let [one, two] = [Backend::named(&site.at(7001), "one"), Backend::named(&site.at(7002), "two")];
    let ports: Vec<_> = (9000..9006).map(|port| json!({"port": port})).collect();
    let entities = json!({"services": [
        service("one", &tcp(one.address), json!([{"protocols": ["tcp"], "destinations": [{"port": 19000}]}])),
        service("two", &tcp(two.address), json!([{"protocols": ["tcp"], "destinations": ports}])),
    ]});
    let listen = [19000, 9000, 9005, 17000].map(|port| site.at(port)).join(", ");
    let mut sluice = start(&document("2.1", entities), &listen, &[]);
    assert_eq!(answer(&site.at(19000)), "one");
    let record = sluice.closed();
    assert_eq!(
        (&record["mapping"], &record["reason"]),
        (&"service one".into(), &"finished".into()),
        "{record}"
    );
    for port in [9000, 9005] {
        assert_eq!(answer(&site.at(port)), "two");
    }
    expect_nothing(&site.at(17000));
}

/// K23: destinations mean the port that clients know.
#[test]
fn port_maps_turn_our_ports_into_the_clients() {
    let site = Site::new();
    let one = Backend::named(&site.at(7001), "one");
    let routes = json!([{"protocols": ["tcp"], "destinations": [{"port": 19000}]}]);
    let text = document("3.0", json!({"services": [service("one", &tcp(one.address), routes)]}));
    let flags = ["--kong-port-maps", "19000:18000"];
    let _sluice = start(&text, &site.at(18000), &flags);
    assert_eq!(answer(&site.at(18000)), "one");
}

/// The order of Kong's router, over sources and destinations that only a connection has.
#[test]
fn ends_of_connections_choose_among_services_of_a_port() {
    let site = Site::new();
    let [all, near] = [Backend::named(&site.at(7001), "all"), Backend::named(&site.at(7002), "near")];
    let entities = json!({"services": [
        service("all", &tcp(all.address), json!([{"protocols": ["tcp"], "destinations": [{"port": 9000}]}])),
        service("near", &tcp(near.address), json!([
            {"protocols": ["tcp"], "sources": [{"ip": "127.0.0.0/8"}], "destinations": [{"ip": site.host}]},
        ])),
    ]});
    let _sluice = start(&document("3.0", entities), "0.0.0.0:9000", &["--kong-router-flavor", "traditional"]);
    // Both ends ask for more than one does.
    assert_eq!(answer(&site.at(9000)), "near");
    assert_eq!(answer("127.0.0.1:9000"), "all");
}

/// K50: a file that changes is taken up.
#[test]
fn a_new_route_works_without_a_restart() {
    let site = Site::new();
    let one = Backend::named(&site.at(7001), "one");
    let with = |routes| document("3.0", json!({"services": [service("one", &tcp(one.address), routes)]}));
    let route = |port: u16| json!({"protocols": ["tcp"], "destinations": [{"port": port}]});
    let listen = [site.at(9010), site.at(9011)].join(", ");
    let mut sluice = start(&with(json!([route(9010)])), &listen, &[]);
    expect_nothing(&site.at(9011));
    sluice.reload(&with(json!([route(9010), route(9011)])));
    assert_eq!(answer(&site.at(9011)), "one");
}

/// The client's address comes from whom `trusted_ips` names, and plugins go by it.
#[test]
fn proxy_headers_of_those_who_are_trusted_tell_the_client() {
    let site = Site::new();
    let one = Backend::named(&site.at(7001), "one");
    let entities = json!({
        "services": [service("one", &tcp(one.address), json!([{"protocols": ["tcp"], "destinations": [{"port": 9000}]}]))],
        "plugins": [{"name": "ip-restriction", "config": {"allow": ["192.0.2.0/24"]}}],
    });
    let listen = format!("{} proxy_protocol", site.at(9000));
    let said = |client: &str| {
        let mut stream = connect(&site.at(9000));
        write!(stream, "PROXY TCP4 {client} 10.0.0.1 1000 2000\r\n").unwrap();
        let mut said = String::new();
        let _ = stream.read_to_string(&mut said);
        said
    };
    let text = document("3.0", entities);
    let sluice = start(&text, &listen, &["--kong-trusted-ips", "127.0.0.0/8"]);
    assert_eq!(["192.0.2.7", "198.51.100.7"].map(said), ["one", ""]);
    drop(sluice);
    // As with nginx the others' headers are taken, too, and nobody is the client that they tell of.
    let strangers = text.replace("192.0.2.0/24", "127.0.0.0/8");
    for flags in [&["--kong-trusted-ips", "10.0.0.0/8"][..], &[]] {
        let mut sluice = start(&text, &listen, flags);
        assert_eq!(said("192.0.2.7"), "");
        assert_eq!(sluice.closed()["reason"], "denied");
        sluice.reload(&strangers);
        assert_eq!(said("192.0.2.7"), "one");
    }
    assert_eq!(one.accepted(), 3);
}

/// kong.conf, and decK's variables.
#[test]
fn kong_conf_and_variables_of_deck_are_read() {
    let site = Site::new();
    let _one = Backend::named(&site.at(7001), "one");
    let text = "_format_version: '3.0'\nservices:\n- name: one\n  protocol: tcp\n  host: ${{ env \"DECK_HOST\" }}\n  port: 7001\n  \
         routes: [{protocols: [tcp], destinations: [{port: 9000}]}]\n";
    let conf = file(&format!("# Kong\nstream_listen = {} reuseport backlog=64   # here\n", site.at(9000)));
    let path = file(text);
    let ended = sluice_with(&["check", &path, "--kong-conf", &conf], &[("DECK_HOST", &site.host)], "");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains(&site.at(7001)) && ended.stdout.contains(&site.at(9000)), "{ended:?}");
    let ended = sluice_with(&["check", &path, "--kong-conf", &conf], &[], "");
    assert!(ended.stdout.contains("DECK_HOST is not set"), "{ended:?}");
}

/// Files of both systems in one directory; an address that both ask for is the first file's.
#[test]
fn kongs_files_stand_beside_ambassadors() {
    let site = Site::new();
    let [one, two] = [Backend::named(&site.at(7001), "one"), Backend::named(&site.at(7002), "two")];
    let mapping = |name: &str, port: u16| {
        format!(
            "---\napiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\nmetadata: {{name: {name}}}\n\
             spec: {{address: {}, port: {port}, service: \"{}\"}}\n",
            site.host, one.address
        )
    };
    let routes = json!([{"protocols": ["tcp"], "sources": [{"ip": "127.0.0.0/8"}]}]);
    let kong = document("3.0", json!({"services": [service("two", &tcp(two.address), routes)]}));
    let text = format!("{}{}---\n{kong}\n", mapping("a", 9000), mapping("b", 9001));
    let listen = [site.at(9001), site.at(9002)].join(", ");
    let mut sluice = start(&text, &listen, &[]);
    assert_eq!([9000, 9001, 9002].map(|port| answer(&site.at(port))), ["one", "one", "two"]);
    sluice.closed();
    let words = sluice.last_words();
    assert!(words.contains("service two"), "{words}");
    let ended = sluice_with(&["check", &file(&text), "--kong-stream-listen", &listen], &[], "");
    assert_eq!(ended.code, Some(64), "{ended:?}");
    let said = format!("{} is already TCPMapping default/b's", site.at(9001));
    assert!(ended.stdout.contains(&said) && ended.stdout.contains("stream_listen"), "{ended:?}");
}
