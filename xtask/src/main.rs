//! `cargo xtask`: everything a developer or a new user does with sluice.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks to its terminal")]
#![forbid(unsafe_code)]

mod apt;
mod bench;
mod bpf;
mod check;
mod cmd;
mod dependencies;
mod dist;
mod ebpf;
mod echo;
mod fuzz;
mod kubernetes;
mod pip;
mod run;
mod setup;
mod soak;
mod test;
mod tidy;
mod vm;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

/// Set up, run, test and check sluice.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Install what is missing: system packages, a compiler for eBPF, bpf-linker, the tests' peers.
    Setup,
    /// Set up, build, and run sluice on the quick-start example or on your own configuration.
    Run {
        /// Build without optimisation: faster to build, slower to relay in userspace.
        #[arg(long)]
        debug: bool,
        /// Mapping files and folders, and flags of `sluice run` after `--`; none runs the example.
        args: Vec<String>,
    },
    /// Set up and run the tests; the kernel's as root.
    Test(test::Selection),
    /// Fuzz the readers of bytes that others write: ClientHello, PEM, Secrets, documents.
    Fuzz(fuzz::Options),
    /// Everything at once for minutes or hours: load, reloads, crashes, shortages; every byte and end judged.
    Soak(soak::Options),
    /// What a change must pass: format, lints for host and kernel, tidy, documentation, licences, and advisories where
    /// RustSec's database can be had (SLUICE_ADVISORY_DB names a clone of it).
    Check,
    /// The rules of the architecture that no compiler checks.
    Tidy,
    /// Compile the kernel object alone and show what is in it.
    Ebpf {
        /// Show the instructions too.
        #[arg(long)]
        disassemble: bool,
    },
    /// Build the one-file release binary and print its size and SHA-256.
    Dist,
    /// Measure sluice and other proxies side by side: speed, and CPU time spent.
    Bench(bench::Options),
    /// A process of the bench.
    #[command(hide = true, subcommand)]
    BenchPart(bench::Part),
    /// The part of `test --vm` that runs in the emulated machine.
    #[command(hide = true)]
    VmGuest {
        /// What to run.
        plan: PathBuf,
    },
    /// Send every byte back: the example's upstream; ends with its parent.
    #[command(hide = true)]
    Echo {
        /// Where to listen.
        address: SocketAddr,
        /// Whose end to follow.
        parent: u32,
    },
}

fn main() -> ExitCode {
    perform(Task::parse()).unwrap_or_else(|e| {
        // Not through main's result: that adds a backtrace wherever RUST_BACKTRACE is set.
        eprintln!("xtask: {e:#}");
        ExitCode::FAILURE
    })
}

fn perform(task: Task) -> Result<ExitCode> {
    match task {
        Task::Setup => setup::run(setup::Scope::All)?,
        Task::Run { debug, args } => run::run(debug, &args)?,
        Task::Test(selection) => return test::run(&selection),
        Task::Fuzz(options) => fuzz::run(&options)?,
        Task::Soak(options) => soak::run(&options)?,
        Task::Check => check::run()?,
        Task::Tidy => tidy::run()?,
        Task::Ebpf { disassemble } => ebpf::run(disassemble)?,
        Task::Dist => dist::run()?,
        Task::Bench(options) => bench::run(&options)?,
        Task::BenchPart(part) => bench::part(&part)?,
        Task::VmGuest { plan } => vm::guest(&plan)?,
        Task::Echo { address, parent } => echo::serve(address, parent)?,
    }
    Ok(ExitCode::SUCCESS)
}
