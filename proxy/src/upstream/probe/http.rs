//! `GET`, in the clear or over TLS with anybody.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Failed;
use crate::config::model::Host;
use crate::crypto;

/// The status that `path` has there.
pub(super) async fn get(
    stream: TcpStream,
    host: &Host,
    port: u16,
    tls: bool,
    path: &str,
) -> Result<StatusCode, Failed> {
    let (name, default_port) = (name(host), if tls { 443 } else { 80 });
    let authority = if port == default_port { name } else { format!("{name}:{port}") };
    if !tls {
        return request(stream, &authority, path).await;
    }
    let name = match host {
        Host::Name(name) => ServerName::try_from(name.to_string()).map_err(std::io::Error::other),
        Host::Ip(ip) => Ok(ServerName::IpAddress((*ip).into())),
    };
    let connected = connector()?.connect(name.map_err(Failed::Tls)?, stream).await;
    request(connected.map_err(Failed::Tls)?, &authority, path).await
}

/// As it stands in a URL.
fn name(host: &Host) -> String {
    match host {
        Host::Name(name) => name.to_string(),
        Host::Ip(IpAddr::V4(ip)) => ip.to_string(),
        Host::Ip(IpAddr::V6(ip)) => format!("[{ip}]"),
    }
}

async fn request<S>(stream: S, authority: &str, path: &str) -> Result<StatusCode, Failed>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header(HOST, authority)
        .header(USER_AGENT, concat!("sluice/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let mut answer = std::pin::pin!(sender.send_request(request));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        // An answer that ends with its connection may be there all the same.
        _ended = connection => answer.await,
    };
    Ok(answer?.status())
}

/// One for all checks.
fn connector() -> Result<TlsConnector, Failed> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(Arc::clone(config).into());
    }
    let builder = ClientConfig::builder_with_provider(Arc::clone(crypto::provider()));
    let builder =
        builder.with_safe_default_protocol_versions().map_err(|e| Failed::Tls(std::io::Error::other(e)))?;
    let verified = builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody));
    let mut config = verified.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::clone(CONFIG.get_or_init(|| Arc::new(config))).into())
}

/// Takes every certificate, and every signature: a check asks whether somebody serves there, not who. Load
/// balancers do so (Kong's `https_verify_certificate` apart), since targets are addresses that no certificate names.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        crypto::provider().signature_verification_algorithms.supported_schemes()
    }
}
