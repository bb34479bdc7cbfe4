//! The `sluice` command.

use std::process::ExitCode;

use sluice::app::EXIT_USAGE;
use sluice::cli::Command;
use sluice::config::settings::{Log, LogFormat, Settings};
use sluice::{app, check, cli, doctor};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let command = match cli::parse(EXIT_USAGE) {
        Ok(command) => command,
        Err(code) => return ExitCode::from(code),
    };
    let settings = match command.settings(&|name| std::env::var_os(name)) {
        Ok(settings) => settings,
        Err(error) => return refuse(&error.to_string()),
    };
    start_logging(&settings.log);
    let runtime = match runtime(&settings) {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&format!("worker threads: {error}")),
    };
    match command {
        Command::Run(_) => runtime.block_on(app::run(settings, Default::default())),
        Command::Check(options) => check::run(&settings, options.format),
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

/// Log lines go to standard error, as the settings have them.
fn start_logging(log: &Log) {
    let lines =
        tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(EnvFilter::new(&log.filter));
    match log.format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
}

#[expect(clippy::print_stderr, reason = "there is no log before there are settings")]
fn refuse(why: &str) -> ExitCode {
    eprintln!("error: {why}");
    ExitCode::from(EXIT_USAGE)
}
