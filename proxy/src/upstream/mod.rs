//! A connected socket to a mapping's service.

mod dial;
mod endpoint;
mod introduce;
mod prelude;
mod resolve;

pub use dial::{Connected, DialError, Dialer};
pub use endpoint::Endpoint;
pub use introduce::{Card, tell};
pub use prelude::{Asked, PreludeError, request_tls};
pub use resolve::{ResolveError, Resolver};
