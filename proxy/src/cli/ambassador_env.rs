//! The variables an existing Ambassador deployment has set, read as Ambassador reads them.

use std::ffi::OsString;
use std::fmt::Display;
use std::str::FromStr;

use super::overrides::Overrides;
use super::values::OrNone;

/// A variable that is set to something it cannot mean.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {name}={value:?}: {why}; correct or unset it, or say {flag} instead")]
pub struct EnvError {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) why: String,
    pub(super) flag: &'static str,
}

/// Everything the variables say. One that is empty says nothing, as in Ambassador.
///
/// # Errors
/// The first variable that does not say what it should.
pub fn ambassador_env(env: &impl Fn(&str) -> Option<OsString>) -> Result<Overrides, EnvError> {
    Ok(Overrides {
        ambassador_id: read(env, "AMBASSADOR_ID", "--ambassador-id", text)?,
        ambassador_namespace: read(env, "AMBASSADOR_NAMESPACE", "--ambassador-namespace", text)?,
        // Any value at all, "false" included: Ambassador only looks whether there is one.
        single_namespace: read(env, "AMBASSADOR_SINGLE_NAMESPACE", "--single-namespace", |_| Ok(true))?,
        certs_single_namespace: read(
            env,
            "AMBASSADOR_CERTS_SINGLE_NAMESPACE",
            "--certs-single-namespace",
            python_bool,
        )?,
        label_selector: read(env, "AMBASSADOR_LABEL_SELECTOR", "--label-selector", parse)?,
        bind_address: read(env, "AMBASSADOR_ENVOY_BIND_ADDRESS", "--bind-address", parse)?,
        force_secret_validation: read(
            env,
            "AMBASSADOR_FORCE_SECRET_VALIDATION",
            "--force-secret-validation",
            go_bool,
        )?,
        drain_time: read(env, "AMBASSADOR_DRAIN_TIME", "--drain-time", seconds)?,
        ..Overrides::default()
    })
}

pub(super) fn read<T>(
    env: &impl Fn(&str) -> Option<OsString>,
    name: &'static str,
    flag: &'static str,
    meaning: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, EnvError> {
    let Some(value) = env(name).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let wrong = |why: String| EnvError { name, value: value.to_string_lossy().into_owned(), why, flag };
    let unicode = value.to_str().ok_or_else(|| wrong("is not UTF-8".to_owned()))?;
    meaning(unicode).map(Some).map_err(wrong)
}

fn text(value: &str) -> Result<String, String> {
    Ok(value.to_owned())
}

fn parse<T: FromStr<Err: Display>>(value: &str) -> Result<T, String> {
    value.parse().map_err(|e: T::Err| e.to_string())
}

fn seconds<T: FromStr<Err: Display>>(value: &str) -> Result<T, String> {
    let seconds: u32 = value.trim().parse().map_err(|_not_one| "not a whole number of seconds".to_owned())?;
    parse(&format!("{seconds}s"))
}

/// What Ambassador's `parse_bool` takes.
fn python_bool(value: &str) -> Result<OrNone<bool>, String> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "y" | "on" | "t" | "1" => Ok(OrNone(Some(true))),
        "false" | "no" | "n" | "off" | "f" | "0" => Ok(OrNone(Some(false))),
        _ => Err("neither true nor false".to_owned()),
    }
}

/// What Go's `strconv.ParseBool` takes.
fn go_bool(value: &str) -> Result<bool, String> {
    match value {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err("neither true nor false".to_owned()),
    }
}
