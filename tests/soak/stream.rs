//! A connection's end as its peers use it: in the clear or in TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// After which the other side is asked whether it is still there, as sluice's flags have it too.
const SILENCE: Duration = Duration::from_secs(5);

/// One end.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// What closing does: a reset, or TCP's own end.
    pub(crate) fn resets_on_close(&self, resets: bool) {
        let tcp = match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        };
        resets_on_close(tcp, resets);
    }

    /// The serial number of the certificate that the other end has shown.
    pub(crate) fn serial(&self) -> Option<u64> {
        let Self::Tls(tls) = self else { return None };
        let shown = tls.get_ref().1.peer_certificates()?.first()?;
        let (_, certificate) = x509_parser::parse_x509_certificate(shown).ok()?;
        certificate.serial.to_string().parse().ok()
    }
}

/// Small writes leave at once. And an end that was missed is asked for: where memory is short or segments are lost a
/// reset may be out of sequence, the ACK that would challenge it is left out if there was one within half a second
/// (`tcp_invalid_ratelimit`), and nobody says it again.
pub(crate) fn attend(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let probes =
        TcpKeepalive::new().with_time(SILENCE).with_interval(Duration::from_secs(1)).with_retries(20);
    SockRef::from(tcp).set_tcp_keepalive(&probes)
}

/// What closing a connection does.
pub(crate) fn resets_on_close(tcp: &TcpStream, resets: bool) {
    let linger = resets.then_some(Duration::ZERO);
    SockRef::from(tcp).set_linger(linger).unwrap();
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_shutdown(cx),
        }
    }
}
