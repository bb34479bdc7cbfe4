//! The upstreams: they learn from the tag whose connection they have, and play its other part. Each may die,
//! with all its connections, and come back.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::client::{PATIENCE, claimed};
use crate::ledger::Ledger;
use crate::plan::{Ending, GREETING, Plan, TAG, Who, source};
use crate::play::{Progress, Role};
use crate::route::{Route, Upstream};
use crate::stream::{Stream, attend, resets_on_close};

/// All upstreams.
#[derive(Debug)]
pub(crate) struct Upstreams {
    shared: Arc<Shared>,
    alive: Mutex<HashMap<Upstream, (CancellationToken, JoinHandle<()>)>>,
    runtime: tokio::runtime::Handle,
}

#[derive(Debug)]
struct Shared {
    plan: Plan,
    ledger: Arc<Ledger>,
    tls: Arc<ServerConfig>,
    /// Connections under way.
    busy: AtomicUsize,
    /// Every so many connections begin with a byte that nobody expects.
    lies: Option<u64>,
}

/// One connection under way; until it is dropped.
struct Busy<'a>(&'a AtomicUsize);

impl Upstreams {
    pub(crate) fn new(
        plan: Plan,
        ledger: Arc<Ledger>,
        tls: ServerConfig,
        lies: Option<u64>,
        runtime: tokio::runtime::Handle,
    ) -> Self {
        let shared = Arc::new(Shared { plan, ledger, tls: Arc::new(tls), busy: AtomicUsize::new(0), lies });
        let upstreams = Self { shared, alive: Mutex::default(), runtime };
        Upstream::ALL.iter().for_each(|upstream| upstreams.start(*upstream));
        upstreams
    }

    /// Serves again.
    pub(crate) fn start(&self, which: Upstream) {
        let _inside = self.runtime.enter();
        let listener = listen(&which.address()).unwrap_or_else(|e| panic!("{which:?}: {e}"));
        let (dead, shared) = (CancellationToken::new(), Arc::clone(&self.shared));
        let death = dead.clone();
        let task = self.runtime.spawn(async move {
            loop {
                let accepted = tokio::select! {
                    biased;
                    () = dead.cancelled() => return,
                    accepted = listener.accept() => accepted,
                };
                let Ok((tcp, _)) = accepted else { continue };
                let (shared, dead) = (Arc::clone(&shared), dead.clone());
                tokio::spawn(async move { shared.serve(which, tcp, dead).await });
            }
        });
        self.alive.lock().unwrap().insert(which, (death, task));
    }

    /// Dies: who is connected is reset, who connects is refused.
    pub(crate) fn stop(&self, which: Upstream) {
        if let Some((death, task)) = self.alive.lock().unwrap().remove(&which) {
            death.cancel();
            // The address is free then.
            self.runtime.block_on(task).unwrap();
        }
    }

    /// Connections under way.
    pub(crate) fn busy(&self) -> usize {
        self.shared.busy.load(Ordering::SeqCst)
    }
}

/// Room for all who may come at once: who finds none would wait a second.
fn listen(address: &str) -> std::io::Result<TcpListener> {
    let address: SocketAddr = address.parse().map_err(std::io::Error::other)?;
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(1024)
}

impl Shared {
    async fn serve(&self, which: Upstream, tcp: TcpStream, dead: CancellationToken) {
        let _busy = Busy::new(&self.busy);
        resets_on_close(&tcp, true);
        let _ = attend(&tcp);
        let (progress, number) = (Progress::new(), Mutex::new(None));
        let serving = self.play(which, tcp, &progress, &number);
        tokio::select! {
            biased;
            () = dead.cancelled() => {}
            served = tokio::time::timeout(PATIENCE, serving) => if served.is_err() { progress.late() },
        }
        match *number.lock().unwrap() {
            Some(number) => self.ledger.server(number, progress.saw()),
            None => self.ledger.add_untagged(),
        }
    }

