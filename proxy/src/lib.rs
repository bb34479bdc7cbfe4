//! sluice, in the order a connection meets it.

pub mod config;
pub mod conn;
pub mod telemetry;
