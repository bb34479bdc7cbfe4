//! What everybody saw of each connection, until it is judged; and what was done to sluice meanwhile.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::play::Saw;
use crate::route::Upstream;

/// What a client made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Front {
    /// It could not connect.
    Refused(String),
    /// It connected and came no further than this.
    Unfinished(String),
    /// It ended at once, as it was meant to.
    Mute,
    Played(Saw),
}

/// What sluice says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) reason: String,
    pub(crate) mapping: String,
    pub(crate) relay: String,
    pub(crate) received: usize,
    pub(crate) sent: usize,
}

/// One connection.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) begun: Instant,
    /// When the later of its ends was through with it: until then bytes may be lost, though the other has gone.
    pub(crate) over: Option<Instant>,
    pub(crate) front: Option<Front>,
    pub(crate) servers: Vec<Saw>,
    pub(crate) records: Vec<Record>,
}

/// What a disturbance may do to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harm {
    /// sluice was killed, or was not there.
    Killed,
    /// This upstream was cut off, or was not there.
    Down(Upstream),
    /// sluice had no descriptor left.
    Starved,
}

/// When something could do harm.
#[derive(Debug, Clone, Copy)]
struct Span {
    harm: Harm,
    from: Instant,
    to: Option<Instant>,
}

/// What may have happened to a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Hits {
    pub(crate) killed: bool,
    pub(crate) down: bool,
    pub(crate) starved: bool,
}

impl Hits {
    /// Whether sluice was there and could take it: then it has a line to write, whatever became of it.
    pub(crate) fn must_be_logged(self) -> bool {
        !self.killed && !self.starved
    }
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: Mutex<HashMap<u64, Entry>>,
    spans: Mutex<Vec<Span>>,
    faults: Mutex<Vec<String>>,
    /// Connections of servers that ended before they said whose they are.
    pub(crate) untagged: AtomicU64,
}

/// How much later than both ends sluice may be done with a connection and have said so.
const SLACK: Duration = Duration::from_secs(2);

impl Ledger {
    pub(crate) fn begin(&self, number: u64) {
        let entry = Entry {
            begun: Instant::now(),
            over: None,
            front: None,
            servers: Vec::new(),
            records: Vec::new(),
        };
        self.entries.lock().unwrap().insert(number, entry);
    }

    pub(crate) fn front(&self, number: u64, front: Front) {
        self.with(number, |entry| {
            entry.front = Some(front);
            entry.over = Some(Instant::now());
        });
    }

    pub(crate) fn server(&self, number: u64, saw: Saw) {
        self.with(number, |entry| {
            entry.servers.push(saw);
            entry.over = Some(Instant::now());
        });
    }

    /// Takes a line of the access log.
    pub(crate) fn record(&self, line: &Value) {
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let count = |key: &str| line[key].as_u64().unwrap_or_default() as usize;
        let socket = if line["proxy"].is_null() { text("peer") } else { text("proxy") };
        let source = socket.parse::<std::net::SocketAddr>().ok();
        let Some(number) = source.and_then(|source| crate::plan::number_at(source.ip())) else {
            self.fault(format!("a line about a connection that is nobody's: {line}"));
            return;
        };
        let record = Record {
            reason: text("reason"),
            mapping: text("mapping"),
            relay: text("relay"),
            received: count("received"),
            sent: count("sent"),
        };
        self.with(number, |entry| entry.records.push(record));
    }

    fn with(&self, number: u64, change: impl FnOnce(&mut Entry)) {
        match self.entries.lock().unwrap().get_mut(&number) {
            Some(entry) => change(entry),
            None => self.fault(format!("connection {number} is heard of, and is not under way")),
        }
    }

    /// Something that must not be, whatever was done to sluice.
    pub(crate) fn fault(&self, what: String) {
        println!("soak: {what}");
        self.faults.lock().unwrap().push(what);
    }

    /// How many faults there are.
    pub(crate) fn faults(&self) -> usize {
        self.faults.lock().unwrap().len()
    }

    /// All faults.
    pub(crate) fn all_faults(&self) -> Vec<String> {
        self.faults.lock().unwrap().clone()
    }

    /// From now on this harm may be done.
    pub(crate) fn harm(&self, harm: Harm) {
        self.spans.lock().unwrap().push(Span { harm, from: Instant::now(), to: None });
    }

    /// It is over.
    pub(crate) fn harm_over(&self, harm: Harm) {
        let mut spans = self.spans.lock().unwrap();
        let open = spans.iter_mut().filter(|span| span.harm == harm && span.to.is_none());
        open.for_each(|span| span.to = Some(Instant::now()));
    }

    /// What may have happened to a connection that may have used these upstreams.
    pub(crate) fn hits(&self, entry: &Entry, upstreams: &[Upstream]) -> Hits {
        let over = entry.over.map(|over| over + SLACK);
        let spans = self.spans.lock().unwrap();
        let mut hits = Hits::default();
        for span in spans.iter() {
            let before = over.is_some_and(|over| over < span.from);
            let after = span.to.is_some_and(|to| to < entry.begun);
            if before || after {
                continue;
            }
            match span.harm {
                Harm::Killed => hits.killed = true,
                Harm::Starved => hits.starved = true,
                Harm::Down(upstream) => hits.down |= upstreams.contains(&upstream),
            }
        }
        hits
    }

    /// How many connections satisfy this.
    pub(crate) fn count(&self, is: impl Fn(&u64, &Entry) -> bool) -> usize {
        self.entries.lock().unwrap().iter().filter(|(number, entry)| is(number, entry)).count()
    }

    /// All connections, by number, once nobody has anything to add. What was done is forgotten with them.
    pub(crate) fn settle(&self) -> Vec<(u64, Entry)> {
        let mut all: Vec<_> = self.entries.lock().unwrap().drain().collect();
        all.sort_by_key(|(number, ..)| *number);
        all
    }

    /// Forgets harms that are over.
    pub(crate) fn forget_harms(&self) {
        self.spans.lock().unwrap().retain(|span| span.to.is_none());
    }

    /// Connections of servers that said nothing of whose they are.
    pub(crate) fn add_untagged(&self) {
        self.untagged.fetch_add(1, Ordering::SeqCst);
    }
}
