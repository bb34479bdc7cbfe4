use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::server::{LIMITS, Limits, serve_within};
use super::{Handles, Phase, State, Wish};
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::load::Loaded;
use crate::config::model::{
    Balancing, Config, Downstream, Families, Host, Listener, Mapping, MappingName, Matcher, RelayChoice,
    Route, Service, SocketOptions, Weight,
};
use crate::config::settings::{Names, Settings};
use crate::conn::{ConnRecord, Tracker};
use crate::telemetry::Telemetry;
use crate::upstream::{Dialer, Directory, Resolver};

const PATIENCE: Duration = Duration::from_secs(10);

/// A running endpoint, seen from the app and from a client.
struct Endpoint {
    address: SocketAddr,
    handles: Handles,
    wishes: mpsc::Receiver<Wish>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Endpoint {
    async fn start() -> Self {
        Self::within(LIMITS).await
    }

    async fn within(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let telemetry = Telemetry::default();
        let (wish, wishes) = mpsc::channel(1);
        let resolver = Resolver::new(&Names::default());
        let dialer = Arc::new(Dialer::new(resolver, telemetry.clone()));
        let handles = Handles {
            tracker: Tracker::new(10, telemetry.clone()),
            telemetry,
            state: State::new(Settings::default()),
            directory: Arc::new(Directory::new(dialer)),
            wishes: wish,
        };
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve_within(limits, listener, handles.clone(), stop.clone()));
        Self { address, handles, wishes, stop, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpSocket::new_v4().unwrap().connect(self.address).await.unwrap()
    }

    async fn send(&self, request: &str) -> Reply {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut text)).await.unwrap().unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    async fn call(&self, method: &str, target: &str) -> Reply {
        self.send(&format!("{method} {target} HTTP/1.1\r\nhost: sluice\r\nconnection: close\r\n\r\n")).await
    }

    fn open(&self, mapping: &str) -> ConnRecord {
        let peer = "127.0.0.1:5000".parse().unwrap();
        let record = self.handles.tracker.open("127.0.0.1:80".parse().unwrap(), peer).unwrap();
        record.mapped(&format!("TCPMapping default/{mapping}").into(), &mapping.into());
        record
    }
}

fn loaded() -> Loaded {
    let settings = Settings::default();
    let mapping = Mapping {
        name: MappingName("TCPMapping default/pay".into()),
        stats_name: "pay".into(),
        weight: Weight(70),
        service: Service { host: Host::Name("backend".into()), port: 8080 },
        originate: None,
        proxy_protocol: None,
        prelude: None,
        families: Families { ipv4: true, ipv6: false },
        balancing: Balancing::default(),
        resolution: crate::config::model::Resolution::Dns,
        relay: RelayChoice::Splice,
        timeouts: settings.timeouts,
        limits: crate::config::model::Limits::default(),
    };
    let routes = vec![Route::new(Matcher::Any, Downstream::Raw, vec![mapping])];
    let bind = "127.0.0.1:80".parse().unwrap();
    let diagnostic = Diagnostic {
        severity: Severity::Error,
        file: "a.yaml".into(),
        document: 2,
        resource: "TCPMapping default/odd".into(),
        field: "spec.port".into(),
        message: "`seven` is no port".into(),
        discarded: true,
    };
    Loaded {
        statuses: Vec::new(),
        config: Config {
            listeners: vec![Listener {
                bind,
                proxy_protocol: None,
                prelude: None,
                socket: SocketOptions::default(),
                routes,
            }],
        },
        diagnostics: vec![diagnostic],
        files: vec!["a.yaml".into()],
        material: Vec::new(),
        resources: 2,
        inventory: Default::default(),
    }
}

#[tokio::test]
async fn readiness_follows_the_phases() {
    let endpoint = Endpoint::start().await;
    let state = &endpoint.handles.state;
    let ready = async || {
        let reply = endpoint.call("GET", "/readyz").await;
        (reply.status, reply.body)
    };
    assert_eq!(ready().await, (503, "starting\n".into()));
    state.serving(loaded());
    assert_eq!(ready().await, (200, "ready\n".into()));
    state.draining();
    assert_eq!(ready().await, (503, "draining\n".into()));
    state.serving(loaded());
    assert_eq!(ready().await, (503, "draining\n".into()), "a reload does not end a drain");
    assert_eq!(endpoint.call("GET", "/healthz").await.status, 200);
}

