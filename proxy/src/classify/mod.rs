//! What a client wants, before anything is decided: the only room that looks at bytes, and it leaves them
//! where they are. A PROXY header, and a protocol's own prelude before TLS, are the exceptions: they are taken
//! whole, and not one byte more.

mod client_hello;
mod introduce;
mod opening;
mod peek;
mod postgres;
mod prelude;
mod proxy_header;
#[cfg(test)]
mod tests;

pub use client_hello::{ClientHello, LIMIT, Parsed, parse};
pub use introduce::{Introduction, Unintroduced, introduction};
pub use opening::Opening;
pub use opening::opening;
pub use peek::{Unclassified, client_hello};
pub use postgres::{REFUSAL, SSL_REQUEST};
pub use prelude::{Answered, answer};
pub use proxy_header::{Flaw, Heading, Introduced, LONGEST_HEADER, ProxyHeader, heading};
