//! A connected socket to an endpoint of a mapping's service.

mod attempt;
mod board;
mod consul;
mod dial;
mod directory;
mod dns;
mod endpoint;
mod health;
mod introduce;
mod latency;
mod maglev;
mod policy;
mod pool;
mod prelude;
mod probe;
mod resolve;
#[cfg(test)]
mod tests;

pub use board::{Order, Seat};
pub use dial::{Connected, DialError, Dialer, Dialled};
pub use directory::{ChangeError, Directory};
pub use endpoint::Endpoint;
pub use introduce::{Card, tell};
pub use pool::{Change, Pool};
pub use prelude::{Asked, PreludeError, request_tls};
pub use resolve::{Latest, ResolveError, Resolver};
