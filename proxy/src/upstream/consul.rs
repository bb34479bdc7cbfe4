//! Consul's health API, with blocking queries (developer.hashicorp.com/consul/api-docs/features/blocking).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderMap};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::endpoint::Endpoint;
use crate::config::model::Catalogue;

/// Tells which version of the catalogue an answer is.
const INDEX: &str = "x-consul-index";
/// Far more than a service of thousands of instances takes.
const LARGEST: usize = 64 << 20;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How long the agent is asked to wait for a change. It adds up to a sixteenth of that.
    pub(super) wait: Duration,
    /// For everything besides that wait.
    pub(super) patience: Duration,
}

/// A change is told at once; the wait only bounds how long a connection that died goes unnoticed.
pub(super) const PACE: Pace = Pace { wait: Duration::from_secs(60), patience: Duration::from_secs(5) };

/// Why the catalogue has not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConsulError {
    /// Nobody is there.
    #[error("{0} cannot be reached: {1}")]
    Connect(SocketAddr, std::io::Error),
    /// It does not speak HTTP, or stopped in the middle.
    #[error("HTTP: {0}")]
    Http(#[from] hyper::Error),
    /// The name of the service or datacenter does not fit into a URL.
    #[error("request: {0}")]
    Request(#[from] hyper::http::Error),
    /// It answered that it cannot.
    #[error("{0}: {1}")]
    Status(StatusCode, String),
    /// The answer is longer than any catalogue, or broke off.
    #[error("answer: {0}")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer is not what the API documents.
    #[error("answer: {0}")]
    Shape(#[from] serde_json::Error),
    /// It took too long.
    #[error("no answer in time")]
    Timeout,
}

/// The instances of a service, at a version.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Instances {
    /// Those that pass every check.
    pub(super) endpoints: Vec<Endpoint>,
    /// What to wait for a change from; 0 asks for what is there at once.
    pub(super) index: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    node: Node,
    service: Instance,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    #[serde(default)]
    address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Instance {
    #[serde(default)]
    address: String,
    /// 0 where it has none.
    #[serde(default)]
    port: u16,
    weights: Option<Weights>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Weights {
    passing: u32,
}

/// Asks an agent for the passing instances of a service, once they are others than at `index`.
pub(super) async fn ask(
    agent: SocketAddr,
    catalogue: &Catalogue,
    index: u64,
    pace: Pace,
) -> Result<Instances, ConsulError> {
    // A first question is answered at once.
    let waits = if index == 0 { Duration::ZERO } else { pace.wait + pace.wait / 16 };
    let asked = timeout(pace.patience + waits, exchange(agent, catalogue, index, pace.wait)).await;
    let (headers, body) = asked.map_err(|_elapsed| ConsulError::Timeout)??;
    let entries: Vec<Entry> = serde_json::from_slice(&body)?;
    let now: u64 = headers.get(INDEX).and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0);
    // Going backwards, it was restored or restarted: what is there now is what counts.
    let index = if now < index { 0 } else { now };
    let mut endpoints: Vec<_> = entries.iter().filter_map(|entry| endpoint(entry, catalogue)).collect();
    endpoints.sort_by_key(|endpoint| endpoint.address);
    endpoints.dedup_by_key(|endpoint| endpoint.address);
    Ok(Instances { endpoints, index })
}

#[expect(clippy::disallowed_methods, reason = "no upstream: a question with a deadline of its own")]
async fn exchange(
    agent: SocketAddr,
    Catalogue { agent: named, datacenter, service }: &Catalogue,
    index: u64,
    wait: Duration,
) -> Result<(HeaderMap, Bytes), ConsulError> {
    let stream = TcpStream::connect(agent).await.map_err(|error| ConsulError::Connect(agent, error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the sender, and what fails in it fails the request.
    let _connection = AbortOnDrop(tokio::spawn(connection));
    let mut uri = format!("/v1/health/service/{}?passing=1&dc={}", encoded(service), encoded(datacenter));
    if index > 0 {
        uri += &format!("&index={index}&wait={}ms", wait.as_millis());
    }
    let request = Request::get(uri).header(HOST, named.to_string()).body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, LARGEST).collect().await.map_err(ConsulError::Body)?.to_bytes();
    if head.status != StatusCode::OK {
        let said: String = String::from_utf8_lossy(&body).chars().take(200).collect();
        return Err(ConsulError::Status(head.status, said.trim().to_owned()));
    }
    Ok((head.headers, body))
}

/// An instance without an address of its own is at its node's.
fn endpoint(Entry { node, service }: &Entry, catalogue: &Catalogue) -> Option<Endpoint> {
    let address = if service.address.is_empty() { &node.address } else { &service.address };
    let (Ok(ip), 1..) = (address.parse::<IpAddr>(), service.port) else {
        let (name, port) = (&catalogue.service, service.port);
        tracing::warn!(service = %name, %address, port, "an instance in Consul has no IP address and port; it is left out");
        return None;
    };
    let weight = service.weights.as_ref().map_or(1, |weights| weights.passing);
    let address = SocketAddr::new(ip.to_canonical(), service.port);
    Some(Endpoint { weight, ..Endpoint::new(address) })
}

/// Percent-encoded, all but what RFC 3986 leaves alone.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
