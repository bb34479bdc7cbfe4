//! Names with several addresses: which endpoint is taken, what happens when one is not there, and what operators
//! see and change.

mod attempts;
mod checks;
mod health;
mod operators;
mod policies;
mod quorum;
mod targets;

use std::collections::HashMap;

use serde_json::Value;

use crate::harness::admin::Admin;
use crate::harness::client::{connect, read_all};
use crate::harness::sluice::{Builder, Sluice};
use crate::harness::{eventually, net};
use crate::relay::{FRONT, Relay};

const ADMIN: Admin = Admin("127.0.0.1:9915");
const MAPPING: &str = "TCPMapping default/echo";

/// `svc` with these addresses, behind a mapping with these annotations, each with a comma behind it.
fn mapping(annotations: &str) -> String {
    Relay::Kernel.annotated("echo", annotations, 7000, "svc:7001", "")
}

fn hosts(addresses: &[&str]) {
    let lines: String = addresses.iter().map(|address| format!("{address} svc\n")).collect();
    net::hosts(&format!("127.0.0.1 localhost\n{lines}"));
}

fn start(annotations: &str) -> Sluice {
    Builder::new(&mapping(annotations)).admin(ADMIN).start()
}

/// Drops every packet to an address without a word.
fn blackhole(address: &str) {
    let family = if address.contains(':') { "ip6" } else { "ip" };
    net::run(
        "nft",
        &["add table inet holes; add chain inet holes in { type filter hook input priority 0; }"],
    );
    net::run("nft", &[&format!("add rule inet holes in {family} daddr {address} tcp dport 7001 drop")]);
}

/// Who answered so many connections, one after another.
fn answers(connections: usize) -> HashMap<String, usize> {
    let mut answers = HashMap::new();
    for _ in 0..connections {
        let answer = String::from_utf8(read_all(&mut connect(FRONT))).unwrap();
        *answers.entry(answer).or_default() += 1;
    }
    answers
}

fn shares<const N: usize>(shares: [(&str, usize); N]) -> HashMap<String, usize> {
    shares.map(|(name, share)| (name.to_owned(), share)).into()
}

/// What the admin endpoint says of an endpoint.
fn endpoint(address: &str) -> Option<Value> {
    let listed = ADMIN.json("/endpoints");
    listed.as_array().unwrap().iter().find(|endpoint| endpoint["endpoint"] == address).cloned()
}

fn await_state(address: &str, state: &str) {
    eventually(state, || (endpoint(address)?["state"] == state).then_some(()));
}

fn change(query: &str) {
    let (status, body) = ADMIN.call("POST", &format!("/endpoint?mapping=echo&endpoint={query}"));
    assert_eq!(status, 404, "a label is the whole name here: {body}");
    let mapping = MAPPING.replace(' ', "+");
    let (status, body) = ADMIN.call("POST", &format!("/endpoint?mapping={mapping}&endpoint={query}"));
    assert_eq!(status, 200, "{body}");
}

fn attempts(result: &str) -> f64 {
    ADMIN.metric(&format!("sluice_connect_attempts_total{{mapping=\"{MAPPING}\",result=\"{result}\"}}"))
}

fn up(address: &str) -> f64 {
    ADMIN.metric(&format!("sluice_endpoint_up{{endpoint=\"{address}\",mapping=\"{MAPPING}\"}}"))
}

fn ejections() -> f64 {
    ADMIN.metric(&format!("sluice_endpoint_ejections_total{{mapping=\"{MAPPING}\"}}"))
}
