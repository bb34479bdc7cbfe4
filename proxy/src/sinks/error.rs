//! Why lines were not taken.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use hyper::StatusCode;

/// Why a sink did not take lines.
#[derive(Debug, thiserror::Error)]
pub(super) enum SinkError {
    /// Its name has no address.
    #[error("{name} has no address: {source}")]
    Resolve { name: String, source: io::Error },
    /// Nobody is there.
    #[error("{address} cannot be reached: {source}")]
    Connect { address: SocketAddr, source: io::Error },
    /// TLS could not be begun.
    #[error("TLS: {0}")]
    Tls(#[source] io::Error),
    /// What is asked of TLS could not be built, as was told when it was loaded.
    #[error("its TLS cannot be used")]
    Unbuildable,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[source] io::Error),
    /// It took too long.
    #[error("nothing within {0:?}")]
    Timeout(Duration),
    /// The file cannot be written.
    #[error("{path}: {source}", path = path.display())]
    File { path: PathBuf, source: io::Error },
    /// It does not speak HTTP, or stopped in the middle.
    #[error("HTTP: {0}")]
    Http(#[from] hyper::Error),
    /// What is asked does not fit into a request.
    #[error("request: {0}")]
    Request(#[from] hyper::http::Error),
    /// It answered that it will not.
    #[error("it answered {0}")]
    Status(StatusCode),
}
