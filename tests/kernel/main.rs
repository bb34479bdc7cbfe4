//! The relays on the real kernel: root, a network namespace per test, real eBPF.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "what cannot be set up fails the test, what is measured is printed, and numbers are small"
)]

#[path = "../harness/mod.rs"]
#[allow(dead_code, reason = "each test binary speaks a part of the harness")]
mod harness;

mod relay;

mod bandwidth;
mod breakers;
mod calls;
mod deploy;
mod endpoints;
mod ends;
mod examples;
mod families;
mod faults;
mod half_close;
mod idle;
mod integrity;
mod kong;
mod lifecycle;
mod limits;
mod listeners;
mod loss;
mod memory;
mod names;
mod privileges;
mod proxy_protocol;
mod psycopg;
mod rates;
mod refused;
mod reload;
mod resolvers;
mod shapes;
mod sleep;
mod software;
mod stall;
mod starttls;
mod timeouts;
mod transfer;
mod victims;