#[tokio::test]
async fn every_listed_path_is_there_and_no_other() {
    let endpoint = Endpoint::start().await;
    let list = endpoint.call("GET", "/").await;
    assert_eq!(list.status, 200);
    let listed: Vec<(&str, &str)> = list
        .body
        .lines()
        .filter_map(|line| {
            let (method, rest) = line.split_once(' ')?;
            Some((method, rest.trim_start().split([' ', '[', '?']).next()?))
        })
        .filter(|(_, path)| path.starts_with('/'))
        .collect();
    assert_eq!(listed.len(), 11, "{}", list.body);
    for (method, path) in listed {
        let (allow, wrong) =
            if method == "GET" { ("allow: get, head", "PUT") } else { ("allow: post", "GET") };
        assert_ne!(endpoint.call(method, path).await.status, 404, "{path}");
        let refused = endpoint.call(wrong, path).await;
        assert_eq!(refused.status, 405, "{path}");
        assert!(refused.head.contains(allow), "{}", refused.head);
        let refused = endpoint.call(method, &format!("{path}?colour=red")).await;
        assert_eq!(refused.status, 400, "{path}");
        assert!(refused.body.contains("`colour`"), "{}", refused.body);
    }
    let lost = endpoint.call("GET", "/metric").await;
    assert_eq!(lost.status, 404);
    assert!(lost.body.contains("/metric is not here") && lost.body.contains("/metrics "), "{}", lost.body);
    let head = endpoint.call("HEAD", "/metrics").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn metrics_are_those_of_telemetry() {
    let endpoint = Endpoint::start().await;
    let _open = endpoint.open("pay");
    let reply = endpoint.call("GET", "/metrics").await;
    assert!(reply.head.contains("content-type: text/plain; version=0.0.4"), "{}", reply.head);
    assert!(
        reply.body.contains("\nsluice_connections_active{listener=\"127.0.0.1:80\"} 1\n"),
        "{}",
        reply.body
    );
}

#[tokio::test]
async fn a_long_answer_holds_up_no_other() {
    let endpoint = Endpoint::start().await;
    let (begun, begin) = oneshot::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let hold = Mutex::new(Some((begun, released)));
    endpoint.handles.telemetry.connections(move || {
        if let Some((begun, released)) = hold.lock().unwrap().take() {
            begun.send(()).unwrap();
            let _ = released.recv_timeout(PATIENCE);
        }
        Vec::new()
    });
    // One thread runs this test, the endpoint and its clients: it would be the one that is held up.
    let other = async {
        begin.await.unwrap();
        let other = endpoint.call("GET", "/healthz").await;
        release.send(()).expect("the long answer came first");
        other
    };
    let (long, other) = tokio::join!(endpoint.call("GET", "/metrics"), other);
    assert_eq!((long.status, other.status), (200, 200));
}

#[tokio::test]
async fn connections_are_listed_filtered_and_cut_off() {
    let endpoint = Endpoint::start().await;
    let _open = [endpoint.open("pay"), endpoint.open("web"), endpoint.open("pay")];
    for (query, expected) in [
        ("", vec![1, 2, 3]),
        ("?limit=2", vec![1, 2]),
        ("?limit=0", vec![]),
        ("?mapping=pay", vec![1, 3]),
        ("?mapping=TCPMapping%20default/web", vec![2]),
        ("?mapping=TCPMapping+default%2Fpay&limit=1", vec![1]),
        ("?mapping=nobody", vec![]),
    ] {
        let reply = endpoint.call("GET", &format!("/connections{query}")).await;
        let list: Vec<Value> = serde_json::from_str(&reply.body).unwrap();
        let ids: Vec<_> = list.iter().map(|conn| conn["id"].as_u64().unwrap()).collect();
        assert_eq!(ids, expected, "{query}");
    }
    for (query, culprit) in [
        ("?limit=many", "`many`"),
        ("?limit=-1", "`-1`"),
        ("?mapping=%f", "`mapping=%f`"),
        ("?limit=1&limit=2", "`limit` stands there twice"),
    ] {
        let reply = endpoint.call("GET", &format!("/connections{query}")).await;
        assert_eq!(reply.status, 400, "{query}");
        assert!(reply.body.contains(culprit), "{}", reply.body);
    }
}

#[tokio::test]
async fn the_configuration_is_shown_as_served() {
    let endpoint = Endpoint::start().await;
    let config = async || {
        let reply = endpoint.call("GET", "/config").await;
        assert!(reply.head.contains("content-type: application/json"), "{}", reply.head);
        serde_json::from_str::<Value>(&reply.body).unwrap()
    };
    let before = config().await;
    assert_eq!((&before["phase"], &before["kernel_relay"]), (&"starting".into(), &"unavailable".into()));
    endpoint.handles.state.kernel_relay(true);
    let loaded = loaded();
    endpoint.handles.telemetry.listening(loaded.config.listeners[0].bind, 3);
    endpoint.handles.state.serving(loaded);
    let after = config().await;
    assert_eq!(after["listeners"][0]["sockets"], 3);
    assert_eq!((&after["phase"], &after["kernel_relay"]), (&"serving".into(), &"on".into()));
    let mapping = &after["listeners"][0]["routes"][0]["mappings"][0];
    assert_eq!(mapping["name"], "TCPMapping default/pay");
    assert_eq!((&mapping["weight"], &mapping["relay"]), (&70.into(), &"splice".into()));
    assert_eq!((&mapping["service"], &mapping["families"]["ipv6"]), (&"backend:8080".into(), &false.into()));
    assert_eq!(
        (&mapping["timeouts"]["connect_ms"], &mapping["timeouts"]["idle_ms"]),
        (&3000.into(), &Value::Null)
    );
    assert_eq!(after["diagnostics"][0]["field"], "spec.port");
    assert_eq!(after["settings"]["admin"], "127.0.0.1:9915");
    assert_eq!(after["settings"]["ambassador-namespace"], "default");
}

#[tokio::test]
async fn wishes_reach_the_app() {
    let mut endpoint = Endpoint::start().await;
    let no_kernel = endpoint.call("POST", "/relay?kernel=off").await;
    assert_eq!(no_kernel.status, 409, "{}", no_kernel.body);
    endpoint.handles.state.kernel_relay(true);
    for (target, wish) in [
        ("/relay?kernel=off", Wish::KernelRelay(false)),
        ("/relay?kernel=on", Wish::KernelRelay(true)),
        ("/drain", Wish::Drain),
    ] {
        assert_eq!(endpoint.call("POST", target).await.status, 202, "{target}");
        assert_eq!(endpoint.wishes.try_recv(), Ok(wish));
    }
    for (target, said) in [("/relay?kernel=maybe", "`maybe` is neither on nor off"), ("/relay", "?kernel=on")]
    {
        let refused = endpoint.call("POST", target).await;
        assert_eq!(refused.status, 400);
        assert!(refused.body.contains(said), "{}", refused.body);
    }
    endpoint.handles.state.draining();
    assert_eq!(endpoint.call("POST", "/drain").await.status, 409);
    assert!(endpoint.wishes.try_recv().is_err());
}

#[tokio::test]
async fn the_log_filter_is_checked_before_it_is_taken() {
    let endpoint = Endpoint::start().await;
    for (target, status, said) in [
        ("/log?filter=debgu", 400, "`debgu` is no level"),
        ("/log", 400, "filter is missing"),
        // Nothing logs in this test.
        ("/log?filter=info,sluice%3Dtrace", 409, "not running"),
    ] {
        let reply = endpoint.call("POST", target).await;
        assert_eq!(reply.status, status, "{}", reply.body);
        assert!(reply.body.contains(said), "{}", reply.body);
    }
}

#[tokio::test]
async fn pages_of_other_origins_may_not_post() {
    let mut endpoint = Endpoint::start().await;
    for (host, origin, status) in [
        ("127.0.0.1:9915", "http://evil.example", 403),
        ("127.0.0.1:9915", "null", 403),
        ("127.0.0.1:9915", "https://127.0.0.1:9915", 403),
        ("127.0.0.1:9915", "http://127.0.0.1:80", 403),
        // Its owner has the name resolve to loopback.
        ("evil.example:9915", "http://evil.example:9915", 403),
        ("127.0.0.1.evil.example:9915", "http://127.0.0.1.evil.example:9915", 403),
        ("localhost.evil.example", "http://localhost.evil.example", 403),
        ("127.0.0.1:9915", "http://127.0.0.1:9915", 202),
    ] {
        let head = format!("host: {host}\r\norigin: {origin}\r\nconnection: close");
        let reply = endpoint.send(&format!("POST /drain HTTP/1.1\r\n{head}\r\n\r\n")).await;
        assert_eq!(reply.status, status, "{origin} to {host}");
    }
    assert_eq!(endpoint.wishes.try_recv(), Ok(Wish::Drain));
    for host in ["localhost:9915", "[::1]:9915", "10.0.0.1"] {
        let head = format!("host: {host}\r\norigin: http://{host}\r\nconnection: close");
        let reply = endpoint.send(&format!("POST /drain HTTP/1.1\r\n{head}\r\n\r\n")).await;
        assert_eq!((reply.status, endpoint.wishes.try_recv()), (202, Ok(Wish::Drain)), "{host}");
    }
    assert!(endpoint.wishes.try_recv().is_err());
}

#[tokio::test]
async fn bodies_are_taken_in_moderation() {
    let endpoint = Endpoint::start().await;
    let post = |length: usize| {
        let body = "x".repeat(length);
        format!(
            "POST /drain HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
    assert_eq!(endpoint.send(&post(64 << 10)).await.status, 202);
    // Only announced: an answer that comes before the body has to suffice.
    let mut stream = endpoint.connect().await;
    let head = "POST /drain HTTP/1.1\r\nhost: a\r\ncontent-length: 70000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all("x".repeat(70_000).as_bytes()).await.unwrap();
    let mut start = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut start)).await.unwrap().unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
}

#[tokio::test]
async fn it_ends_promptly_and_lets_go_of_idle_clients() {
    let endpoint = Endpoint::start().await;
    let mut idle = endpoint.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut start = [0; 12];
    idle.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    endpoint.stop.cancel();
    timeout(PATIENCE, endpoint.task).await.unwrap().unwrap();
    let mut rest = Vec::new();
    timeout(PATIENCE, idle.read_to_end(&mut rest)).await.unwrap().unwrap();
}

#[tokio::test]
async fn clients_over_the_limit_wait_for_a_place() {
    let endpoint = Endpoint::within(Limits { connections: 2, request: PATIENCE, ..LIMITS }).await;
    let mut silent = vec![endpoint.connect().await, endpoint.connect().await];
    let late = endpoint.call("GET", "/healthz");
    tokio::pin!(late);
    assert!(timeout(Duration::from_millis(200), &mut late).await.is_err(), "no place is free");
    silent.pop();
    assert_eq!(late.await.status, 200);
}

#[tokio::test]
async fn clients_that_dawdle_lose_their_place() {
    let request = Duration::from_millis(50);
    let endpoint = Endpoint::within(Limits { connections: 1, request, life: PATIENCE, ..LIMITS }).await;
    for (sent, received) in [
        ("", None),
        ("GET /healthz HTTP/1.1\r\nhos", None),
        ("POST /drain HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nfi", Some("408")),
    ] {
        let mut stream = endpoint.connect().await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        assert_eq!(endpoint.call("GET", "/healthz").await.status, 200, "the place is free again");
        let mut answer = Vec::new();
        let ended = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "{sent:?} keeps its connection");
        let answer = String::from_utf8_lossy(&answer);
        assert_eq!(answer.split(' ').nth(1), received, "{sent:?}: {answer}");
    }
    assert_eq!(endpoint.handles.state.phase(), Phase::Starting);
}

#[tokio::test]
async fn connections_end_at_their_age() {
    let endpoint =
        Endpoint::within(Limits { life: Duration::from_millis(50), request: PATIENCE, ..LIMITS }).await;
    let mut stream = endpoint.connect().await;
    timeout(PATIENCE / 2, stream.read_to_end(&mut Vec::new())).await.unwrap().unwrap();
}
