//! Certificates made when tests run, and peers that speak TLS: rustls' own buffered API, blocking.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod,
    KeyPair, RevokedCertParams, SanType, SerialNumber, SignatureAlgorithm, date_time_ymd,
};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned, version,
};

use super::backend::Backend;
use super::client::connect;

/// A client's side of a connection.
pub(crate) type Client = StreamOwned<ClientConnection, TcpStream>;

/// A server's.
pub(crate) type Server = StreamOwned<ServerConnection, TcpStream>;

/// A certificate authority.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
    /// What is between it and the root, in PEM, itself first.
    between: String,
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub(crate) struct Leaf {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Ca {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // A name of its own: one with another's would be taken for it until signatures are compared.
        params.distinguished_name.push(
            DnType::CommonName,
            key.public_key_raw().iter().map(|b| format!("{b:02x}")).collect::<String>(),
        );
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem, between: String::new() }
    }

    /// An authority that this one vouches for; its certificates bring that along.
    pub(crate) fn intermediate(&self) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "intermediate");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        let between = format!("{pem}{}", self.between);
        Self { issuer: Issuer::new(params, key), pem, between }
    }

    /// A certificate for these names, `spiffe://…` among them.
    pub(crate) fn leaf(&self, names: &[&str]) -> Leaf {
        self.leaf_until(names, 2100)
    }

    /// The same, good to the first day of that year.
    pub(crate) fn leaf_until(&self, names: &[&str], year: i32) -> Leaf {
        self.signed(names, year, None, &KeyPair::generate().unwrap())
    }

    /// The same with a key of this kind.
    pub(crate) fn leaf_of(&self, kind: &'static SignatureAlgorithm, names: &[&str]) -> Leaf {
        self.signed(names, 2100, None, &KeyPair::generate_for(kind).unwrap())
    }

    /// The same with a serial number that can be revoked.
    pub(crate) fn leaf_numbered(&self, serial: u64, names: &[&str]) -> Leaf {
        self.signed(names, 2100, Some(serial), &KeyPair::generate().unwrap())
    }

    fn signed(&self, names: &[&str], year: i32, serial: Option<u64>, key: &KeyPair) -> Leaf {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, names[0]);
        let san = |name: &&str| match name.contains("://") {
            true => SanType::URI((*name).try_into().unwrap()),
            false => SanType::DnsName((*name).try_into().unwrap()),
        };
        params.subject_alt_names = names.iter().map(san).collect();
        params.not_after = date_time_ymd(year, 1, 1);
        params.serial_number = serial.map(SerialNumber::from);
        let chain = params.signed_by(key, &self.issuer).unwrap().pem() + &self.between;
        Leaf { chain, key: key.serialize_pem() }
    }

    /// A list in PEM that revokes these serial numbers.
    pub(crate) fn revoking(&self, serials: &[u64]) -> String {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(2100, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    fn store(&self) -> RootCertStore {
        store(&self.pem)
    }

    /// What a client that trusts this authority starts from.
    pub(crate) fn client(&self, identity: Option<&Leaf>) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.store());
        match identity {
            None => builder.with_no_client_auth(),
            Some(leaf) => builder.with_client_auth_cert(leaf.certificates(), leaf.private_key()).unwrap(),
        }
    }

    /// What a server starts from that asks clients for certificates of this authority.
    pub(crate) fn server_asking(&self, leaf: &Leaf) -> ServerConfig {
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(self.store()), provider());
        ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients.build().unwrap())
            .with_single_cert(leaf.certificates(), leaf.private_key())
            .unwrap()
    }
}

impl Leaf {
    fn certificates(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.chain.as_bytes()).map(Result::unwrap).collect()
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()
    }

    /// What a server that shows it starts from.
    pub(crate) fn server(&self) -> ServerConfig {
        ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(self.certificates(), self.private_key())
            .unwrap()
    }

    /// As a Secret.
    pub(crate) fn secret(&self, name: &str) -> String {
        secret(name, &[("tls.crt", &self.chain), ("tls.key", &self.key)])
    }
}

/// What a client starts from that trusts one authority, given in PEM.
pub(crate) fn client_trusting(pem: &str) -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store(pem))
        .with_no_client_auth()
}

fn store(pem: &str) -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    store
}

/// The same configuration for TLS 1.2 alone.
pub(crate) fn tls12(ca: &Ca) -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS12])
        .unwrap()
        .with_root_certificates(ca.store())
        .with_no_client_auth()
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A Secret with these texts.
pub(crate) fn secret(name: &str, texts: &[(&str, &str)]) -> String {
    let indented = |text: &str| text.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let data: String = texts.iter().map(|(key, text)| format!("  {key}: |\n{}", indented(text))).collect();
    format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\ntype: Opaque\nstringData:\n{data}"
    )
}

/// A client that has not said anything yet.
pub(crate) fn begin(address: &str, name: &str, config: &Arc<ClientConfig>) -> Client {
    over(connect(address), name, config)
}

/// The same over a connection that is there.
pub(crate) fn over(stream: TcpStream, name: &str, config: &Arc<ClientConfig>) -> Client {
    let name = name.to_owned().try_into().unwrap();
    StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), stream)
}

/// A client past its handshake.
pub(crate) fn hello(address: &str, name: &str, config: &Arc<ClientConfig>) -> std::io::Result<Client> {
    let mut client = begin(address, name, config);
    client.conn.complete_io(&mut client.sock)?;
    Ok(client)
}

/// Ends our direction: TLS first, then TCP.
pub(crate) fn finish(client: &mut Client) {
    client.conn.send_close_notify();
    client.flush().unwrap();
    while client.conn.wants_write() {
        client.conn.write_tls(&mut client.sock).unwrap();
    }
    client.sock.shutdown(std::net::Shutdown::Write).unwrap();
}

/// Says something and returns what comes back, as long.
pub(crate) fn echoed(stream: &mut (impl Read + Write), words: &[u8]) -> Vec<u8> {
    stream.write_all(words).unwrap();
    stream.flush().unwrap();
    let mut back = vec![0; words.len()];
    stream.read_exact(&mut back).unwrap();
    back
}

/// An upstream that speaks TLS: says its name and what the client asked for, then echoes.
pub(crate) fn backend(address: &str, name: &'static str, config: ServerConfig) -> Backend {
    let config = Arc::new(config);
    Backend::serve(address, move |stream| {
        stream.set_nodelay(true).unwrap();
        let mut server = Server::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
        if server.conn.complete_io(&mut server.sock).is_err() {
            return;
        }
        let sni = server.conn.server_name().unwrap_or("-").to_owned();
        let client = if server.conn.peer_certificates().is_some() { "known" } else { "unknown" };
        if server.write_all(format!("{name} {sni} {client}\n").as_bytes()).is_err() {
            return;
        }
        let mut chunk = [0; 4096];
        while let Ok(n @ 1..) = server.read(&mut chunk) {
            if server.write_all(&chunk[..n]).is_err() {
                return;
            }
        }
        server.conn.send_close_notify();
        let _ = server.flush();
    })
}

/// The first line that an upstream says.
pub(crate) fn greeting(stream: &mut impl Read) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}
