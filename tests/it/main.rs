//! What needs no privileges: the real binary, driven from outside.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may fail a test, and say why")]

#[path = "../harness/mod.rs"]
#[allow(dead_code, reason = "each test binary speaks a part of the harness")]
mod harness;

mod access;
mod aws;
mod check;
mod command;
mod convert;
mod deploy;
mod doctor;
mod examples;
mod flags;
mod gateway;
mod kong;
mod log_sinks;
mod proxy_protocol;
mod supervised;
mod tls;