    async fn play(&self, which: Upstream, tcp: TcpStream, progress: &Progress, whose: &Mutex<Option<u64>>) {
        let Ok((mut stream, told)) = self.receive(which, tcp).await else { return };
        let mut tag = [0; TAG];
        let Ok(first) = stream.read(&mut tag).await else { return };
        if first == 0 {
            // Its client said nothing; it is told the same.
            if stream.shutdown().await.is_ok() {
                stream.resets_on_close(false);
            }
            return;
        }
        if stream.read_exact(&mut tag[first..]).await.is_err() {
            return;
        }
        let Some(number) = self.plan.number_of(tag) else {
            self.ledger.fault(format!("{which:?} got a tag that nobody has: {tag:?}"));
            return;
        };
        *whose.lock().unwrap() = Some(number);
        let shape = self.plan.shape(number);
        self.check_header(number, shape.route, told);
        if !shape.route.upstreams().contains(&which) || shape.ending == Ending::Mute {
            self.ledger.fault(format!("connection {number} came to {which:?}: {shape:?}"));
        }
        if shape.waits && (stream.write_all(GREETING).await.is_err() || stream.flush().await.is_err()) {
            return;
        }
        let mut role = Role::new(&self.plan, number, &shape, Who::Server);
        role.lies = self.lies.is_some_and(|every| number % every == 0);
        role.play(stream, progress).await;
    }

    /// Takes what comes before the tag: a PROXY header, and who it says the client is; a handshake.
    async fn receive(
        &self,
        which: Upstream,
        mut tcp: TcpStream,
    ) -> std::io::Result<(Stream, Option<SocketAddr>)> {
        match which {
            Upstream::Tls => {
                let tls = TlsAcceptor::from(Arc::clone(&self.tls)).accept(tcp).await?;
                Ok((Stream::Tls(Box::new(tls.into())), None))
            }
            Upstream::Proxied => {
                let told = proxy_header(&mut tcp).await?;
                Ok((Stream::Plain(tcp), Some(told)))
            }
            _ => Ok((Stream::Plain(tcp), None)),
        }
    }

    fn check_header(&self, number: u64, route: Route, told: Option<SocketAddr>) {
        let right = match (route, told) {
            (Route::ProxyOut, Some(told)) => told.ip() == source(number, route),
            (Route::ProxyBoth, Some(told)) => told == claimed(number),
            (_, told) => told.is_none(),
        };
        if !right {
            self.ledger.fault(format!("connection {number} over {route:?} is said to be of {told:?}"));
        }
    }
}

/// The client that a header of either version tells of, over IPv4.
async fn proxy_header(tcp: &mut TcpStream) -> std::io::Result<SocketAddr> {
    let nonsense = || std::io::Error::other("no PROXY header");
    let mut header = vec![0; 16];
    tcp.read_exact(&mut header[..6]).await?;
    if header.starts_with(b"PROXY ") {
        header.truncate(6);
        while !header.ends_with(b"\r\n") {
            header.push(tcp.read_u8().await?);
        }
        let line = String::from_utf8_lossy(&header).into_owned();
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "TCP4", from, _, port, _] = words[..] else { return Err(nonsense()) };
        return format!("{from}:{port}").parse().map_err(std::io::Error::other);
    }
    tcp.read_exact(&mut header[6..]).await?;
    let more = usize::from(u16::from_be_bytes([header[14], header[15]]));
    header.resize(16 + more, 0);
    tcp.read_exact(&mut header[16..]).await?;
    let [_, _, _, _, _, _, _, _, _, _, _, _, 0x21, 0x11, _, _, a, b, c, d, _, _, _, _, p, q, ..] = header[..]
    else {
        return Err(nonsense());
    };
    Ok(SocketAddr::from(([a, b, c, d], u16::from_be_bytes([p, q]))))
}

impl<'a> Busy<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
