//! Lines as bodies of HTTP/1.1 requests (Kong's http-log).

use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::time::{sleep, timeout};

use super::dial::Way;
use super::error::SinkError;
use crate::config::model::LogRequest;
use crate::tls::Contexts;

/// Of an answer's body; the rest of a longer one is not waited for, and the connection not used again.
const LARGEST: usize = 64 << 10;

/// A server that lines are sent to, over a connection that is kept from one request to the next.
pub(super) struct HttpOutlet {
    request: Arc<LogRequest>,
    way: Way,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl HttpOutlet {
    pub(super) fn new(request: &Arc<LogRequest>, contexts: &Contexts, timeout: Duration) -> Self {
        let way = Way::new(&request.service, request.tls.as_ref(), contexts, timeout);
        Self { request: Arc::clone(request), way, connection: None }
    }

    pub(super) async fn write(&mut self, lines: &[Arc<str>], array: bool) -> Result<(), SinkError> {
        let mut connection = match self.connection.take() {
            // It ends with the task that drives it, which sees the other side close.
            Some(kept) if !kept.is_closed() => kept,
            _ => self.connect().await?,
        };
        let late = |_elapsed| SinkError::Timeout(self.way.timeout());
        let request = self.request(body(lines, array))?;
        let (status, whole) =
            timeout(self.way.timeout(), ask(&mut connection, request)).await.map_err(late)??;
        if whole {
            self.connection = Some(connection);
        }
        // As Kong sees it: what is moved elsewhere was taken.
        if status.as_u16() < 400 { Ok(()) } else { Err(SinkError::Status(status)) }
    }

    /// Closes the connection once nothing was sent for long.
    pub(super) async fn rest(&mut self) {
        if self.connection.is_none() {
            return pending().await;
        }
        sleep(self.request.keepalive).await;
        self.connection = None;
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, SinkError> {
        let stream = self.way.connect().await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the sender, and what fails in it fails the request.
        tokio::spawn(connection);
        Ok(sender)
    }

    fn request(&self, body: Vec<u8>) -> Result<Request<Full<Bytes>>, SinkError> {
        let LogRequest { method, service, tls, path, headers, content_type, .. } = &*self.request;
        let default = if tls.is_some() { 443 } else { 80 };
        let text = service.to_string();
        let host = match text.strip_suffix(&format!(":{default}")) {
            Some(host) if service.port == default => host,
            _ => &text,
        };
        let mut request = Request::builder().method(method.as_str()).uri(&**path).header(HOST, host);
        request = request.header(CONTENT_TYPE, &**content_type);
        for (name, value) in headers {
            request = request.header(&**name, &**value);
        }
        Ok(request.body(Full::new(body.into()))?)
    }
}

/// The answer's status, and whether it was read to its end.
async fn ask(
    connection: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, bool), SinkError> {
    connection.ready().await?;
    let answer = connection.send_request(request).await?;
    let status = answer.status();
    let rest = Limited::new(answer.into_body(), LARGEST).collect().await;
    Ok((status, rest.is_ok()))
}

/// One line as it is, or all as an array.
fn body(lines: &[Arc<str>], array: bool) -> Vec<u8> {
    let joined = lines.join(",");
    if array { format!("[{joined}]").into() } else { joined.into() }
}

impl fmt::Debug for HttpOutlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOutlet").field("way", &self.way).finish_non_exhaustive()
    }
}
