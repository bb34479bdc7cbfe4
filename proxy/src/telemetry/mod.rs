//! Metrics, the access log and logging, and the words they share with those who report.

mod access_log;
mod close;
mod endpoint;
mod handle;
mod logging;
mod metrics;
mod names;
mod queue;
mod resolution;
mod snapshot;
mod tls;
mod transfer;
mod usage;

pub use close::{CloseReason, Side};
pub use endpoint::{Attempt, EndpointSnapshot};
pub use handle::{Guard, KernelMapping, KernelStats, Telemetry};
pub use logging::{LogError, LogHandle};
pub use resolution::Resolution;
pub use snapshot::{ConnSnapshot, Routed};
pub use tls::{Handshake, TlsFacts};
pub use transfer::{Progress, RelayKind, Transfer};
pub use usage::MappingUsage;
