//! HTTP/1.1 on the admin listener.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Handles;
use super::answer::{Answer, Refusal};
use super::pages;

/// Connections at a time; more wait in the listener's queue.
const CONNECTIONS: usize = 64;

/// For a request to arrive: its header, and then its body.
const REQUEST: Duration = Duration::from_secs(5);

/// A connection is told to end after this, so that no reader that fell asleep keeps a place.
const LIFE: Duration = Duration::from_secs(60);

/// For the answer under way when a connection is told to end.
const LINGER: Duration = Duration::from_secs(1);

/// No request here needs a body.
const BODY: usize = 64 << 10;

/// Answers requests until `stop`, and then at most for another second.
pub async fn serve(listener: TcpListener, handles: Handles, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
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
            Ok((stream, _)) => {
                let connection = converse(stream, handles.clone(), stop.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "the admin endpoint cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn converse(stream: TcpStream, handles: Handles, stop: CancellationToken) {
    let service = service_fn(|request| respond(request, &handles));
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST)
            .serve_connection(TokioIo::new(stream), service)
    );
    tokio::select! {
        // Whatever went wrong is the client's to see.
        _ = &mut connection => return,
        () = stop.cancelled() => {}
        () = tokio::time::sleep(LIFE) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(LINGER, connection).await;
}

async fn respond(request: Request<Incoming>, handles: &Handles) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    Ok(match discard(body).await {
        Ok(()) => pages::answer(&Request::from_parts(head, ()), handles),
        Err(refusal) => refusal.into(),
    })
}

/// Reads a body to its end, as the next request on the connection comes after it.
async fn discard(body: Incoming) -> Result<(), Refusal> {
    match tokio::time::timeout(REQUEST, Limited::new(body, BODY).collect()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "no request here needs a body"))
        }
        Ok(Err(_)) => Err(Refusal::new(StatusCode::BAD_REQUEST, "the body broke off")),
        Err(_) => Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive")),
    }
}
