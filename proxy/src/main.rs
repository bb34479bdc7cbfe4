//! The `sluice` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut settings = sluice::config::settings::Settings::default();
    settings.paths = std::env::args().skip(2).map(Into::into).collect();
    let rt = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    rt.block_on(sluice::app::run(settings, Default::default()))
}
