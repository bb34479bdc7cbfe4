//! `cargo xtask`: everything a developer or a new user does with sluice.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks to its terminal")]
#![forbid(unsafe_code)]

mod apt;
mod bpf;
mod cmd;
mod setup;

use anyhow::Result;

fn main() -> Result<()> {
    setup::run(setup::Scope::All)
}
