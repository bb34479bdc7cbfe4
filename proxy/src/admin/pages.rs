//! Every path, what it takes, and who answers.

use std::net::IpAddr;
use std::thread;

use hyper::header::{HOST, ORIGIN};
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Method, Request, StatusCode};
use tokio::sync::oneshot;

use super::answer::{Answer, Refusal, json, metrics, text};
use super::query::{Query, bad};
use super::{Handles, Phase, control, view};

struct Endpoint {
    method: Method,
    path: &'static str,
    /// How it is listed: the parameters' form.
    usage: &'static str,
    what: &'static str,
    parameters: &'static [&'static str],
    answer: Answerer,
    /// Grows with connections or configuration.
    long: bool,
}

type Answerer = fn(&Handles, &Query) -> Result<Answer, Refusal>;

const ENDPOINTS: &[Endpoint] = &[
    get("/", "", "this list", &[], |_, _| Ok(text(StatusCode::OK, list()))),
    get("/healthz", "", "200 while the process runs", &[], |_, _| Ok(text(StatusCode::OK, "ok"))),
    get("/readyz", "", "200 while connections are accepted, else 503 and why", &[], ready),
    get("/metrics", "", "metrics for Prometheus", &[], |h, _| Ok(metrics(h.telemetry.metrics()))).long(),
    get(
        "/connections",
        "[?mapping=NAME][&limit=N]",
        "open connections, oldest first (JSON)",
        &["mapping", "limit"],
        connections,
    )
    .long(),
    get(
        "/endpoints",
        "[?mapping=NAME]",
        "the endpoints of every mapping and how they are (JSON)",
        &["mapping"],
        endpoints,
    )
    .long(),
    get("/config", "", "what is served, what was found fault with, settings (JSON)", &[], |h, _| {
        json(&view::config(h))
    })
    .long(),
    post(
        "/log",
        "?filter=FILTER",
        "change what is logged, such as info,sluice::relay=debug",
        &["filter"],
        control::log,
    ),
    post(
        "/relay",
        "?kernel=on|off",
        "have the kernel relay connections, or none",
        &["kernel"],
        control::relay,
    ),
    post(
        "/endpoint",
        "?mapping=NAME&endpoint=ADDRESS[&state=enabled|drained|disabled][&weight=N|own]",
        "have an endpoint take connections, or none, or another share of them",
        &["mapping", "endpoint", "state", "weight"],
        control::endpoint,
    ),
    post("/drain", "", "stop accepting, and exit when open connections have ended", &[], control::drain),
];

const fn get(
    path: &'static str,
    usage: &'static str,
    what: &'static str,
    parameters: &'static [&'static str],
    answer: Answerer,
) -> Endpoint {
    Endpoint { method: Method::GET, path, usage, what, parameters, answer, long: false }
}

const fn post(
    path: &'static str,
    usage: &'static str,
    what: &'static str,
    parameters: &'static [&'static str],
    answer: Answerer,
) -> Endpoint {
    Endpoint { method: Method::POST, path, usage, what, parameters, answer, long: false }
}

impl Endpoint {
    /// With an answer that grows with connections or configuration.
    const fn long(mut self) -> Self {
        self.long = true;
        self
    }
}

/// Answers a request whose body was read and did not matter.
pub(super) async fn answer<B>(request: &Request<B>, handles: &Handles) -> Answer {
    respond(request, handles).await.unwrap_or_else(Answer::from)
}

async fn respond<B>(request: &Request<B>, handles: &Handles) -> Result<Answer, Refusal> {
    let (endpoint, query) = route(request)?;
    if !endpoint.long {
        return (endpoint.answer)(handles, &query);
    }
    let handles = handles.clone();
    aside(move || (endpoint.answer)(&handles, &query)).await
}

/// Runs what goes over every open connection on a thread of its own. With 50,000 of them it took
/// 60 ms, for which a worker would have relayed nothing.
async fn aside(make: impl FnOnce() -> Result<Answer, Refusal> + Send + 'static) -> Result<Answer, Refusal> {
    let failed = |why: &str| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, why);
    let (made, answer) = oneshot::channel();
    let thread = thread::Builder::new().name("admin".into());
    // Whoever asked may be gone by then.
    let spawned = thread.spawn(move || drop(made.send(make())));
    spawned.map_err(|error| failed(&format!("no thread to answer with: {error}")))?;
    answer.await.unwrap_or_else(|_panicked| Err(failed("making the answer failed; the log has more")))
}

fn route<B>(request: &Request<B>) -> Result<(&'static Endpoint, Query), Refusal> {
    let (method, path) = (request.method(), request.uri().path());
    let endpoint = ENDPOINTS.iter().find(|e| e.path == path).ok_or_else(|| {
        Refusal::new(StatusCode::NOT_FOUND, format!("{path} is not here; these are:\n\n{}", list()))
    })?;
    if endpoint.method == Method::GET && ![Method::GET, Method::HEAD].contains(method) {
        return Err(Refusal::method("GET, HEAD"));
    }
    if endpoint.method == Method::POST && *method != Method::POST {
        return Err(Refusal::method("POST"));
    }
    if *method == Method::POST && is_foreign(request.headers()) {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "a page of another origin may not do this"));
    }
    Ok((endpoint, Query::parse(request.uri().query(), endpoint.parameters)?))
}

/// Browsers send `Origin` with every POST: any web page may post to loopback, none should switch us.
/// That origin and host agree proves nothing by itself, since a page's owner can have its name
/// resolve to loopback; only where the host is an address, or `localhost`, has no name a say.
fn is_foreign(headers: &HeaderMap) -> bool {
    if !headers.contains_key(ORIGIN) {
        return false;
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let own = text(HOST).filter(|host| is_nameless(host));
    own.is_none() || text(ORIGIN).and_then(|origin| origin.strip_prefix("http://")) != own
}

/// Whether a `Host` header is an address or `localhost`, with a port or without.
fn is_nameless(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let address = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
    name == "localhost" || address.parse::<IpAddr>().is_ok()
}

fn list() -> String {
    let mut lines = format!("sluice {}\n\n", env!("CARGO_PKG_VERSION"));
    for Endpoint { method, path, usage, what, .. } in ENDPOINTS {
        let call = format!("{path}{usage}");
        lines.push_str(&format!("{:<4} {call:<40} {what}\n", method.as_str()));
    }
    lines
}

fn ready(handles: &Handles, _: &Query) -> Result<Answer, Refusal> {
    match handles.state.phase() {
        Phase::Serving => Ok(text(StatusCode::OK, "ready")),
        phase @ (Phase::Starting | Phase::Draining) => {
            Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, phase.as_str()))
        }
    }
}

fn endpoints(handles: &Handles, query: &Query) -> Result<Answer, Refusal> {
    let mut endpoints = handles.directory.snapshots();
    if let Some(name) = query.get("mapping") {
        endpoints.retain(|e| [&e.mapping, &e.stats_name].into_iter().any(|n| **n == *name));
    }
    json(&endpoints)
}

fn connections(handles: &Handles, query: &Query) -> Result<Answer, Refusal> {
    let limit = query.get("limit").map_or(Ok(usize::MAX), |limit| {
        limit.parse().map_err(|_no_number| bad(format!("limit `{limit}` is no number from 0 on")))
    })?;
    let mut open = handles.tracker.snapshots();
    if let Some(name) = query.get("mapping") {
        open.retain(|c| [&c.mapping, &c.stats_name].into_iter().flatten().any(|n| **n == *name));
    }
    open.truncate(limit);
    json(&open)
}
