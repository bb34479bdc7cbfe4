use std::collections::BTreeMap;

use super::super::scratch::Scratch;
use super::{read, show};
use crate::config::settings::Settings;

fn outcome(text: &str) -> Result<BTreeMap<String, u32>, String> {
    let scratch = Scratch::new();
    let path = scratch.write("s.yaml", text);
    let known = ["window-max".to_owned(), "workers".to_owned()];
    read(&path, &known).map_err(|e| e.to_string().replace(path.to_str().unwrap(), "s.yaml"))
}

#[test]
fn a_file_of_comments_says_nothing() {
    for text in ["", "# workers: 3\n", "---\n"] {
        assert_eq!(outcome(text), Ok(BTreeMap::new()), "{text:?}");
    }
}

#[test]
fn keys_have_values() {
    assert_eq!(outcome("workers: 3\n"), Ok(BTreeMap::from([("workers".to_owned(), 3)])));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let cases = [
        ("\nworker: 3\n", "settings file s.yaml, line 2: unknown key `worker`; did you mean `workers`?"),
        (
            "colour: red\n",
            "settings file s.yaml, line 1: unknown key `colour`; config/sluice.yaml lists every key, \
             and so does `sluice run --help`",
        ),
        ("- workers\n", "settings file s.yaml: not a mapping; write one `key: value` a line"),
        (
            "workers: many\n",
            "settings file s.yaml: workers: invalid type: string \"many\", expected u32 at line 1 column 10",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(outcome(text).unwrap_err(), expected, "{text:?}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = read::<BTreeMap<String, u32>>("/nowhere/s.yaml".as_ref(), &[]).unwrap_err().to_string();
    assert!(error.starts_with("settings file /nowhere/s.yaml: No such file"), "{error}");
    assert!(error.ends_with("or leave --settings out"), "{error}");
}

/// Kong takes a key itself for its file's name; whoever asks for the settings in force is not told it.
#[test]
fn keys_are_not_shown() {
    let mut settings = Settings::default();
    let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----";
    for text in [key, &key[8..], "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0t"] {
        settings.kong.ssl_cert_key = text.to_owned();
        assert_eq!(show(&settings)["kong-ssl-cert-key"], "(a PEM text)");
    }
    settings.kong.ssl_cert_key = "/etc/kong/key.pem".to_owned();
    assert_eq!(show(&settings)["kong-ssl-cert-key"], "/etc/kong/key.pem");
}
