//! A run: a warm-up, rounds of load and disturbances, and after each a rest in which everything is judged.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::cgroup::Cgroup;
use crate::client::{Clients, PATIENCE};
use crate::disturb::{Disturber, bound_link};
use crate::figures::{self, Figures, HEADING};
use crate::harness::client::connect;
use crate::harness::{bpf, eventually, net};
use crate::ledger::{Front, Hits, Ledger};
use crate::load::Load;
use crate::oracle::{Case, judge};
use crate::proxy::Proxy;
use crate::route::{Config, Route, Trust};
use crate::settings::{Sabotage, Settings};
use crate::upstreams::Upstreams;

/// Longest round: what a connection may have been through is judged while its log is still at hand.
const ROUND: Duration = Duration::from_secs(60);

/// How much sluice's memory may grow from its first rest to its last, in bytes: the allocator keeps what the busiest
/// moment took, and moments differ. A leak of 1 KiB a connection is more within minutes.
const GROWTH: u64 = 48 << 20;

/// Threads that may be there beside those of the first rest: the runtime's for what blocks live for ten seconds after
/// their last work, such as a look at a file.
const BLOCKING: usize = 2;

/// Faults after which a run has nothing more to say.
const ENOUGH: usize = 20;

struct Run {
    settings: Settings,
    disturber: Disturber,
    load: Load,
    logs: PathBuf,
    reasons: BTreeMap<String, usize>,
    relays: BTreeMap<String, usize>,
    /// Connections that something may have happened to.
    hit: usize,
    judged: usize,
    bytes: usize,
    /// At each rest: which process it was, and what it held.
    rests: Vec<(usize, Figures)>,
}

/// Runs it; what was wrong.
///
/// # Panics
/// When something cannot be set up.
pub(crate) fn run(settings: Settings) -> Vec<String> {
    println!("soak: seed {}, {} s, {:?}", settings.plan.seed, settings.time.as_secs(), settings.sabotage);
    prepare_network();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let logs = logs(settings.plan.seed);
    let mut run = Run::new(settings, &runtime, logs);
    run.warm_up();
    run.rounds();
    let faults = run.end();
    runtime.shutdown_background();
    faults
}

/// Every address of fd00::/96 is this network's own, as all of 127.0.0.0/8 are.
fn prepare_network() {
    net::private();
    net::ip(&["-6", "route", "add", "local", "fd00::/96", "dev", "lo"]);
    fs::write("/proc/sys/net/ipv6/ip_nonlocal_bind", "1").unwrap();
    // Else a handshake that loses its last segment ends with the process that began it, at a hand-over.
    fs::write("/proc/sys/net/ipv4/tcp_migrate_req", "1").unwrap();
    bound_link();
}

