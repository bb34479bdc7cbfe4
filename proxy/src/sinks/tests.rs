use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::task::spawn_blocking;

use super::Sinks;
use crate::config::model::fixtures::{Authority, Wish, origination};
use crate::config::model::{
    Authorities, Config, Downstream, Host, Listener, LogDestination, LogMethod, LogQueue, LogRequest,
    LogSink, Matcher, NamesChecked, Origination, Route, RouteLogs, Service, SocketOptions, Verification,
};
use crate::telemetry::Telemetry;
use crate::tls::Contexts;

fn server() -> (TcpListener, SocketAddr) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    (server, address)
}

fn service(address: SocketAddr) -> Service {
    Service { host: Host::Ip(address.ip()), port: address.port() }
}

fn tcp(address: SocketAddr, tls: Option<Arc<Origination>>) -> LogDestination {
    LogDestination::Tcp { service: service(address), tls, keepalive: Duration::from_secs(60) }
}

fn http(address: SocketAddr) -> LogDestination {
    LogDestination::Http(Arc::new(LogRequest {
        method: LogMethod::Put,
        service: service(address),
        tls: None,
        path: "/in".into(),
        headers: vec![("X-Key".into(), "hush".into())],
        content_type: "application/json".into(),
        keepalive: Duration::from_secs(60),
    }))
}

fn sink(destination: LogDestination, queue: LogQueue) -> Arc<LogSink> {
    let name = "test".into();
    Arc::new(LogSink { name, destination, timeout: Duration::from_secs(5), queue })
}

fn config(sinks: &[&Arc<LogSink>]) -> Config {
    let mut route = Route::new(Matcher::Any, Downstream::Raw, Vec::new());
    let sinks = sinks.iter().map(|sink| Arc::clone(sink)).collect();
    route.logs = Arc::new(RouteLogs { sinks, ..RouteLogs::default() });
    let (bind, socket) = ("127.0.0.1:7000".parse().unwrap(), SocketOptions::default());
    Config {
        listeners: vec![Listener { bind, proxy_protocol: None, prelude: None, socket, routes: vec![route] }],
    }
}

fn serve(sinks: &Sinks, config: &Config) {
    let (contexts, errors) = Contexts::prepare(config, None);
    assert!(errors.is_empty(), "{errors:?}");
    sinks.serve(config, &contexts);
}

fn started(sink: &Arc<LogSink>) -> (Arc<Sinks>, Telemetry, Config) {
    let telemetry = Telemetry::default();
    let (sinks, config) = (Sinks::new(telemetry.clone()), config(&[sink]));
    serve(&sinks, &config);
    (sinks, telemetry, config)
}

fn counted(telemetry: &Telemetry, kind: &str, result: &str) -> u64 {
    let series = format!("sluice_log_sink_lines_total{{result=\"{result}\",sink=\"{kind}\"}} ");
    let text = telemetry.metrics();
    text.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
}

/// What comes on the next connection to a server.
async fn line(server: &TcpListener) -> String {
    let server = server.try_clone().unwrap();
    spawn_blocking(move || {
        let mut line = String::new();
        BufReader::new(server.accept().unwrap().0).read_line(&mut line).unwrap();
        line
    })
    .await
    .unwrap()
}

