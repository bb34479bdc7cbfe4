//! A connected socket to a mapping's service.

mod dial;
mod resolve;

pub use dial::{Connected, DialError, Dialer};
pub use resolve::{ResolveError, Resolver};
