//! The admin endpoint, as an operator calls it.

use std::io::Write;

use serde_json::Value;

use super::client::{connect, read_all};

/// An admin endpoint at this address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Admin(pub(crate) &'static str);

impl Admin {
    /// The answer to a GET.
    ///
    /// # Panics
    /// When it is not 200.
    pub(crate) fn get(self, target: &str) -> String {
        let (status, body) = self.call("GET", target);
        assert_eq!(status, 200, "GET {target}: {body}");
        body
    }

    /// The answer to a GET, read as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub(crate) fn json(self, target: &str) -> Value {
        serde_json::from_str(&self.get(target)).unwrap()
    }

    /// The value of one metric, written as in the exposition; 0 where there is none.
    ///
    /// # Panics
    /// When it is no number.
    pub(crate) fn metric(self, series: &str) -> f64 {
        let text = self.get("/metrics");
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    /// The status and the body of an answer.
    ///
    /// # Panics
    /// When it is no answer.
    pub(crate) fn call(self, method: &str, target: &str) -> (u16, String) {
        let mut stream = connect(self.0);
        let request = format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let answer = String::from_utf8(read_all(&mut stream)).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}
