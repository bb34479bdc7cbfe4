//! One client: connects, says whose connection it is, and plays its part.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use crate::ledger::{Front, Ledger};
use crate::plan::{Ending, Plan, Shape, Who, source};
use crate::play::{Progress, Role};
use crate::route::Route;
use crate::stream::{Stream, attend, resets_on_close};

/// What all clients share.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) plan: Plan,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) tls: Arc<ClientConfig>,
    /// The serial number of the certificate that was last known to be in service.
    pub(crate) certificate: AtomicU64,
    /// And of the one that is about to be.
    pub(crate) next_certificate: AtomicU64,
}

/// Longest that any connection may take: lost segments, a stopped sluice and stalled readers add up to seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(150);

impl Clients {
    /// One connection, from its first segment to its last; whether there was one.
    pub(crate) async fn run(&self, number: u64) -> bool {
        let shape = self.plan.shape(number);
        let progress = Progress::new();
        self.ledger.begin(number);
        let front = match tokio::time::timeout(PATIENCE, self.play(number, &shape, &progress)).await {
            Ok(front) => front,
            Err(_) => {
                progress.late();
                Front::Played(progress.saw())
            }
        };
        let come = !matches!(front, Front::Refused(_));
        self.ledger.front(number, front);
        come
    }

    async fn play(&self, number: u64, shape: &Shape, progress: &Progress) -> Front {
        // What is in service when the connection begins, or comes into service before it is through.
        let least = self.certificate.load(Ordering::SeqCst);
        let tcp = match connect(number, shape.route).await {
            Ok(tcp) => tcp,
            Err(error) => return Front::Refused(error.to_string()),
        };
        if shape.ending == Ending::Mute {
            return mute(tcp).await;
        }
        let stream = match self.introduce(number, shape, tcp, least).await {
            Ok(stream) => stream,
            Err(error) => return Front::Unfinished(error.to_string()),
        };
        Role::new(&self.plan, number, shape, Who::Client).play(stream, progress).await;
        Front::Played(progress.saw())
    }

    /// Everything before the words that are counted.
    async fn introduce(
        &self,
        number: u64,
        shape: &Shape,
        mut tcp: TcpStream,
        least: u64,
    ) -> std::io::Result<Stream> {
        resets_on_close(&tcp, true);
        if shape.route == Route::ProxyBoth {
            tcp.write_all(header(number).as_bytes()).await?;
        }
        let mut stream = match shape.route.name() {
            None => Stream::Plain(tcp),
            Some(name) => {
                let name = name.try_into().map_err(std::io::Error::other)?;
                let tls = TlsConnector::from(Arc::clone(&self.tls)).connect(name, tcp).await?;
                let stream = Stream::Tls(Box::new(tls.into()));
                if shape.route.terminates() {
                    let shown = stream.serial().unwrap_or_default();
                    let most = self.next_certificate.load(Ordering::SeqCst);
                    if !(least..=most).contains(&shown) {
                        let fault = format!(
                            "connection {number} was shown certificate {shown}, not {least} to {most}"
                        );
                        self.ledger.fault(fault);
                    }
                }
                stream
            }
        };
        stream.write_all(&self.plan.tag(number)).await?;
        stream.flush().await?;
        if shape.waits {
            stream.read_exact(&mut [0]).await?;
        }
        Ok(stream)
    }
}

/// What a load balancer would say of a connection that comes to it: whose it is.
pub(crate) fn header(number: u64) -> String {
    format!("PROXY TCP4 {} 192.0.2.1 4711 443\r\n", claimed(number).ip())
}

/// Whose it is, by such a header.
pub(crate) fn claimed(number: u64) -> SocketAddr {
    let [.., a, b, c] = number.to_be_bytes();
    SocketAddr::from(([10, a, b, c], 4711))
}

async fn connect(number: u64, route: Route) -> std::io::Result<TcpStream> {
    let address: SocketAddr = route.front().parse().map_err(std::io::Error::other)?;
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    socket.bind(SocketAddr::new(source(number, route), 0))?;
    let stream = socket.connect(address).await?;
    attend(&stream)?;
    Ok(stream)
}

/// Ends at once, and waits for the other side to do so.
async fn mute(mut tcp: TcpStream) -> Front {
    if tcp.shutdown().await.is_ok() {
        // How it is answered is up to who stands there: with an end, an alert or a reset.
        let _ = tcp.read_to_end(&mut Vec::new()).await;
    }
    Front::Mute
}
