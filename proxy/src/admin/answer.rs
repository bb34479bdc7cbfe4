//! Answers, and refusals that say what would have been right.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

/// What is sent back.
pub(super) type Answer = Response<Full<Bytes>>;

/// Why a request is not served.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
    allow: Option<&'static str>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), allow: None }
    }

    /// Another method than those in `allow`.
    pub(super) fn method(allow: &'static str) -> Self {
        let message = format!("this path takes {allow}");
        Self { status: StatusCode::METHOD_NOT_ALLOWED, message, allow: Some(allow) }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let mut answer = text(refusal.status, refusal.message);
        if let Some(allow) = refusal.allow {
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        answer
    }
}

/// Plain text; a line break is added.
pub(super) fn text(status: StatusCode, message: impl Into<String>) -> Answer {
    let mut body = message.into();
    if !body.ends_with('\n') {
        body.push('\n');
    }
    answer(status, "text/plain; charset=utf-8", body.into_bytes())
}

/// Prometheus' text format.
pub(super) fn metrics(body: String) -> Answer {
    answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", body.into_bytes())
}

/// Anything that serialises.
pub(super) fn json(value: &impl Serialize) -> Result<Answer, Refusal> {
    let mut body = serde_json::to_vec_pretty(value)
        .map_err(|e| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    body.push(b'\n');
    Ok(answer(StatusCode::OK, "application/json", body))
}

fn answer(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
