//! What `sluice` understands on its command line and in its environment.

mod ambassador_env;
mod help;
mod kong_conf;
mod merge;
mod overrides;
#[cfg(test)]
mod tests;
mod to;
mod values;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, Parser, Subcommand};

pub use ambassador_env::{EnvError, ambassador_env};
pub use kong_conf::{KongConfError, kong_conf, kong_env};
pub use merge::{Conflict, Layer, Source, merge};
pub use overrides::{Format, Overrides};
pub use to::To;

use crate::config::settings::Settings;
use crate::config::settings_file::{self, SettingsFileError};

/// An L4 sidecar that relays TCP connections inside the kernel.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, after_help = help::EXAMPLES, after_long_help = help::EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the mappings found in files and directories
    #[command(after_help = help::RUN)]
    Run(Run),
    /// Say everything that is wrong with files and directories, and serve nothing
    #[command(after_help = help::CHECK)]
    Check(Check),
    /// Write the mappings of files and directories in the words of another dialect
    #[command(after_help = help::CONVERT)]
    Convert(Convert),
    /// Say what this kernel and these privileges allow, and what to do about what is missing
    #[command(after_help = help::DOCTOR)]
    Doctor(Doctor),
}

/// `sluice run`.
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    paths: Paths,
    #[command(flatten)]
    common: Common,
}

/// `sluice check`.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    paths: Paths,
    /// How findings are written
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Also ask for the endpoints of every mapping, and say what was answered; the exit code does not go by it
    #[arg(long)]
    pub resolve: bool,
    #[command(flatten)]
    common: Common,
}

/// `sluice convert`.
#[derive(Debug, Args)]
pub struct Convert {
    #[command(flatten)]
    paths: Paths,
    /// Whose words are written
    #[arg(long, value_enum, value_name = "DIALECT")]
    pub to: To,
    /// Write private keys too; the output is then as secret as they are
    #[arg(long)]
    pub keys: bool,
    #[command(flatten)]
    common: Common,
}

/// `sluice doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// How findings are written
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    #[command(flatten)]
    common: Common,
}

/// What is to be served.
#[derive(Debug, Args)]
struct Paths {
    /// Files, directories (their *.yaml, *.yml and *.json) or - for standard input, read in this order
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
}

/// What every command takes.
#[derive(Debug, Args)]
struct Common {
    /// A YAML file of settings, such as config/sluice.yaml; its keys are the flags below
    #[arg(long, env = "SLUICE_SETTINGS", value_name = "FILE")]
    settings: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
}

/// Why there are no settings to start with.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The settings file.
    #[error(transparent)]
    File(#[from] SettingsFileError),
    /// The environment.
    #[error(transparent)]
    Env(#[from] EnvError),
    /// Kong's own settings.
    #[error(transparent)]
    KongConf(#[from] KongConfError),
    /// Values that exclude each other.
    #[error(transparent)]
    Conflict(#[from] Conflict),
}

impl Command {
    /// The command's flags over its environment over its settings file over the defaults.
    ///
    /// # Errors
    /// What is wrong with any of them, and the way out.
    pub fn settings(&self, env: &impl Fn(&str) -> Option<OsString>) -> Result<Settings, SettingsError> {
        let (common, paths) = match self {
            Self::Run(run) => (&run.common, run.paths.paths.clone()),
            Self::Check(check) => (&check.common, check.paths.paths.clone()),
            Self::Convert(convert) => (&convert.common, convert.paths.paths.clone()),
            Self::Doctor(doctor) => (&doctor.common, Vec::new()),
        };
        let mut layers = vec![
            Layer { source: Source::Flag, says: common.overrides.clone() },
            Layer { source: Source::Ambassador, says: ambassador_env(env)? },
            Layer { source: Source::Kong, says: kong_env(env)? },
        ];
        if let Some(file) = &common.settings {
            let says = settings_file::read(file, &Overrides::keys())?;
            layers.push(Layer { source: Source::File(file.clone()), says });
        }
        let named = layers.iter().find_map(|layer| layer.says.kong_conf.clone());
        if let Some(path) = named.filter(|path| !path.is_empty()).map(PathBuf::from) {
            let says = kong_conf(&path)?;
            layers.push(Layer { source: Source::KongConf(path), says });
        }
        Ok(Settings { paths, ..merge(&layers)? })
    }
}

/// The command line, or the exit code after clap had its say: 0 for help, else `usage`.
///
/// # Errors
/// The exit code to end with.
pub fn parse(usage: u8) -> Result<Command, u8> {
    Cli::try_parse().map(|cli| cli.command).map_err(|error| {
        // Standard output closed early is not worth another message.
        let _ = error.print();
        if let Some(variable) = blamed_variable(&error, &|name| std::env::var(name).ok()) {
            let _ = writeln!(io::stderr(), "note: the value is that of the environment variable {variable}");
        }
        if error.use_stderr() { usage } else { 0 }
    })
}

/// The variable that a refused value came from: clap speaks of the flag, which nobody may have given.
fn blamed_variable(error: &clap::Error, env: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let flag = text(ContextKind::InvalidArg)?.strip_prefix("--")?.split_whitespace().next()?;
    let variable = format!("SLUICE_{}", flag.to_uppercase().replace('-', "_"));
    let value = env(&variable)?;
    (text(ContextKind::InvalidValue)? == value).then_some(variable)
}