fn logs(seed: u64) -> PathBuf {
    // CARGO_TARGET_TMPDIR is target/tmp.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("soak");
    let folder = folder.join(format!("{seed}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

impl Run {
    fn new(settings: Settings, runtime: &Runtime, logs: PathBuf) -> Self {
        let (plan, config, trust) = (settings.plan, Config::new(), Trust::new());
        let ledger = Arc::new(Ledger::default());
        let clients = Arc::new(Clients {
            plan,
            ledger: Arc::clone(&ledger),
            tls: Arc::new(trust.ca.client(None)),
            certificate: AtomicU64::new(config.certificate),
            next_certificate: AtomicU64::new(config.certificate),
        });
        let sabotaged = |by| (settings.sabotage == Some(by)).then_some(20);
        let upstreams = Upstreams::new(
            plan,
            Arc::clone(&ledger),
            trust.upstream.server(),
            sabotaged(Sabotage::Bytes),
            runtime.handle().clone(),
        );
        let cgroup = Cgroup::new().map(Arc::new);
        let proxy = Proxy::new(
            Arc::clone(&ledger),
            cgroup.clone(),
            logs.clone(),
            sabotaged(Sabotage::Records).map(|every| every as usize),
            plan.birth(),
            &config.yaml(&trust),
        );
        let load = Load::new(&clients, runtime.handle());
        let (pending, done) = (Vec::new(), BTreeMap::new());
        let disturber = Disturber { proxy, trust, ledger, clients, upstreams, cgroup, config, pending, done };
        let (reasons, relays, rests) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        Self { settings, disturber, load, logs, reasons, relays, hit: 0, judged: 0, bytes: 0, rests }
    }

    fn ledger(&self) -> &Ledger {
        &self.disturber.ledger
    }

    /// Everything is used once before anything is counted.
    fn warm_up(&mut self) {
        self.load.go();
        self.disturber.round(std::iter::empty(), Instant::now() + self.settings.time.min(ROUND) / 6);
        self.rest();
    }

    fn rounds(&mut self) {
        let began = Instant::now();
        let length = (self.settings.time / 2).min(ROUND);
        for round in 0.. {
            let passed = began.elapsed();
            if passed + length / 2 > self.settings.time || self.ledger().faults() >= ENOUGH {
                break;
            }
            // One process lives through the last third, so that what it gathers has time to show.
            let replace = passed < self.settings.time * 2 / 3;
            let steps = self.settings.plan.steps(round, &self.disturber.config, replace);
            self.load.go();
            self.disturber.round(steps, Instant::now() + length);
            self.rest();
        }
    }

    /// Waits until nobody is connected, and judges everything.
    fn rest(&mut self) {
        self.load.rest();
        let deadline = Instant::now() + PATIENCE + PATIENCE / 4;
        while self.load.busy() + self.disturber.upstreams.busy() > 0 || !self.disturber.proxy.all_ended() {
            if Instant::now() > deadline {
                self.ledger().fault("not all have come to an end".to_owned());
                break;
            }
            std::thread::sleep(Duration::from_millis(20)); // tidy: polls what ends by itself
        }
        self.disturber.proxy.await_ends();
        self.await_records();
        self.judge();
        self.figures();
    }

    /// A connection's line comes once its sockets are closed, which is after its ends have seen its end, and may be long
    /// after: what they said last may have to be repeated, and repeated again.
    fn await_records(&self) {
        let begun = Instant::now();
        let missing = |number: &u64, entry: &crate::ledger::Entry| {
            let shape = self.settings.plan.shape(*number);
            let hits = self.ledger().hits(entry, shape.route.upstreams());
            entry.records.is_empty() && hits.must_be_logged()
        };
        while self.ledger().count(missing) > 0 {
            let passed = begun.elapsed();
            if passed > PATIENCE || (passed > Duration::from_secs(20) && figures::sockets().is_empty()) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20)); // tidy: polls what ends by itself
        }
    }

    fn judge(&mut self) {
        for (number, entry) in self.ledger().settle() {
            let shape = self.settings.plan.shape(number);
            let hits = self.ledger().hits(&entry, shape.route.upstreams());
            let case = Case {
                shape: &shape,
                front: entry.front.as_ref(),
                servers: &entry.servers,
                records: &entry.records,
                hits,
            };
            let faults = judge(&case);
            if !faults.is_empty() {
                self.ledger().fault(format!(
                    "seed {} connection {number}: {}\n  {shape:?}\n  client {:?}\n  servers {:?}\n  log {:?}\n  {hits:?}",
                    self.settings.plan.seed,
                    faults.join("; "),
                    entry.front,
                    entry.servers,
                    entry.records
                ));
            }
            self.judged += 1;
            self.hit += usize::from(hits != Hits::default());
            let heard = |front: &Option<Front>| match front {
                Some(Front::Played(saw)) => saw.heard,
                _ => 0,
            };
            self.bytes += heard(&entry.front) + entry.servers.iter().map(|saw| saw.heard).sum::<usize>();
            let (reason, relay) = match entry.records.first() {
                Some(record) => (record.reason.as_str(), record.relay.as_str()),
                None if hits.killed => ("(killed)", "(none)"),
                None if hits.starved => ("(no descriptors)", "(none)"),
                None => ("(none)", "(none)"),
            };
            *self.reasons.entry(reason.to_owned()).or_default() += 1;
            *self.relays.entry(relay.to_owned()).or_default() += 1;
        }
        self.ledger().forget_harms();
    }

    /// What sluice holds now; compared with its first rest.
    fn figures(&mut self) {
        let proxy = &self.disturber.proxy;
        let _stays =
            (self.settings.sabotage == Some(Sabotage::Connection)).then(|| connect(&Route::Splice.front()));
        let first = self.rests.first().map(|(_, figures)| *figures);
        let begun = Instant::now();
        let figures = loop {
            let figures = Figures::of(proxy.pid(), proxy.admin());
            let patience = if figures::ends_by_itself() { PATIENCE } else { Duration::from_secs(20) };
            if figures.at_rest(&first.unwrap_or(figures)) || begun.elapsed() > patience {
                break figures;
            }
            std::thread::sleep(Duration::from_millis(50)); // tidy: polls what ends by itself
        };
        if !figures.at_rest(&first.unwrap_or(figures)) {
            let first = first.unwrap_or(figures);
            let sockets = figures::sockets().join("\n");
            self.ledger().fault(format!("left behind:\n{HEADING}\n{figures}\nat first\n{first}\n{sockets}"));
        }
        for fault in figures::never(proxy.admin()) {
            self.ledger().fault(fault);
        }
        println!("soak: {} connections; sluice #{}\n  {HEADING}\n  {figures}", self.load.begun(), proxy.born);
        self.rests.push((proxy.born, figures));
    }

    fn end(mut self) -> Vec<String> {
        self.check_growth();
        let Disturber { proxy, ledger, cgroup, done, .. } = self.disturber;
        let (born, objects) = (proxy.born, bpf::objects_of(proxy.pid()));
        proxy.end();
        drop(cgroup);
        let left = || objects.iter().filter(|(kind, id)| bpf::exists(kind, id)).count();
        eventually("nothing of sluice's in the kernel", || (left() == 0).then_some(()));

        println!("\nsoak: at each rest\n  sluice {HEADING}");
        self.rests.iter().for_each(|(number, figures)| println!("  {number:>6} {figures}"));
        println!("soak: {} programs and maps of the last sluice, 0 left", objects.len());
        println!(
            "soak: {} connections judged, {} bytes heard, {} of them disturbed; {born} processes",
            self.judged, self.bytes, self.hit
        );
        println!("soak: ended by reason {:?}", self.reasons);
        println!("soak: by relay {:?}", self.relays);
        println!("soak: disturbances {done:?}");
        println!("soak: {} servers were told nothing", ledger.untagged.load(Ordering::SeqCst));
        println!("soak: {} faults; logs in {}", ledger.faults(), self.logs.display());
        let faults = ledger.all_faults();
        fs::write(self.logs.join("faults.txt"), faults.join("\n")).unwrap();
        faults
    }

    /// The last process' memory, from its first rest to its last.
    fn check_growth(&mut self) {
        let Some((last, end)) = self.rests.last().copied() else { return };
        let first = self.rests.iter().find(|(number, _)| *number == last);
        let begin = first.map_or(end, |(_, figures)| *figures);
        if end.resident > begin.resident + GROWTH {
            self.ledger().fault(format!("memory grew from {} to {} bytes", begin.resident, end.resident));
        }
        let (pid, most) = (self.disturber.proxy.pid(), self.rests[0].1.threads + BLOCKING);
        let threads = || fs::read_dir(format!("/proc/{pid}/task")).unwrap().count();
        let deadline = Instant::now() + Duration::from_secs(20);
        while threads() > most && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50)); // tidy: polls what ends by itself
        }
        if threads() > most {
            self.ledger().fault(format!("{} threads, {most} at most", threads()));
        }
    }
}
