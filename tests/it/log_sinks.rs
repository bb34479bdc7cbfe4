//! Accounts of connections for sinks of their routes (`sluice.dev/log-to`).

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::backend::Backend;
use crate::harness::client::{connect, read_all};
use crate::harness::tls::{begin, echoed, finish};
use crate::harness::{eventually, patience};
use crate::tls::{Site, material};

/// A collector of lines: each connection's number, and a line of it.
fn collector(address: &str) -> (TcpListener, Receiver<(usize, Value)>) {
    let listener = TcpListener::bind(address).unwrap();
    let incoming = listener.try_clone().unwrap();
    let (tell, told) = channel();
    thread::spawn(move || {
        for (number, stream) in incoming.incoming().map_while(Result::ok).enumerate() {
            let tell = tell.clone();
            thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    tell.send((number, serde_json::from_str(&line).unwrap())).unwrap();
                }
            });
        }
    });
    (listener, told)
}

/// A site that echoes, and tells this of its connections.
fn site(to: &str) -> (Site, Backend) {
    let site = Site::new();
    let backend = Backend::echo(&site.at(7001));
    let service = site.at(7001);
    let to = to.replace("HOST", &site.host);
    (site.annotated("pay", &format!("sluice.dev/log-to: '{to}'"), &service, ""), backend)
}

/// A connection that says this and hears it again.
fn echo(site: &Site, words: &[u8]) {
    let mut client = connect(&site.front());
    assert_eq!(echoed(&mut client, words), words);
    client.shutdown(Shutdown::Write).unwrap();
    read_all(&mut client);
}

fn received(line: &Value) -> u64 {
    line["session"]["received"].as_u64().unwrap()
}

#[test]
fn a_line_says_what_kongs_stream_log_says() {
    let (site, _backend) = site("tcp://HOST:7002");
    let (_collector, lines) = collector(&site.at(7002));
    let _sluice = site.start();
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    echo(&site, b"hello");
    let (_, line) = lines.recv_timeout(patience()).unwrap();
    for (pointer, expected) in [
        ("/session/received", 5.into()),
        ("/session/sent", 5.into()),
        ("/session/status", 200.into()),
        ("/session/server_port", 7000.into()),
        ("/upstream/received", 5.into()),
        ("/upstream/sent", 5.into()),
        ("/tries/0/ip", site.host.clone().into()),
        ("/tries/0/port", 7001.into()),
        ("/client_ip", "127.0.0.1".into()),
        ("/sluice/mapping", "TCPMapping default/pay".into()),
        ("/sluice/reason", "finished".into()),
    ] {
        assert_eq!(line.pointer(pointer), Some::<&Value>(&expected), "{pointer} of {line}");
    }
    let started = u128::from(line["started_at"].as_u64().unwrap());
    assert!((before.saturating_sub(1)..before + patience().as_millis()).contains(&started), "{line}");
    assert!(line["latencies"]["session"].is_u64() && line["latencies"]["kong"].is_u64(), "{line}");
    assert!(line["tries"][0]["balancer_start"].as_u64() >= line["started_at"].as_u64(), "{line}");
    assert!(line["tries"][0].get("state").is_none() && line["session"].get("tls").is_none(), "{line}");
}

#[test]
fn tls_and_what_went_wrong_are_told() {
    let (ca, leaf) = material();
    let site = Site::new();
    let (service, to) = (site.at(7001), format!("sluice.dev/log-to: 'tcp://{}'", site.at(7002)));
    let site = site.certificate("tls", &["pay.example.com"], &leaf, "").annotated(
        "pay",
        &to,
        &service,
        "  host: pay.example.com\n",
    );
    let (_collector, lines) = collector(&site.at(7002));
    let _sluice = site.start();
    let mut refused = begin(&site.front(), "pay.example.com", &ca.client(None).into());
    assert!(refused.write_all(b"?").and_then(|()| refused.read_exact(&mut [0])).is_err());
    let (_, line) = lines.recv_timeout(patience()).unwrap();
    assert_eq!(
        (&line["session"]["status"], &line["sluice"]["reason"]),
        (&502.into(), &"connect_failed".into())
    );
    assert_eq!(line["tries"][0]["state"], "failed", "{line}");

    let _backend = Backend::echo(&site.at(7001));
    let mut client = begin(&site.front(), "pay.example.com", &ca.client(None).into());
    assert_eq!(echoed(&mut client, b"hello"), b"hello");
    finish(&mut client);
    let (_, line) = lines.recv_timeout(patience()).unwrap();
    assert_eq!(line["session"]["tls"]["version"], "TLSv1.3", "{line}");
    assert_eq!(line["session"]["tls"]["client_verify"], "NONE", "{line}");
    assert_eq!(
        (&line["sluice"]["sni"], &line["session"]["received"]),
        (&"pay.example.com".into(), &5.into())
    );
}

#[test]
fn lines_share_a_connection_that_a_reload_keeps() {
    let (site, _backend) = site("tcp://HOST:7002");
    let (_collector, lines) = collector(&site.at(7002));
    let mut sluice = site.start();
    echo(&site, b"1");
    assert_eq!(lines.recv_timeout(patience()).unwrap().0, 0);
    sluice.reload(&(site.documents.clone() + "  idle_timeout_ms: 60000\n"));
    echo(&site, b"22");
    let (number, line) = lines.recv_timeout(patience()).unwrap();
    assert_eq!((number, received(&line)), (0, 2));
}

