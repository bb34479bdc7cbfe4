//! sluice, one process after the other, and what each of them says.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::cgroup::Cgroup;
use crate::client::PATIENCE;
use crate::harness::admin::Admin;
use crate::harness::sluice::{Builder, Sluice};
use crate::ledger::{Harm, Ledger};
use crate::plan::Birth;
use crate::route::{Config, Trust};

/// The sluice in service, and those before it.
#[derive(Debug)]
pub(crate) struct Proxy {
    ledger: Arc<Ledger>,
    cgroup: Option<Arc<Cgroup>>,
    logs: PathBuf,
    current: Process,
    /// Told to end, and serving their last connections.
    ending: Vec<Process>,
    /// Processes so far.
    pub(crate) born: usize,
    /// Every so many lines of the access log are lost.
    loses: Option<usize>,
}

#[derive(Debug)]
struct Process {
    sluice: Sluice,
    admin: Admin,
    /// The thread that reads its access log to the end.
    reader: std::thread::JoinHandle<()>,
    number: usize,
}

/// Longer than any connection takes: nothing is ever cut off by a drain.
const FLAGS: [&str; 11] = [
    "--bind-address=127.0.0.1",
    "--connect-timeout=30s",
    "--client-hello-timeout=60s",
    "--handshake-timeout=60s",
    "--drain-time=5m",
    "--half-closed-timeout=10m",
    // A reset may be missed: see stream::attend.
    "--keepalive-time=5s",
    "--keepalive-interval=1s",
    "--keepalive-probes=20",
    "--log-filter=info",
    "--access-log=close",
];

impl Proxy {
    /// Starts the first.
    pub(crate) fn new(
        ledger: Arc<Ledger>,
        cgroup: Option<Arc<Cgroup>>,
        logs: PathBuf,
        loses: Option<usize>,
        birth: Birth,
        yaml: &str,
    ) -> Self {
        let current = start(1, &ledger, cgroup.as_deref(), loses, birth, yaml);
        Self { ledger, cgroup, logs, current, ending: Vec::new(), born: 1, loses }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.current.sluice.pid()
    }

    pub(crate) fn admin(&self) -> Admin {
        self.current.admin
    }

    /// Has it take up another configuration, and waits until that is in service: what it logs does not tell which
    /// one it was, and one change may be taken up twice.
    pub(crate) fn reload(&self, config: &Config, trust: &Trust) {
        self.current.sluice.write(&config.yaml(trust));
        let deadline = Instant::now() + PATIENCE;
        while !self.current.admin.get("/config").contains(&config.marker()) {
            assert!(Instant::now() < deadline, "{config:?} was not taken up");
            std::thread::sleep(Duration::from_millis(20)); // tidy: polls a state that nothing announces
        }
    }

    pub(crate) fn freeze(&self) {
        self.current.sluice.freeze();
    }

    pub(crate) fn thaw(&self) {
        self.current.sluice.signal(Signal::CONT);
    }

    /// Kills it, and starts another.
    pub(crate) fn kill(&mut self, birth: Birth, yaml: &str) {
        self.ledger.harm(Harm::Killed);
        self.current.sluice.signal(Signal::KILL);
        self.current.sluice.wait();
        let next = self.next(birth, yaml);
        self.buried(next);
        self.ledger.harm_over(Harm::Killed);
    }

    /// Starts another beside it, and tells it to end.
    pub(crate) fn hand_over(&mut self, birth: Birth, yaml: &str) {
        let next = self.next(birth, yaml);
        let old = std::mem::replace(&mut self.current, next);
        old.sluice.signal(Signal::TERM);
        self.ending.push(old);
    }

    fn next(&mut self, birth: Birth, yaml: &str) -> Process {
        self.born += 1;
        start(self.born, &self.ledger, self.cgroup.as_deref(), self.loses, birth, yaml)
    }

    /// Puts another in the place of one that has ended.
    fn buried(&mut self, next: Process) {
        let old = std::mem::replace(&mut self.current, next);
        old.bury(&self.logs);
    }

    /// Waits until those have ended that were told to.
    pub(crate) fn await_ends(&mut self) {
        for mut old in self.ending.drain(..) {
            let status = old.sluice.wait();
            if !status.success() {
                self.ledger.fault(format!("sluice #{} was told to end, and ended with {status}", old.number));
            }
            old.bury(&self.logs);
        }
    }

    /// Whether those that were told to end have done so.
    pub(crate) fn all_ended(&mut self) -> bool {
        self.ending.iter_mut().all(|old| old.sluice.has_ended())
    }

    /// Ends the last one in order.
    pub(crate) fn end(mut self) {
        self.await_ends();
        self.current.sluice.signal(Signal::TERM);
        let status = self.current.sluice.wait();
        if !status.success() {
            self.ledger.fault(format!("sluice #{} ended with {status}", self.born));
        }
        self.current.bury(&self.logs);
    }
}

impl Process {
    /// Keeps its log, once everything that it has said is taken.
    fn bury(self, logs: &std::path::Path) {
        let Self { mut sluice, reader, number, .. } = self;
        sluice.wait();
        reader.join().unwrap();
        fs::write(logs.join(format!("sluice-{number}.log")), sluice.last_words()).unwrap();
    }
}

fn start(
    number: usize,
    ledger: &Arc<Ledger>,
    cgroup: Option<&Cgroup>,
    loses: Option<usize>,
    birth: Birth,
    yaml: &str,
) -> Process {
    // Two may be there at a time. As long as the process that runs this, as the harness wants it.
    let admin = Admin(format!("127.0.0.1:{}", 9900 + number % 50).leak());
    let own = [format!("--join-after={}", birth.join_after), format!("--budget={}", birth.budget)];
    let own = own.each_ref().map(String::as_str);
    let mut builder = Builder::new(yaml).admin(admin).flags(&FLAGS).flags(&own);
    if let Some(cgroup) = cgroup {
        builder = builder.within(cgroup.door());
    }
    let mut sluice = builder.spawn();
    sluice.expect_log_within("serving", PATIENCE);
    let lines = sluice.take_access_log();
    let ledger = Arc::clone(ledger);
    let reader = std::thread::spawn(move || {
        static TAKEN: AtomicUsize = AtomicUsize::new(0);
        for line in lines {
            let count = TAKEN.fetch_add(1, Ordering::SeqCst);
            if loses.is_some_and(|every| count % every == every - 1) {
                continue;
            }
            match serde_json::from_str(&line) {
                Ok(line) => ledger.record(&line),
                Err(e) => ledger.fault(format!("a line of the access log: {e}: {line}")),
            }
        }
    });
    Process { sluice, admin, reader, number }
}
