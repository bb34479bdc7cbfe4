//! The backend's side: a thread per connection.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::{ServerConfig, ServerConnection};

use super::stream::TlsStream;
use super::{Key, provider, version};
use crate::bench::wire::{Hello, LENGTH};
use crate::bench::{bulk, message};

/// What all connections have in common.
#[derive(Debug, Clone)]
pub(in crate::bench) struct Server(Arc<ServerConfig>);

impl Server {
    /// One that shows this certificate, and lets sessions be taken up again.
    pub(in crate::bench) fn new(key: Key, folder: &Path) -> Result<Self> {
        let mut config = version(ServerConfig::builder_with_provider(provider()))?
            .with_no_client_auth()
            .with_single_cert(vec![key.certificate(folder)?], key.private(folder)?)?;
        config.ticketer = Ticketer::new()?;
        Ok(Self(Arc::new(config)))
    }

    /// Serves one connection to its end.
    pub(in crate::bench) fn serve(&self, socket: TcpStream) -> Result<()> {
        let mut stream = TlsStream::new(ServerConnection::new(Arc::clone(&self.0))?, socket);
        let mut hello = [0; LENGTH];
        match stream.read_exact(&mut hello) {
            // One that was opened and not used.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            other => other.context("reading a hello")?,
        }
        match Hello::decode(&hello)? {
            Hello::Exchange { size } => exchange(&mut stream, &hello, size)?,
            Hello::Bulk { up: true, down: true, .. } => bail!("TLS streams go one way"),
            Hello::Bulk { up, millis, .. } => {
                bulk::serve_one_way(&mut stream, up, Duration::from_millis(millis.into()))?;
            }
        }
        // Who has closed already is not to be told.
        let _ = stream.finish();
        Ok(())
    }
}

fn exchange(stream: &mut (impl Read + Write), hello: &[u8], size: u32) -> Result<()> {
    let mut message = message::room(size, hello.len())?;
    message[..hello.len()].copy_from_slice(hello);
    let mut have = hello.len();
    loop {
        while have < message.len() {
            match stream.read(&mut message[have..]).context("reading a request")? {
                0 if have == 0 => return Ok(()),
                0 => bail!("a connection ended {have} bytes into a request"),
                n => have += n,
            }
        }
        stream.write_all(&message).context("writing a reply")?;
        have = 0;
    }
}
