//! `sluice convert`: the examples in other words, and back.

mod alike;
mod losses;
mod plain;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use self::alike::{alike, undeclared};
use self::losses::LOSSES;
use crate::command::{Ended, file, sluice, sluice_with};
use crate::harness::tls::Ca;

/// An example, and what it needs beside it.
struct Example {
    /// Its path in the folder of examples, without `.yaml`.
    name: String,
    said: Said,
}

/// Documents in somebody's words.
#[derive(Debug)]
struct Said {
    dialect: &'static str,
    text: String,
    /// Kong's settings, as lines of kong.conf.
    settings: String,
    flags: &'static [&'static str],
}

/// Where the certificate is that Amazon's example names.
const ARN: &str = "arn:aws:acm:eu-west-1:123456789012:certificate/5f0e=server-cert";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples")
}

/// Every example of every dialect.
fn examples(mesh: &Path) -> Vec<Example> {
    let made = Command::new("sh").arg(folder().join("tls/certificates.sh")).arg(mesh).output().unwrap();
    let secrets = String::from_utf8(made.stdout).unwrap();
    let leaf = Ca::new().leaf(&["pay.example.com"]);
    let mut examples = Vec::new();
    for place in ["", "tls/", "aws/", "kong/"] {
        for entry in std::fs::read_dir(folder().join(place)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let name = format!("{place}{}", path.file_stem().unwrap().to_str().unwrap());
            let text =
                std::fs::read_to_string(&path).unwrap().replace("/etc/istio-certs", mesh.to_str().unwrap());
            let said = if place == "kong/" {
                let text = with_keys(&text, &leaf.chain, &leaf.key);
                Said { dialect: "kong", text, settings: listen(&name), flags: &[] }
            } else {
                let is_gateway = name.ends_with("gateway") || place == "aws/";
                let dialect = if is_gateway { "gateway" } else { "ambassador" };
                let text = if place.is_empty() { text } else { format!("{text}---\n{secrets}") };
                let flags: &[_] = if place == "aws/" { &["--certificate-map", ARN] } else { &[] };
                Said { dialect, text, settings: String::new(), flags }
            };
            examples.push(Example { name, said });
        }
    }
    assert!(examples.len() >= 26, "{}", examples.len());
    examples.sort_by(|a, b| a.name.cmp(&b.name));
    examples
}

/// What decK takes from its environment, put in.
fn with_keys(text: &str, chain: &str, key: &str) -> String {
    let quoted = |pem: &str| serde_json::to_string(pem).unwrap();
    text.replace("${{ env \"DECK_PAY_CERT\" }}", &quoted(chain))
        .replace("${{ env \"DECK_PAY_KEY\" }}", &quoted(key))
}

/// The part of the examples' kong.conf that an example is about.
fn listen(name: &str) -> String {
    let addresses = match name {
        "kong/services" => "0.0.0.0:5432, 0.0.0.0:6379",
        "kong/tls" => "0.0.0.0:8443 ssl",
        "kong/upstreams" => "0.0.0.0:5432",
        "kong/version-1" => "0.0.0.0:5555",
        other => panic!("{other} needs an address to listen on"),
    };
    format!("stream_listen = {addresses}\n")
}

impl Said {
    fn run(&self, words: &[&str]) -> Ended {
        let (document, settings) = (file(&self.text), file(&self.settings));
        let words: Vec<_> = words
            .iter()
            .copied()
            .chain([document.as_str(), "--kong-conf", &settings])
            .chain(self.flags.iter().copied())
            .collect();
        sluice(&words)
    }

    /// What would be served.
    fn table(&self) -> Value {
        let ended = self.run(&["check", "--format", "json"]);
        assert_eq!(ended.code, Some(0), "{}\n{self:?}", ended.stdout);
        let mut report: Value = serde_json::from_str(&ended.stdout).unwrap();
        let mut served = report["served"].take();
        alike(&mut served);
        served
    }

