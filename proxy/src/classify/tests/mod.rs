//! What the first bytes of a connection are, on every way that they may come.

mod client_hello;
mod introduce;
mod opening;
mod peek;
mod postgres;
mod proxy_header;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A client and the socket that was accepted from it.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpSocket::new_v4().unwrap().connect(listener.local_addr().unwrap());
    let (client, accepted) = tokio::join!(client, listener.accept());
    let client = client.unwrap();
    client.set_nodelay(true).unwrap();
    (client, accepted.unwrap().0)
}

/// A ClientHello in the records that a rustls client sends.
fn hello(name: &str, alpn: &[&str]) -> Vec<u8> {
    use rustls::{ClientConfig, ClientConnection, RootCertStore};
    let mut config = ClientConfig::builder_with_provider(std::sync::Arc::clone(crate::crypto::provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let mut client = ClientConnection::new(config.into(), name.to_owned().try_into().unwrap()).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// The payload of `records`, in records of `size` bytes.
fn fragmented(records: &[u8], size: usize) -> Vec<u8> {
    let message = &records[5..];
    message.chunks(size).flat_map(record).collect()
}

fn record(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[22, 3, 1], &length[..], payload].concat()
}
