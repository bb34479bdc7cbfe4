//! HTTP/1.1 on the admin listener.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Handles;
use super::answer::{Answer, Refusal};
use super::pages;

/// What clients may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections at a time; more wait in the listener's queue.
    pub(super) connections: usize,
    /// For a request to arrive: its header, and then its body.
    pub(super) request: Duration,
    /// A connection is told to end after this, so that no reader that fell asleep keeps a place.
    pub(super) life: Duration,
    /// For the answer under way when a connection is told to end.
    pub(super) linger: Duration,
}

/// For Prometheus, probes, and a few people.
pub(super) const LIMITS: Limits = Limits {
    connections: 64,
    request: Duration::from_secs(5),
    life: Duration::from_secs(60),
    linger: Duration::from_secs(1),
};

/// Pause after an error to accept: out of descriptors, it would be the same at once.
const BACK_OFF: Duration = Duration::from_millis(500);

/// No request here needs a body.
const BODY: usize = 64 << 10;

/// Answers requests until `stop`, and then at most for another second.
pub async fn serve(listener: TcpListener, handles: Handles, stop: CancellationToken) {
    serve_within(LIMITS, listener, handles, stop).await;
}

pub(super) async fn serve_within(
    limits: Limits,
    listener: TcpListener,
    handles: Handles,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            // The semaphore is never closed: there always comes a permit.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            next = next => next,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let may_change = is_of_this_host(peer.ip(), stream.local_addr());
                let connection = converse(stream, may_change, limits, handles.clone(), stop.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the admin endpoint cannot accept");
                stop.run_until_cancelled(tokio::time::sleep(BACK_OFF)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Whether a client is a process of this host, or of this Pod: its address is a loopback's or the one it called.
/// Probes and metrics are asked for from elsewhere, and whoever can ask for them must not be able to drain us.
fn is_of_this_host(peer: IpAddr, called: io::Result<SocketAddr>) -> bool {
    peer.to_canonical().is_loopback() || called.is_ok_and(|called| called.ip() == peer)
}

async fn converse(
    stream: TcpStream,
    may_change: bool,
    limits: Limits,
    handles: Handles,
    stop: CancellationToken,
) {
    let service = service_fn(|request| respond(request, may_change, &handles, limits.request));
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.request)
            .serve_connection(TokioIo::new(stream), service)
    );
    tokio::select! {
        // Whatever went wrong is the client's to see.
        _ = &mut connection => return,
        () = stop.cancelled() => {}
        () = tokio::time::sleep(limits.life) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(limits.linger, connection).await;
}

async fn respond(
    request: Request<Incoming>,
    may_change: bool,
    handles: &Handles,
    patience: Duration,
) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    Ok(match discard(body, patience).await {
        Ok(()) if head.method == Method::POST && !may_change => {
            Refusal::new(StatusCode::FORBIDDEN, "changes are taken from this host only").into()
        }
        Ok(()) => pages::answer(&Request::from_parts(head, ()), handles).await,
        Err(refusal) => refusal.into(),
    })
}

/// Reads a body to its end, as the next request on the connection comes after it.
async fn discard(body: Incoming, patience: Duration) -> Result<(), Refusal> {
    match tokio::time::timeout(patience, Limited::new(body, BODY).collect()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "no request here needs a body"))
        }
        Ok(Err(_)) => Err(Refusal::new(StatusCode::BAD_REQUEST, "the body broke off")),
        Err(_) => Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive")),
    }
}