#[test]
fn a_collector_that_comes_back_gets_what_waited() {
    let (site, _backend) = site("tcp://HOST:7002");
    let mut sluice = site.start();
    for words in [&b"1"[..], b"22", b"333"] {
        echo(&site, words);
    }
    sluice.expect_log("the log sink takes no lines");
    let (_collector, lines) = collector(&site.at(7002));
    for expected in 1..=3 {
        assert_eq!(received(&lines.recv_timeout(patience()).unwrap().1), expected);
    }
    sluice.expect_log("the log sink takes lines again");
}

#[test]
fn a_collector_that_closes_loses_nothing() {
    let (site, _backend) = site("tcp://HOST:7002");
    let collector = TcpListener::bind(site.at(7002)).unwrap();
    let _sluice = site.start();
    for words in [&b"1"[..], b"22", b"333"] {
        echo(&site, words);
        let (stream, _) = collector.accept().unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(received(&line), words.len() as u64);
    }
}

#[test]
fn a_file_gets_lines_and_may_be_moved_away() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("log-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (path, old) = (folder.join("pay.log"), folder.join("pay.log.1"));
    fs::write(&path, "{\"before\":true}\n").unwrap();
    let (site, _backend) = site(&format!("file://{}", path.display()));
    let _sluice = site.start();
    let lines = |path: &PathBuf, count: usize| {
        eventually("lines", || {
            let text = fs::read_to_string(path).ok()?;
            let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            (lines.len() == count && text.ends_with('\n')).then_some(lines)
        })
    };
    echo(&site, b"1");
    assert_eq!(received(&lines(&path, 2)[1]), 1, "behind what was there");
    fs::rename(&path, &old).unwrap();
    echo(&site, b"22");
    assert_eq!(received(&lines(&path, 1)[0]), 2);
    assert_eq!(lines(&old, 2).len(), 2);
    fs::remove_dir_all(folder).unwrap();
}

/// Reads one request: its head, and its body.
fn request(stream: &mut BufReader<TcpStream>) -> (String, Value) {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).unwrap() > 0, "{head}");
    }
    let head = head.to_ascii_lowercase();
    let (_, rest) = head.split_once("content-length: ").unwrap();
    let mut body = vec![0; rest.lines().next().unwrap().parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    (head, serde_json::from_slice(&body).unwrap())
}

#[test]
fn http_is_asked_again_until_it_accepts() {
    let (site, _backend) = site("http://HOST:7002/in?pay=1");
    let server = TcpListener::bind(site.at(7002)).unwrap();
    let _sluice = site.start();
    echo(&site, b"hello");
    let mut stream = BufReader::new(server.accept().unwrap().0);
    for answer in ["503 Busy", "200 OK"] {
        let (head, line) = request(&mut stream);
        assert!(head.starts_with("post /in?pay=1 http/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("\r\nhost: {}\r\n", site.at(7002))), "{head}");
        assert!(head.contains("\r\ncontent-type: application/json\r\n"), "{head}");
        assert_eq!(received(&line), 5);
        write!(stream.get_mut(), "HTTP/1.1 {answer}\r\nContent-Length: 2\r\n\r\nno").unwrap();
    }
    // The next one goes over the same connection.
    echo(&site, b"1");
    assert_eq!(received(&request(&mut stream).1), 1);
}

#[test]
fn the_last_lines_are_written_before_the_end() {
    let (site, _backend) = site("tcp://HOST:7002");
    let mut sluice = site.start();
    let mut client = connect(&site.front());
    assert_eq!(echoed(&mut client, b"hello"), b"hello");
    // Nobody listens yet: what the drain ends has to wait.
    echo(&site, b"1");
    sluice.expect_log("the log sink takes no lines");
    sluice.signal(Signal::TERM);
    sluice.expect_log("draining");
    drop(client);
    let (_collector, lines) = collector(&site.at(7002));
    assert!(sluice.wait().success());
    let mut all: Vec<u64> = (0..2).map(|_| received(&lines.recv_timeout(patience()).unwrap().1)).collect();
    all.sort_unstable();
    assert_eq!(all, [1, 5]);
}

#[test]
fn metrics_count_what_was_taken_and_the_configuration_shows_where_to() {
    let (site, _backend) = site("tcp://HOST:7002, http://HOST:7003/hush");
    let (_collector, lines) = collector(&site.at(7002));
    let admin = site.at(7009);
    let _sluice = site.start_with(&["--admin", &admin]);
    echo(&site, b"hello");
    lines.recv_timeout(patience()).unwrap();
    let get = |target: &str| {
        let mut stream = connect(&admin);
        write!(stream, "GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        String::from_utf8(read_all(&mut stream)).unwrap()
    };
    // The collector has read the line before sluice counts it.
    eventually("a line counted", || {
        let counted = "sluice_log_sink_lines_total{result=\"written\",sink=\"tcp\"} 1\n";
        get("/metrics").contains(counted).then_some(())
    });
    let config = get("/config");
    assert!(config.contains(&format!("\"tcp://{}\"", site.at(7002))), "{config}");
    assert!(
        config.contains(&format!("\"http://{}\"", site.at(7003))) && !config.contains("hush"),
        "{config}"
    );
}

#[test]
fn a_sink_that_is_no_longer_wanted_is_let_go_of() {
    let (site, _backend) = site("tcp://HOST:7002");
    let collector = TcpListener::bind(site.at(7002)).unwrap();
    let mut sluice = site.start();
    echo(&site, b"hello");
    let mut stream = BufReader::new(collector.accept().unwrap().0);
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    sluice.reload(&site.documents.replace("sluice.dev/log-to", "other.dev/log-to"));
    stream.get_ref().set_read_timeout(Some(patience())).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "closed, with nothing more to say");
    echo(&site, b"1");
}
