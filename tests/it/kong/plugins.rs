//! Plugins with effect on connections (K51, K52).

use std::io::{BufRead, BufReader, Read};
use std::sync::Mutex;
use std::sync::mpsc::channel;

use serde_json::{Value, json};

use super::{Site, answer, document, service, start, tcp};
use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::program::file;

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
    let line = lines.recv_timeout(crate::harness::patience()).unwrap();
    let account: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&account["route"]["name"], &account["service"]["name"]),
        (&"r".into(), &"one".into()),
        "{line}"
    );
    assert_eq!(account["session"]["sent"], 3, "{line}");
    assert_eq!(account["upstream"]["received"], 3, "{line}");
}

/// The same lines, to a file and over HTTP; the narrowest scope of each plugin counts.
#[test]
fn file_log_and_http_log_tell_of_connections() {
    let site = Site::new();
    let one = Backend::named(&site.at(7001), "one");
    let (tell, bodies) = channel();
    let tell = Mutex::new(tell);
    let _http = Backend::serve(&site.at(7002), move |mut stream| {
        let mut request = BufReader::new(stream.try_clone().unwrap());
        let (mut head, mut length) = (String::new(), 0);
        while request.read_line(&mut head).is_ok_and(|read| read > 2) {
            let last = head.lines().next_back().unwrap_or_default().to_ascii_lowercase();
            length = last.strip_prefix("content-length: ").map_or(length, |digits| digits.parse().unwrap());
        }
        let mut body = vec![0; length];
        request.read_exact(&mut body).unwrap();
        let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        let _ = tell.lock().unwrap().send((head, body));
    });
    let path = file("accounts", "");
    let of_file = |path: &str| json!({"name": "file-log", "protocols": ["tcp"], "config": {"path": path}});
    let of_http = json!({
        "name": "http-log", "protocols": ["tcp"],
        "config": {
            "http_endpoint": format!("http://{}/in?x=1", site.at(7002)), "headers": {"X-Key": "abc"},
            "queue": {"max_coalescing_delay": 0},
        },
    });
    let mut pay = service(
        "one",
        &tcp(one.address),
        json!([{"name": "r", "protocols": ["tcp"], "destinations": [{"port": 9000}]}]),
    );
    pay["plugins"] = json!([of_file(&path)]);
    let text = document("3.0", json!({"services": [pay], "plugins": [of_file("/nowhere/x.log"), of_http]}));
    let _sluice = start(&text, &site.at(9000), &[]);
    assert_eq!(answer(&site.at(9000)), "one");
    let (head, body) = bodies.recv_timeout(crate::harness::patience()).unwrap();
    assert!(
        head.starts_with("POST /in?x=1 HTTP/1.1") && head.to_ascii_lowercase().contains("x-key: abc"),
        "{head}"
    );
    let account: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(account["service"]["name"], "one", "{account}");
    let line = crate::harness::eventually("a line in the file", || {
        Some(std::fs::read_to_string(&path).unwrap()).filter(|text| text.ends_with('\n'))
    });
    let account: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(account["route"]["name"], "r", "{account}");
}
