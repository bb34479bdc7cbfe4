//! What stands behind every peer: answers exchanges in one epoll loop, which disturbs a small
//! machine least, and gives each bulk connection threads of its own, as it does each that comes in TLS.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::net::sockopt;

use super::suite::folder;
use super::tls::{Key, Server};
use super::wire::{Hello, LENGTH};
use super::{bulk, message};

/// Where it listens.
#[derive(Debug, Default, Args)]
pub(crate) struct Addresses {
    /// In cleartext.
    #[arg(long)]
    plain: Vec<SocketAddr>,
    /// In TLS, showing an ECDSA certificate.
    #[arg(long)]
    ecdsa: Vec<SocketAddr>,
    /// In TLS, showing an RSA certificate.
    #[arg(long)]
    rsa: Vec<SocketAddr>,
}

/// The name of the argument for addresses at which this certificate is shown.
pub(super) fn argument(key: Option<Key>) -> &'static str {
    match key {
        None => "--plain",
        Some(Key::Ecdsa) => "--ecdsa",
        Some(Key::Rsa) => "--rsa",
    }
}

/// Serves on these addresses until it is killed.
pub(super) fn run(addresses: &Addresses) -> Result<()> {
    let mut backend = Backend::new()?;
    let Addresses { plain, ecdsa, rsa } = addresses;
    for (addresses, key) in [(plain, None), (ecdsa, Some(Key::Ecdsa)), (rsa, Some(Key::Rsa))] {
        for address in addresses {
            let tls = key.map(|key| Server::new(key, &folder())).transpose()?;
            backend.listen(*address, tls).with_context(|| format!("backend on {address}"))?;
        }
    }
    let mut events: Vec<Event> = Vec::with_capacity(256);
    loop {
        events.clear();
        epoll::wait(&backend.epoll, spare_capacity(&mut events), None)?;
        for event in &events {
            backend.ready(event.data.u64())?;
        }
    }
}

/// Everything that may become readable, by descriptor.
struct Backend {
    epoll: OwnedFd,
    sources: Vec<Option<Source>>,
    scratch: Vec<u8>,
}

enum Source {
    Listener(TcpListener, Option<Server>),
    Connection(Exchange),
}

/// A connection in the loop.
struct Exchange {
    stream: TcpStream,
    /// As long as a message; empty before the hello.
    message: Vec<u8>,
    have: usize,
}

/// What becomes of a connection that was readable.
enum Next {
    Stay,
    Close,
    Leave(Hello, Vec<u8>),
}

impl Backend {
    fn new() -> Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, sources: Vec::new(), scratch: vec![0; 64 << 10] })
    }

    fn listen(&mut self, address: SocketAddr, tls: Option<Server>) -> Result<()> {
        let listener = TcpListener::bind(address)?;
        // std's backlog is 128; what it accepts inherits NODELAY.
        rustix::net::listen(&listener, 4096)?;
        sockopt::set_tcp_nodelay(&listener, true)?;
        self.add(Source::Listener(listener, tls))
    }

    fn add(&mut self, source: Source) -> Result<()> {
        let at = usize::try_from(source.as_fd().as_raw_fd())?;
        epoll::add(&self.epoll, source.as_fd(), EventData::new_u64(at as u64), EventFlags::IN)?;
        if self.sources.len() <= at {
            self.sources.resize_with(at + 1, || None);
        }
        self.sources[at] = Some(source);
        Ok(())
    }

    fn ready(&mut self, at: u64) -> Result<()> {
        let at = usize::try_from(at)?;
        let next = match &mut self.sources[at] {
            Some(Source::Listener(listener, tls)) => {
                let (stream, _) = listener.accept()?;
                if let Some(tls) = tls.clone() {
                    thread::spawn(move || tls.serve(stream).map_err(|e| report(&e)));
                    return Ok(());
                }
                return self.add(Source::Connection(Exchange { stream, message: Vec::new(), have: 0 }));
            }
            Some(Source::Connection(connection)) => connection.step(&mut self.scratch),
            None => return Ok(()),
        };
        match next.unwrap_or_else(|e| report(&e)) {
            Next::Stay => {}
            Next::Close => self.sources[at] = None,
            Next::Leave(hello, early) => {
                if let Some(Source::Connection(connection)) = self.sources[at].take() {
                    epoll::delete(&self.epoll, &connection.stream)?;
                    thread::spawn(move || apart(&connection.stream, hello, &early).map_err(|e| report(&e)));
                }
            }
        }
        Ok(())
    }
}

/// The load generator then sees a stream cut short, and fails.
fn report(error: &anyhow::Error) -> Next {
    eprintln!("backend: {error:#}");
    Next::Close
}

impl AsFd for Source {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self {
            Self::Listener(listener, _) => listener.as_fd(),
            Self::Connection(connection) => connection.stream.as_fd(),
        }
    }
}

impl Exchange {
    /// Reads what there is, and answers a message that is whole. The socket blocks, but there is
    /// something to read, and its client has at most one message on the way.
    fn step(&mut self, scratch: &mut [u8]) -> Result<Next> {
        if self.message.is_empty() {
            return self.begin(scratch);
        }
        match self.stream.read(&mut self.message[self.have..]).context("reading a request")? {
            0 if self.have == 0 => return Ok(Next::Close),
            0 => bail!("a connection ended {} bytes into a request", self.have),
            n => self.have += n,
        }
        self.answer()
    }

    fn begin(&mut self, scratch: &mut [u8]) -> Result<Next> {
        let n = self.stream.read(scratch).context("reading a hello")?;
        if n == 0 {
            return Ok(Next::Close);
        }
        let hello = scratch[..n].first_chunk::<LENGTH>().context("a hello in parts")?;
        match Hello::decode(hello)? {
            Hello::Exchange { size } => {
                self.message = message::room(size, n)?;
                self.message[..n].copy_from_slice(&scratch[..n]);
                self.have = n;
                self.answer()
            }
            hello @ Hello::Bulk { .. } => Ok(Next::Leave(hello, scratch[LENGTH..n].to_vec())),
        }
    }

    fn answer(&mut self) -> Result<Next> {
        if self.have == self.message.len() {
            self.stream.write_all(&self.message).context("writing a reply")?;
            self.have = 0;
        }
        Ok(Next::Stay)
    }
}

fn apart(stream: &TcpStream, hello: Hello, early: &[u8]) -> Result<()> {
    match hello {
        Hello::Bulk { up, down, millis } => {
            bulk::serve(stream, up, down, Duration::from_millis(millis.into()), early)
        }
        Hello::Exchange { .. } => bail!("an exchange does not leave the loop"),
    }
}
