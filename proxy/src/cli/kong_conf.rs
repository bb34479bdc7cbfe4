//! The settings an existing Kong deployment has, in its variables and in kong.conf.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::ambassador_env::{EnvError, read};
use super::overrides::Overrides;
use super::values::Whole;

/// Why kong.conf says nothing.
#[derive(Debug, thiserror::Error)]
pub enum KongConfError {
    /// It cannot be read at all.
    #[error("kong-conf {path}: {source}; name a file that can be read, or leave kong-conf out")]
    Read {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// One of its values.
    #[error("kong-conf {path}: {key} = {value}: {why}; correct it, or say {flag} instead")]
    Value {
        /// Which file.
        path: PathBuf,
        /// As the file has it.
        key: String,
        /// What cannot be meant.
        value: String,
        /// Why not.
        why: String,
        /// What says the same.
        flag: &'static str,
    },
}

/// Everything the variables say. One that is empty says nothing.
///
/// # Errors
/// The first variable that does not say what it should.
pub fn kong_env(env: &impl Fn(&str) -> Option<OsString>) -> Result<Overrides, EnvError> {
    Ok(Overrides {
        kong_conf: read(env, "KONG_CONF", "--kong-conf", text)?,
        kong_stream_listen: read(env, "KONG_STREAM_LISTEN", "--kong-stream-listen", text)?,
        kong_router_flavor: read(env, "KONG_ROUTER_FLAVOR", "--kong-router-flavor", text)?,
        kong_trusted_ips: read(env, "KONG_TRUSTED_IPS", "--kong-trusted-ips", text)?,
        kong_port_maps: read(env, "KONG_PORT_MAPS", "--kong-port-maps", text)?,
        kong_ssl_cert: read(env, "KONG_SSL_CERT", "--kong-ssl-cert", text)?,
        kong_ssl_cert_key: read(env, "KONG_SSL_CERT_KEY", "--kong-ssl-cert-key", text)?,
        kong_lua_ssl_trusted_certificate: read(
            env,
            "KONG_LUA_SSL_TRUSTED_CERTIFICATE",
            "--kong-lua-ssl-trusted-certificate",
            text,
        )?,
        kong_lua_ssl_verify_depth: read(
            env,
            "KONG_LUA_SSL_VERIFY_DEPTH",
            "--kong-lua-ssl-verify-depth",
            depth,
        )?,
        kong_proxy_ssl_verify: read(
            env,
            "KONG_NGINX_SPROXY_PROXY_SSL_VERIFY",
            "--kong-proxy-ssl-verify",
            on_or_off,
        )?,
        kong_proxy_protocol: read(
            env,
            "KONG_NGINX_SPROXY_PROXY_PROTOCOL",
            "--kong-proxy-protocol",
            on_or_off,
        )?,
        ..Overrides::default()
    })
}

/// What kong.conf says: `key = value` lines, of which `#` begins a comment. A key is its variable in lower case and
/// without `KONG_`, so both are read alike; what sluice has no setting for is passed over, and so is Kong's word.
///
/// # Errors
/// See [`KongConfError`].
pub fn kong_conf(path: &Path) -> Result<Overrides, KongConfError> {
    let text = fs::read_to_string(path)
        .map_err(|source| KongConfError::Read { path: path.to_path_buf(), source })?;
    let entries: HashMap<String, OsString> = text.lines().filter_map(entry).collect();
    // It names no other file like itself.
    let says = kong_env(&|name| entries.get(name).filter(|_| name != "KONG_CONF").cloned());
    says.map_err(|EnvError { name, value, why, flag }| {
        let key = name.trim_start_matches("KONG_").to_ascii_lowercase();
        KongConfError::Value { path: path.to_path_buf(), key, value, why, flag }
    })
}

fn entry(line: &str) -> Option<(String, OsString)> {
    let (key, value) = line.split_once('=')?;
    let key = key.trim();
    if key.starts_with('#') {
        return None;
    }
    // As in Kong: a comment begins with white space and a hash, and `\#` is one of the value's.
    let comment = value.match_indices('#').map(|(at, _)| at).find(|at| value[..*at].ends_with([' ', '\t']));
    let value = value[..comment.unwrap_or(value.len())].replace("\\#", "#");
    Some((format!("KONG_{}", key.to_ascii_uppercase()), value.trim().into()))
}

fn text(value: &str) -> Result<String, String> {
    Ok(value.to_owned())
}

fn depth(value: &str) -> Result<Whole<0, 64>, String> {
    value.trim().parse().map_err(|e: super::values::ValueError| e.to_string())
}

fn on_or_off(value: &str) -> Result<bool, String> {
    match value.trim().to_ascii_lowercase().as_str() {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err("neither on nor off".to_owned()),
    }
}
