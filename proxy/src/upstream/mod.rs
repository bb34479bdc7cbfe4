//! A connected socket to a mapping's service.

mod consul;
mod dial;
mod dns;
mod endpoint;
mod prelude;
mod resolve;

pub use dial::{Connected, DialError, Dialer};
pub use endpoint::Endpoint;
pub use prelude::{Asked, PreludeError, request_tls};
pub use resolve::{Latest, ResolveError, Resolver};
