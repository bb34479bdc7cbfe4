//! An agent that speaks Consul's health API, as far as its documentation says.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// What the agent does with questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Answers,
    /// Status 500.
    Fails,
    /// Takes the question, and says nothing.
    Silent,
}

/// A running agent. Its threads end with the test's process.
#[derive(Debug, Clone)]
pub(crate) struct Consul(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    index: u64,
    body: String,
    mood: Mood,
    asked: Vec<String>,
}

impl Consul {
    /// An agent with an empty catalogue.
    ///
    /// # Panics
    /// When the address cannot be bound.
    pub(crate) fn start(address: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap_or_else(|e| panic!("{address}: {e}"));
        let state = State { index: 100, body: "[]".to_owned(), mood: Mood::Answers, asked: Vec::new() };
        let consul = Self(Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() }));
        let server = consul.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let server = server.clone();
                thread::spawn(move || server.serve(stream));
            }
        });
        consul
    }

    /// Registers these instances: address of the service, empty for its node's, and port.
    pub(crate) fn register(&self, index: u64, instances: &[(&str, u16)]) {
        let entry = |(address, port): &(&str, u16)| {
            format!(
                r#"{{"Node":{{"Node":"n","Address":"127.0.0.2"}},"Service":{{"ID":"a","Service":"web","Address":"{address}","Port":{port},"Weights":{{"Passing":1,"Warning":1}}}},"Checks":[]}}"#
            )
        };
        let entries: Vec<_> = instances.iter().map(entry).collect();
        self.change(|state| {
            state.index = index;
            state.body = format!("[{}]", entries.join(","));
        });
    }

    /// From now on does this, and ends every question that waits.
    pub(crate) fn mood(&self, mood: Mood) {
        self.change(|state| state.mood = mood);
    }

    /// The paths asked for so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.0.state.lock().unwrap().asked.clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.state.lock().unwrap());
        self.0.changed.notify_all();
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
        while let Some(request) = lines.next() {
            for _header in lines.by_ref().take_while(|line| !line.is_empty()) {}
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            let query: HashMap<_, _> = path
                .split_once('?')
                .map_or("", |(_, query)| query)
                .split('&')
                .filter_map(|p| p.split_once('='))
                .collect();
            let index: u64 = query.get("index").map_or(0, |index| index.parse().unwrap());
            let mut state = self.0.state.lock().unwrap();
            state.asked.push(path.clone());
            // As documented: it blocks while what is there is what was seen, for no longer than asked.
            let mood = state.mood;
            if mood == Mood::Answers && index > 0 {
                let wait = query["wait"].strip_suffix("ms").unwrap().parse().unwrap();
                let same = |state: &mut State| state.index == index && state.mood == Mood::Answers;
                state =
                    self.0.changed.wait_timeout_while(state, Duration::from_millis(wait), same).unwrap().0;
            }
            let (status, body) = match state.mood {
                Mood::Answers => ("200 OK", state.body.clone()),
                Mood::Fails => ("500 Internal Server Error", "rpc error: No cluster leader".to_owned()),
                Mood::Silent => {
                    drop(self.0.changed.wait_while(state, |state| state.mood == Mood::Silent).unwrap());
                    return;
                }
            };
            let head = format!("X-Consul-Index: {}\r\nContent-Length: {}", state.index, body.len());
            drop(state);
            if write!(stream, "HTTP/1.1 {status}\r\n{head}\r\n\r\n{body}").is_err() {
                return;
            }
        }
    }
}
