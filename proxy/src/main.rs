//! The `sluice` command.

use std::process::ExitCode;

use sluice::app::EXIT_USAGE;
use sluice::cli::Command;
use sluice::config::settings::Settings;
use sluice::telemetry::Telemetry;
use sluice::{app, check, cli, convert, doctor};

fn main() -> ExitCode {
    let command = match cli::parse(EXIT_USAGE) {
        Ok(command) => command,
        Err(code) => return ExitCode::from(code),
    };
    let settings = match command.settings(&|name| std::env::var_os(name)) {
        Ok(settings) => settings,
        Err(error) => return refuse(&error.to_string()),
    };
    // The guard writes out what is queued when it is dropped, after everything else.
    let (telemetry, _guard) = match Telemetry::new(&settings.log) {
        Ok(telemetry) => telemetry,
        Err(error) => return refuse(&error.to_string()),
    };
    let runtime = match runtime(&settings) {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&format!("worker threads: {error}")),
    };
    match command {
        Command::Run(_) => runtime.block_on(app::run(settings, telemetry)),
        Command::Check(options) => runtime.block_on(check::run(&settings, options.format, options.resolve)),
        Command::Convert(options) => convert::run(&settings, options.to.into(), options.keys),
        Command::Doctor(options) => runtime.block_on(doctor::run(&settings, options.format)),
    }
}

fn runtime(settings: &Settings) -> std::io::Result<tokio::runtime::Runtime> {
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