/// Reads a request from a connection, and accepts it.
fn accept(stream: &mut BufReader<TcpStream>) -> (String, Value) {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        stream.read_line(&mut head).unwrap();
    }
    let (_, length) = head.split_once("content-length: ").unwrap();
    let mut body = vec![0; length.lines().next().unwrap().parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    (head, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn what_a_queue_has_no_room_for_is_dropped_and_counted() {
    let (server, address) = server();
    let queue = LogQueue { entries: NonZeroUsize::new(2).unwrap(), ..LogQueue::default() };
    let sink = sink(tcp(address, None), queue);
    let (sinks, telemetry, _config) = started(&sink);
    // Its task has no turn in between: this runtime has one thread.
    for text in ["1", "2", "3", "4"] {
        sinks.take(&sink, &text.into());
    }
    assert_eq!(counted(&telemetry, "tcp", "dropped"), 2);
    let first = line(&server).await;
    assert_eq!(first, "1\n");
    sinks.flush(Duration::from_secs(5)).await;
    assert_eq!(counted(&telemetry, "tcp", "written"), 2);
    sinks.take(&sink, &"5".into());
    assert_eq!(counted(&telemetry, "tcp", "dropped"), 3, "none is taken after the end");
}

#[tokio::test]
async fn lines_that_nobody_takes_in_time_are_given_up() {
    let (gone, address) = server();
    drop(gone);
    let pause = Duration::from_millis(1);
    let queue = LogQueue { retry: 20 * pause, pauses: (pause, 2 * pause), ..LogQueue::default() };
    let sink = sink(tcp(address, None), queue);
    let (sinks, telemetry, _config) = started(&sink);
    sinks.take(&sink, &"1".into());
    sinks.flush(Duration::from_secs(5)).await;
    assert_eq!((counted(&telemetry, "tcp", "dropped"), counted(&telemetry, "tcp", "written")), (1, 0));
}

#[tokio::test]
async fn a_batch_over_http_is_an_array() {
    let (server, address) = server();
    let queue = LogQueue { batch: NonZeroUsize::new(2).unwrap(), ..LogQueue::default() };
    let sink = sink(http(address), LogQueue { delay: Duration::from_millis(1), ..queue });
    let (sinks, telemetry, _config) = started(&sink);
    for text in ["1", "2", "3"] {
        sinks.take(&sink, &text.into());
    }
    let requests = spawn_blocking(move || {
        let mut stream = BufReader::new(server.accept().unwrap().0);
        [accept(&mut stream), accept(&mut stream)]
    });
    let [(head, first), (_, second)] = requests.await.unwrap();
    assert!(head.starts_with("PUT /in HTTP/1.1\r\n") && head.contains("x-key: hush\r\n"), "{head}");
    assert_eq!((first, second), (serde_json::json!([1, 2]), serde_json::json!([3])));
    sinks.flush(Duration::from_secs(5)).await;
    assert_eq!(counted(&telemetry, "http", "written"), 3);
}

#[tokio::test]
async fn equal_sinks_are_one_and_outlive_their_declaration_while_a_connection_has_it() {
    let (server, address) = server();
    let queue = LogQueue::default();
    let (old, new) = (sink(tcp(address, None), queue.clone()), sink(tcp(address, None), queue));
    let (sinks, _telemetry, first) = started(&old);
    serve(&sinks, &config(&[&new]));
    assert_eq!(sinks.lock().len(), 1);
    // Reloaded away, but a connection of the first configuration is open.
    drop(first);
    sinks.sweep();
    sinks.take(&old, &"1".into());
    assert_eq!(line(&server).await, "1\n");
    drop((old, new));
    sinks.sweep();
    assert_eq!(sinks.lock().len(), 0);
}

#[tokio::test]
async fn tls_is_begun_and_its_peer_verified() {
    for trusted in [true, false] {
        let (server, address) = server();
        let (authority, other) = (Authority::new(), Authority::new());
        let identity = authority.identity(Wish::default());
        let provider = Arc::clone(crate::crypto::provider());
        let key = rustls::sign::SingleCertAndKey::from(identity.key);
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(key));
        let trust = if trusted { authority.trust() } else { other.trust() };
        let begun = origination(Verification::Chain {
            authorities: Authorities::Given(trust),
            names: NamesChecked::Any,
            depth: None,
        });
        let queue = LogQueue { retry: Duration::ZERO, ..LogQueue::default() };
        let sink = sink(tcp(address, Some(Arc::new(begun))), queue);
        let (sinks, telemetry, _config) = started(&sink);
        sinks.take(&sink, &"1".into());
        let heard = spawn_blocking(move || {
            let session = rustls::ServerConnection::new(Arc::new(config)).unwrap();
            let mut stream = rustls::StreamOwned::new(session, server.accept().unwrap().0);
            let mut heard = [0; 2];
            stream.read_exact(&mut heard).map(|()| heard).ok()
        });
        assert_eq!(heard.await.unwrap(), trusted.then_some(*b"1\n"));
        sinks.flush(Duration::from_secs(5)).await;
        let result = if trusted { "written" } else { "dropped" };
        assert_eq!(counted(&telemetry, "tcp", result), 1, "trusted: {trusted}");
    }
}

#[tokio::test]
async fn a_pipe_that_nobody_reads_is_no_thread_that_stands_still() {
    let folder = std::env::temp_dir().join(format!("sluice-sinks-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let queue = LogQueue { retry: Duration::ZERO, ..LogQueue::default() };
    let sink = sink(LogDestination::File { path, reopen: false }, queue);
    let (sinks, telemetry, _config) = started(&sink);
    sinks.take(&sink, &"1".into());
    sinks.flush(Duration::from_secs(5)).await;
    assert_eq!(counted(&telemetry, "file", "dropped"), 1);
    std::fs::remove_dir_all(folder).unwrap();
}
