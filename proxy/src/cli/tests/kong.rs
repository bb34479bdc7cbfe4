//! Kong's variables and kong.conf.

use std::ffi::OsString;

use clap::Parser;

use super::super::{Cli, Layer, Source, kong_conf, kong_env, merge};
use super::flags;
use crate::config::settings::Settings;

#[test]
fn every_variable_says_what_a_flag_says() {
    let cases = [
        ("KONG_CONF", "/etc/kong/kong.conf", "--kong-conf=/etc/kong/kong.conf"),
        ("KONG_STREAM_LISTEN", "0.0.0.0:1 ssl", "--kong-stream-listen=0.0.0.0:1 ssl"),
        ("KONG_ROUTER_FLAVOR", "traditional", "--kong-router-flavor=traditional"),
        ("KONG_TRUSTED_IPS", "10.0.0.0/8", "--kong-trusted-ips=10.0.0.0/8"),
        ("KONG_PORT_MAPS", "80:8000", "--kong-port-maps=80:8000"),
        ("KONG_SSL_CERT", "/c.pem", "--kong-ssl-cert=/c.pem"),
        ("KONG_SSL_CERT_KEY", "/k.pem", "--kong-ssl-cert-key=/k.pem"),
        ("KONG_LUA_SSL_TRUSTED_CERTIFICATE", "/ca.pem", "--kong-lua-ssl-trusted-certificate=/ca.pem"),
        ("KONG_LUA_SSL_VERIFY_DEPTH", "3", "--kong-lua-ssl-verify-depth=3"),
        ("KONG_NGINX_SPROXY_PROXY_SSL_VERIFY", "on", "--kong-proxy-ssl-verify=true"),
        ("KONG_NGINX_SPROXY_PROXY_PROTOCOL", "off", "--kong-proxy-protocol=false"),
    ];
    for (name, value, flag) in cases {
        let says = kong_env(&|asked| (asked == name).then(|| OsString::from(value)));
        assert_eq!(says.map_err(|e| e.to_string()), flags(&[flag]), "{name}={value}");
    }
    let wrong = kong_env(&|asked| (asked == "KONG_LUA_SSL_VERIFY_DEPTH").then(|| OsString::from("65")));
    let expected = "environment variable KONG_LUA_SSL_VERIFY_DEPTH=\"65\": not a whole number from 0 to 64; correct or unset \
                    it, or say --kong-lua-ssl-verify-depth instead";
    assert_eq!(wrong.unwrap_err().to_string(), expected);
}

const CONF: &str = "
# stream_listen = 0.0.0.0:1
stream_listen = 0.0.0.0:5432, 0.0.0.0:8443 ssl    # both
  trusted_ips=10.0.0.0/8
database = off
lua_ssl_verify_depth = 2	# enough
nginx_sproxy_proxy_protocol = on
conf = /etc/other.conf
";

#[test]
fn kong_conf_says_what_nobody_else_does() {
    let path = std::env::temp_dir().join(format!("sluice-kong-{}.conf", std::process::id()));
    std::fs::write(&path, CONF).unwrap();
    let says = kong_conf(&path).unwrap();
    let layer = Layer { source: Source::KongConf(path.clone()), says };
    let settings = merge(&[layer]).unwrap();
    let mut expected = Settings::default();
    expected.kong.stream_listen = "0.0.0.0:5432, 0.0.0.0:8443 ssl".to_owned();
    expected.kong.trusted_ips = "10.0.0.0/8".to_owned();
    expected.kong.verify_depth = 2;
    expected.kong.proxy_protocol = true;
    assert_eq!(settings, expected);

    // A variable, named or not, comes before it.
    let line = ["sluice", "run", "kong.yaml", "--kong-conf", path.to_str().unwrap()];
    let command = Cli::try_parse_from(line).unwrap().command;
    let env = |name: &str| (name == "KONG_STREAM_LISTEN").then(|| OsString::from("off"));
    let kong = command.settings(&env).unwrap().kong;
    assert_eq!((kong.stream_listen.as_str(), kong.verify_depth), ("off", 2));

    std::fs::write(&path, "nginx_sproxy_proxy_ssl_verify = perhaps\n").unwrap();
    let error = kong_conf(&path).unwrap_err().to_string();
    let expected = "nginx_sproxy_proxy_ssl_verify = perhaps: neither on nor off; correct it, or say --kong-proxy-ssl-verify \
                    instead";
    assert!(error.ends_with(expected), "{error}");
    std::fs::remove_file(&path).unwrap();
    let error = kong_conf(&path).unwrap_err().to_string();
    assert!(error.ends_with("name a file that can be read, or leave kong-conf out"), "{error}");
}
