//! sluice, in the order a connection meets it.

pub mod admin;
pub mod app;
pub mod check;
pub mod classify;
pub mod cli;
pub mod config;
pub mod conn;
pub mod convert;
mod counter;
pub mod crypto;
mod descriptors;
pub mod doctor;
pub mod drain;
#[cfg(feature = "ebpf")]
pub mod ebpf;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod listener;
pub mod relay;
pub mod route;
pub mod sinks;
mod sockopt;
pub mod telemetry;
pub mod tls;
pub mod upstream;
