//! The `sluice` command.

use std::process::ExitCode;

use sluice::app::{EXIT_USAGE, Prepared};
use sluice::cli::Command;
use sluice::config::settings::Settings;
use sluice::telemetry::Telemetry;
use sluice::{app, check, cli, convert, doctor};
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    let command = match cli::parse(EXIT_USAGE) {
        Ok(command) => command,
        Err(code) => return ExitCode::from(code),
    };
    let settings = match command.settings(&|name| std::env::var_os(name)) {
        Ok(settings) => settings,
        Err(error) => return refuse(&error.to_string()),
    };
    match command {
        Command::Run(_) => {
            // Before there is a thread besides this one: those that follow inherit what it has left.
            let prepared = Prepared::new(&settings);
            begin(settings, |runtime, settings, telemetry| {
                runtime.block_on(app::run(settings, telemetry, prepared))
            })
        }
        Command::Check(options) => begin(settings, |runtime, settings, _| {
            runtime.block_on(check::run(&settings, options.format, options.resolve))
        }),
        Command::Convert(options) => {
            begin(settings, |_, settings, _| convert::run(&settings, options.to.into(), options.keys))
        }
        Command::Doctor(options) => {
            begin(settings, |runtime, settings, _| runtime.block_on(doctor::run(&settings, options.format)))
        }
    }
}

/// Starts the logs and the worker threads, and then the command.
fn begin(settings: Settings, command: impl FnOnce(&Runtime, Settings, Telemetry) -> ExitCode) -> ExitCode {
    // The guard writes out what is queued when it is dropped, after everything else.
    let (telemetry, _guard) = match Telemetry::new(&settings.log) {
        Ok(telemetry) => telemetry,
        Err(error) => return refuse(&error.to_string()),
    };
    match runtime(&settings) {
        Ok(runtime) => command(&runtime, settings, telemetry),
        Err(error) => refuse(&format!("worker threads: {error}")),
    }
}

fn runtime(settings: &Settings) -> std::io::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if settings.workers > 0 {
        builder.worker_threads(settings.workers);
    }
    builder.enable_all().build()
}

#[expect(clippy::print_stderr, reason = "there is no log before there are settings")]
fn refuse(why: &str) -> ExitCode {
    eprintln!("error: {why}");
    ExitCode::from(EXIT_USAGE)
}
