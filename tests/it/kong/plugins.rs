//! Plugins with effect on connections (K51, K52).

use std::io::{BufRead, BufReader, Read};
use std::sync::Mutex;
use std::sync::mpsc::channel;

use serde_json::{Value, json};

use super::{Site, answer, document, service, start, tcp};
use crate::harness::backend::Backend;
use crate::harness::client::connect;

/// K52: who is denied hears nothing, and costs no upstream connection.
#[test]
fn ip_restriction_lets_in_whom_it_allows() {
    let site = Site::new();
    let one = Backend::named(&site.at(7001), "one");
    let with = |config: Value| {
        let routes = json!([{
            "protocols": ["tcp"], "destinations": [{"port": 9000}],
            "plugins": [{"name": "ip-restriction", "config": config}],
        }]);
        document("3.0", json!({"services": [service("one", &tcp(one.address), routes)]}))
    };
    let mut sluice = start(&with(json!({"allow": ["127.0.0.0/8"]})), &site.at(9000), &[]);
    assert_eq!(answer(&site.at(9000)), "one");
    sluice.closed();
    // Denied comes before allowed.
    for config in [
        json!({"deny": ["127.0.0.0/8"]}),
        json!({"allow": ["127.0.0.0/8"], "deny": ["127.0.0.0/8"]}),
        json!({"allow": ["10.0.0.0/8"]}),
    ] {
        sluice.reload(&with(config));
        let mut bytes = Vec::new();
        let _ = connect(&site.at(9000)).read_to_end(&mut bytes);
        assert_eq!(bytes, b"");
        assert_eq!(sluice.closed()["reason"], "denied");
    }
    assert_eq!(one.accepted(), 1);
}

/// K51: one JSON object a line, with Kong's words.
#[test]
fn tcp_log_tells_of_connections() {
    let site = Site::new();
    let one = Backend::named(&site.at(7001), "one");
    let (tell, lines) = channel();
    let tell = Mutex::new(tell);
    let log = Backend::serve(&site.at(7002), move |stream| {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let _ = tell.lock().unwrap().send(line);
        }
    });
    let routes = json!([{
        "name": "r", "protocols": ["tcp"], "destinations": [{"port": 9000}],
        "plugins": [{"name": "tcp-log", "protocols": ["tcp"], "config": {"host": site.host, "port": log.address.port(), "queue": {"max_coalescing_delay": 0}}}],
    }]);
    let text = document("3.0", json!({"services": [service("one", &tcp(one.address), routes)]}));
    let _sluice = start(&text, &site.at(9000), &[]);
    assert_eq!(answer(&site.at(9000)), "one");
    let line = lines.recv_timeout(crate::harness::PATIENCE).unwrap();
    let account: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&account["route"]["name"], &account["service"]["name"]),
        (&"r".into(), &"one".into()),
        "{line}"
    );
    assert_eq!(account["session"]["sent"], 3, "{line}");
    assert_eq!(account["upstream"]["received"], 3, "{line}");
}
