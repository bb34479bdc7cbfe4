//! `sluice convert`: a configuration in another dialect's words, and what those do not say.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::app::EXIT_USAGE;
use crate::config::diagnostic::Severity;
use crate::config::load::Loader;
use crate::config::settings::Settings;
use crate::config::{Language, write};

/// What was written does not say everything.
const EXIT_INCOMPLETE: u8 = 1;

/// Loads the configured paths and writes them to standard output in the words of `to`; whatever is wrong with them,
/// whatever has no words there, and what has to be set beside the documents, goes to standard error.
pub fn run(settings: &Settings, to: Language, with_keys: bool) -> ExitCode {
    let loaded = Loader::new(settings).load();
    let written = write(&loaded.config, settings, to, with_keys);
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    let wrong: Vec<_> =
        loaded.diagnostics.iter().filter(|finding| finding.severity == Severity::Error).collect();
    let told = wrong.iter().try_for_each(|finding| writeln!(err, "error: {finding}"));
    let told =
        told.and_then(|()| written.lost.iter().try_for_each(|lost| writeln!(err, "not converted: {lost}")));
    let told =
        told.and_then(|()| written.settings.iter().try_for_each(|setting| writeln!(err, "set: {setting}")));
    let told = told.and_then(|()| out.write_all(written.text.as_bytes()));
    // A reader that closed early (`| head`) has read what it wanted.
    let _ = told.and_then(|()| out.flush());
    match (wrong.is_empty(), written.lost.is_empty()) {
        (false, _) => ExitCode::from(EXIT_USAGE),
        (true, false) => ExitCode::from(EXIT_INCOMPLETE),
        (true, true) => ExitCode::SUCCESS,
    }
}
