//! What a client wants, before anything is decided: the only room that looks at bytes, and it leaves them
//! where they are. A protocol's own prelude before TLS is the exception, and it is taken whole.

mod client_hello;
mod peek;
mod postgres;
mod prelude;
#[cfg(test)]
mod tests;

pub use client_hello::{ClientHello, LIMIT, Parsed, parse};
pub use peek::{Unclassified, client_hello};
pub use postgres::{REFUSAL, SSL_REQUEST};
pub use prelude::{Answered, answer};
