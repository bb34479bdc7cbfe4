use std::net::SocketAddr;
use std::path::PathBuf;

use super::system::System;
use super::*;

/// A file with this text, gone with the value.
struct File(PathBuf);

impl File {
    fn new(text: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("sluice-dns-{}-{}", std::process::id(), fastrand::u64(..)));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn system(resolv_conf: &str, hosts: &str) -> System {
    let (resolv_conf, hosts) = (File::new(resolv_conf), File::new(hosts));
    System::read(&Names { servers: Vec::new(), resolv_conf: resolv_conf.0.clone(), hosts: hosts.0.clone() })
}

const BOTH: Families = Families { ipv4: true, ipv6: true };
const IPV4: Families = Families { ipv4: true, ipv6: false };

#[test]
fn the_search_list_and_ndots_say_what_is_asked_for() {
    let kubernetes =
        "search shop.svc.cluster.local svc.cluster.local\nnameserver 10.0.0.10\noptions ndots:5\n";
    let cases: [(&str, &str, &[&str]); 9] = [
        (kubernetes, "pay", &["pay.shop.svc.cluster.local.", "pay.svc.cluster.local.", "pay."]),
        (
            kubernetes,
            "pay.shop",
            &["pay.shop.shop.svc.cluster.local.", "pay.shop.svc.cluster.local.", "pay.shop."],
        ),
        (
            kubernetes,
            "a.b.c.d.e.f",
            &["a.b.c.d.e.f.", "a.b.c.d.e.f.shop.svc.cluster.local.", "a.b.c.d.e.f.svc.cluster.local."],
        ),
        (kubernetes, "pay.example.com.", &["pay.example.com."]),
        (
            kubernetes,
            "localhost",
            &["localhost.", "localhost.shop.svc.cluster.local.", "localhost.svc.cluster.local."],
        ),
        ("domain example.com\nnameserver 10.0.0.1\n", "db", &["db.example.com.", "db."]),
        ("domain example.com\nnameserver 10.0.0.1\n", "db.eu", &["db.eu.", "db.eu.example.com."]),
        ("search a.test\nsearch b.test\n", "my_db-1", &["my_db-1.b.test.", "my_db-1."]),
        ("search a.test\noptions ndots:0\n", "db", &["db.", "db.a.test."]),
    ];
    for (resolv_conf, name, expected) in cases {
        let candidates = system(resolv_conf, "").candidates(name).unwrap();
        let candidates: Vec<String> = candidates.iter().map(ToString::to_string).collect();
        assert_eq!(candidates, expected, "{name} with {resolv_conf:?}");
    }
}

#[test]
fn hosts_comes_before_dns_where_it_has_a_family_that_is_wanted() {
    let hosts = "# ours\n10.0.0.1 db DB.shop # and more\n10.0.0.2 db\nfd00::1 db six\nbroken line\n";
    let system = system("", hosts);
    let found = |name, families| {
        system.in_hosts(name, families).map(|answers| {
            let addresses = |answer: &Answer| match answer {
                Answer::Addresses { addresses, .. } => {
                    addresses.iter().map(ToString::to_string).collect::<Vec<_>>()
                }
                _ => Vec::new(),
            };
            [addresses(&answers.ipv4), addresses(&answers.ipv6)].concat().join(" ")
        })
    };
    let cases = [
        ("db", BOTH, Some("10.0.0.1 10.0.0.2 fd00::1")),
        ("db", IPV4, Some("10.0.0.1 10.0.0.2")),
        ("db.", BOTH, Some("10.0.0.1 10.0.0.2 fd00::1")),
        ("db.shop", BOTH, Some("10.0.0.1")),
        ("six", IPV4, None),
        ("other", BOTH, None),
    ];
    for (name, families, expected) in cases {
        assert_eq!(found(name, families).as_deref(), expected, "{name} {families:?}");
    }
}

#[tokio::test]
async fn what_no_server_can_be_asked_for_is_a_failure() {
    let nowhere: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let settings = Names { servers: vec![nowhere], resolv_conf: "/nowhere".into(), hosts: "/nowhere".into() };
    let long = format!("{}.{}", "a".repeat(63), "b".repeat(64));
    let answers = Dns::new(settings).ask(&long, IPV4, &|_| {}).await;
    assert!(answers.any_failure() && answers.ipv6 == Answer::Unasked, "{answers:?}");
}