    /// The same in the words of another dialect, and what those do not say.
    fn converted(&self, to: &'static str) -> (Self, Vec<String>) {
        let ended = self.run(&["convert", "--to", to, "--keys"]);
        let lines = |prefix| ended.stderr.lines().filter_map(move |line| line.strip_prefix(prefix));
        let lost: Vec<_> = lines("not converted: ").map(str::to_owned).collect();
        let settings: String = lines("set: ").map(|line| format!("{line}\n")).collect();
        let code = i32::from(!lost.is_empty());
        assert_eq!(ended.code, Some(code), "{}\n{self:?}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), lost.len() + settings.lines().count(), "{}", ended.stderr);
        // Whoever has the file alone finds them there.
        let head: String = ended
            .stdout
            .lines()
            .map_while(|line| line.strip_prefix("# "))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(head, settings);
        (Self { dialect: to, text: ended.stdout, settings, flags: &[] }, lost)
    }
}

/// Each example in the words of `to`: the same table there and back, or what is listed is lost.
fn there_and_back(to: &'static str) {
    let mesh = std::env::temp_dir().join(format!("sluice-convert-{to}-{}", std::process::id()));
    let mut kept = 0;
    for Example { name, said } in examples(&mesh) {
        let (there, lost) = said.converted(to);
        let expected = LOSSES.iter().find(|(example, dialect, _)| (*example, *dialect) == (&*name, to));
        let expected = expected.map_or(&[][..], |(.., sentences)| sentences);
        let is_as_listed = lost.len() == expected.len()
            && lost.iter().zip(expected).all(|(lost, beginning)| lost.starts_with(beginning));
        assert!(is_as_listed, "{name} to {to} loses {lost:#?}, and {expected:#?} is listed");
        if !lost.is_empty() {
            continue;
        }
        // Nothing is written in the words of Amazon's class, which says what others of the API do not.
        if name.starts_with("aws/") {
            assert_eq!(said.table(), there.table(), "{name} to {to}");
            continue;
        }
        let (back, lost) = there.converted(said.dialect);
        // On the way back Kong's own defaults are the upstream's.
        let lost: Vec<_> = lost
            .iter()
            .filter(|lost| !(to == "kong" && lost.contains(": no backend of the Gateway API's has ")))
            .collect();
        assert!(lost.is_empty(), "{name} to {to} and back loses {lost:#?}");
        let mut tables = [said.table(), there.table(), back.table()];
        if to == "kong" {
            tables.iter_mut().for_each(undeclared);
        }
        let [before, there, back] = tables;
        assert_eq!(before, there, "{name} to {to}");
        assert_eq!(before, back, "{name} to {to} and back");
        kept += 1;
    }
    assert!(kept >= 7, "{kept} went to {to} and back");
    std::fs::remove_dir_all(mesh).unwrap();
}

/// Nothing of it is lost in the words of `to`, nor on the way back.
fn goes_to(to: &'static str, what: &str, said: &Said) {
    let (there, lost) = said.converted(to);
    assert_eq!(lost, Vec::<String>::new(), "{what} to {to}");
    let (back, lost) = there.converted(said.dialect);
    assert_eq!(lost, Vec::<String>::new(), "{what} to {to} and back");
    let mut tables = [said.table(), there.table(), back.table()];
    if to == "kong" {
        tables.iter_mut().for_each(undeclared);
    }
    let [before, there, back] = tables;
    assert_eq!(before, there, "{what} to {to}");
    assert_eq!(before, back, "{what} to {to} and back");
}

#[test]
fn an_example_says_the_same_as_ambassadors_resources_and_back() {
    there_and_back("ambassador");
}

#[test]
fn an_example_says_the_same_as_kongs_file_and_back() {
    there_and_back("kong");
}

#[test]
fn an_example_says_the_same_as_a_gateway_and_back() {
    there_and_back("gateway");
}

/// Shares that sum to 100, in the words of those that have shares of routes.
#[test]
fn shares_stay_as_they_are() {
    let text: String = [("a", 90), ("b", 10)]
        .map(|(name, weight)| {
            format!(
                "---\napiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\nmetadata: {{name: {name}}}\n\
                 spec: {{port: 5432, service: '{name}:1', weight: {weight}}}\n"
            )
        })
        .concat();
    let said = Said { dialect: "ambassador", text, settings: String::new(), flags: &[] };
    let (there, lost) = said.converted("gateway");
    assert_eq!(lost, Vec::<String>::new());
    assert_eq!((said.table(), there.converted("ambassador").0.table()), (there.table(), there.table()));
    let (there, lost) = said.converted("kong");
    assert_eq!(
        lost,
        ["TCPMapping default/a: the 2 mappings of its route become targets of one upstream, counted as one"]
    );
    let resolution = &there.table()[0]["routes"][0]["mappings"][0]["resolution"];
    assert_eq!(*resolution, serde_json::json!([["a:1", 9], ["b:1", 1]]));
}

#[test]
fn keys_are_written_only_where_they_are_asked_for() {
    let made = Command::new("sh").arg(folder().join("tls/certificates.sh")).output().unwrap();
    let secrets = file(&String::from_utf8(made.stdout).unwrap());
    let example = folder().join("tls/terminate.yaml");
    for (to, instead) in [
        ("ambassador", "keep a Secret default/server-cert beside the documents"),
        ("gateway", "keep a Secret default/server-cert beside the documents"),
        ("kong", "its PEM in the environment variable DECK_KEY_"),
    ] {
        let ended = sluice(&["convert", "--to", to, example.to_str().unwrap(), &secrets]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let told = "the private key is not written; give --keys, or ";
        assert!(ended.stderr.contains(&format!("{told}{instead}")), "{ended:?}");
        assert!(!ended.stdout.contains("tls.key") && !ended.stdout.contains("PRIVATE KEY"), "{ended:?}");
    }
}

/// What Kong keeps in kong.conf is told to whoever reads, and is not lost.
#[test]
fn settings_of_kong_are_told_and_not_lost() {
    let text = "apiVersion: getambassador.io/v3alpha1\nkind: Listener\n\
                metadata: {name: l, annotations: {sluice.dev/proxy-protocol-from: 10.0.0.0/8}}\n\
                spec: {port: 5432, protocolStack: [PROXY, TCP], securityModel: XFP, \
                hostBinding: {namespace: {from: ALL}}}\n---\n\
                apiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\nmetadata: {name: db}\n\
                spec: {port: 5432, service: 'db:5432'}\n";
    let ended = sluice_with(&["convert", "--to", "kong", "-"], &[], text);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(
        ended.stderr,
        "set: stream_listen = 0.0.0.0:5432 proxy_protocol\nset: trusted_ips = 10.0.0.0/8\n"
    );
    let head = "# stream_listen = 0.0.0.0:5432 proxy_protocol\n# trusted_ips = 10.0.0.0/8\n---\n";
    assert!(ended.stdout.starts_with(head), "{ended:?}");
}

#[test]
fn what_is_in_error_is_told_and_the_rest_converted() {
    let text = "apiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\nmetadata: {name: a}\n\
                spec: {port: 1, service: db:5432}\n---\napiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\n\
                metadata: {name: b}\nspec: {port: none, service: db:5432}\n";
    let ended = sluice_with(&["convert", "--to", "ambassador", "-"], &[], text);
    assert_eq!(ended.code, Some(64), "{ended:?}");
    assert!(ended.stderr.starts_with("error: -#2: TCPMapping default/b: spec.port: "), "{ended:?}");
    assert!(ended.stdout.contains("service: db:5432") && !ended.stdout.contains("name: b"), "{ended:?}");
}
