//! The load generator's side. It accepts the bench's own certificate and no other, and checks the signature as any
//! client does.

use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme,
};

use super::stream::TlsStream;
use super::{Key, provider, version};

/// What all connections of a sample have in common.
#[derive(Debug, Clone)]
pub(in crate::bench) struct Client {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Client {
    /// Of a server that shows this certificate; with or without taking up former sessions.
    pub(in crate::bench) fn new(key: Key, folder: &Path, resumes: bool) -> Result<Self> {
        let provider = provider();
        let only = Only {
            certificate: key.certificate(folder)?,
            algorithms: provider.signature_verification_algorithms,
        };
        let mut config = version(ClientConfig::builder_with_provider(provider))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(only))
            .with_no_client_auth();
        if !resumes {
            config.resumption = Resumption::disabled();
        }
        Ok(Self { config: Arc::new(config), name: key.name()? })
    }

    /// A connection that has not said anything yet. It takes up the session that was left last, if any.
    pub(in crate::bench) fn over(&self, socket: TcpStream) -> Result<TlsStream<ClientConnection>> {
        let connection = ClientConnection::new(Arc::clone(&self.config), self.name.clone())?;
        Ok(TlsStream::new(connection, socket))
    }
}

/// Accepts one certificate.
#[derive(Debug)]
struct Only {
    certificate: CertificateDer<'static>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Only {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *shown == self.certificate {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
