//! Whether a client begins with TLS, where it need not.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::client_hello::ClientHello;
use super::peek::{Unclassified, client_hello};

/// How long a client may say nothing before its server is thought to speak first, as with MySQL or SMTP.
const SILENCE: Duration = Duration::from_secs(1);

/// How a client begins.
#[derive(Debug)]
pub enum Opening {
    /// With TLS.
    Tls(ClientHello),
    /// With something else, or with nothing.
    Cleartext,
}

/// How a client begins, whose bytes stay in the socket.
///
/// # Errors
/// Why that is not known: it began with TLS, and then not.
pub async fn opening(stream: &TcpStream, deadline: Instant) -> Result<Opening, Unclassified> {
    let silent = deadline.min(Instant::now() + SILENCE);
    // A peek, since tokio may call a socket readable that is not.
    match timeout_at(silent.into(), stream.peek(&mut [0])).await {
        Err(_elapsed) => return Ok(Opening::Cleartext),
        Ok(peeked) => peeked?,
    };
    match client_hello(stream, deadline).await {
        Ok(hello) => Ok(Opening::Tls(hello)),
        // One that ends before it is known to be TLS is no TLS that could be answered.
        Err(Unclassified::NotTls | Unclassified::Closed) => Ok(Opening::Cleartext),
        Err(why) => Err(why),
    }
}
