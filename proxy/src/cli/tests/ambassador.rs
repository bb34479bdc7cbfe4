use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::super::{Layer, Overrides, Source, ambassador_env, merge};
use super::flags;

fn env(name: &str, value: impl Into<OsString>) -> Result<Overrides, String> {
    let value = value.into();
    ambassador_env(&|asked| (asked == name).then(|| value.clone())).map_err(|e| e.to_string())
}

#[test]
fn every_variable_says_what_a_flag_says() {
    let cases = [
        ("AMBASSADOR_ID", "staging", "--ambassador-id=staging"),
        ("AMBASSADOR_NAMESPACE", "edge", "--ambassador-namespace=edge"),
        ("AMBASSADOR_SINGLE_NAMESPACE", "1", "--single-namespace=true"),
        ("AMBASSADOR_SINGLE_NAMESPACE", "false", "--single-namespace=true"),
        ("AMBASSADOR_CERTS_SINGLE_NAMESPACE", "yes", "--certs-single-namespace=true"),
        ("AMBASSADOR_CERTS_SINGLE_NAMESPACE", "False", "--certs-single-namespace=false"),
        ("AMBASSADOR_DRAIN_TIME", "30", "--drain-time=30s"),
        ("AMBASSADOR_DRAIN_TIME", "0", "--drain-time=0s"),
        ("AMBASSADOR_ENVOY_BIND_ADDRESS", "::", "--bind-address=::"),
        ("AMBASSADOR_FORCE_SECRET_VALIDATION", "True", "--force-secret-validation=true"),
        ("AMBASSADOR_FORCE_SECRET_VALIDATION", "t", "--force-secret-validation=true"),
        ("AMBASSADOR_FORCE_SECRET_VALIDATION", "0", "--force-secret-validation=false"),
        ("AMBASSADOR_LABEL_SELECTOR", "app=db", "--label-selector=app=db"),
    ];
    for (name, value, flag) in cases {
        assert_eq!(env(name, value), flags(&[flag]), "{name}={value}");
    }
}

#[test]
fn an_empty_variable_says_nothing() {
    assert_eq!(ambassador_env(&|_| Some(OsString::new())), Ok(Overrides::default()));
    assert_eq!(ambassador_env(&|_| None), Ok(Overrides::default()));
}

#[test]
fn variables_reach_the_settings() {
    let says = env("AMBASSADOR_DRAIN_TIME", "42").unwrap();
    let settings = merge(&[Layer { source: Source::Ambassador, says }]).unwrap();
    assert_eq!(settings.drain.as_secs(), 42);
}

#[test]
fn what_a_variable_cannot_mean_is_refused() {
    let cases = [
        ("AMBASSADOR_DRAIN_TIME", "5m", "not a whole number of seconds", "--drain-time"),
        ("AMBASSADOR_DRAIN_TIME", "-1", "not a whole number of seconds", "--drain-time"),
        ("AMBASSADOR_DRAIN_TIME", "4000000000", "not between 0s and 10years", "--drain-time"),
        ("AMBASSADOR_ENVOY_BIND_ADDRESS", "eth0", "invalid IP address syntax", "--bind-address"),
        ("AMBASSADOR_FORCE_SECRET_VALIDATION", "yes", "neither true nor false", "--force-secret-validation"),
        (
            "AMBASSADOR_CERTS_SINGLE_NAMESPACE",
            "perhaps",
            "neither true nor false",
            "--certs-single-namespace",
        ),
        (
            "AMBASSADOR_LABEL_SELECTOR",
            "a in (b",
            "\"a in (b\" has an unbalanced parenthesis",
            "--label-selector",
        ),
    ];
    for (name, value, why, flag) in cases {
        let error = env(name, value).unwrap_err();
        assert!(error.starts_with(&format!("environment variable {name}={value:?}: {why}")), "{error}");
        assert!(error.ends_with(&format!("; correct or unset it, or say {flag} instead")), "{error}");
    }
    let error = env("AMBASSADOR_ID", OsString::from_vec(vec![0xff])).unwrap_err();
    assert!(error.contains("is not UTF-8"), "{error}");
}
