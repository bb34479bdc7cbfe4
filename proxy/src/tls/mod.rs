//! TLS without sockets: what rustls needs is built from the model once per configuration, and a session is fed
//! bytes and gives bytes. Only the handshake knows a socket.

mod buffer;
mod certificates;
mod contexts;
mod handshake;
mod originator;
mod parameters;
mod session;
mod terminator;
#[cfg(test)]
mod tests;
mod verifier;

pub use buffer::{Buffer, Pool};
pub use contexts::{Contexts, Unbuildable};
pub use handshake::{HandshakeError, Secured, facts, shake_hands};
pub use originator::Originator;
pub use session::{Session, Status};
pub use terminator::Terminator;
