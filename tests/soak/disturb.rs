//! Does to sluice and its surroundings what the plan says, and undoes it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::cgroup::Cgroup;
use crate::client::Clients;
use crate::harness::net::run;
use crate::ledger::{Harm, Ledger};
use crate::plan::{Disturbance, Step};
use crate::proxy::Proxy;
use crate::route::{Config, Trust, Upstream};
use crate::upstreams::Upstreams;

/// Who is disturbed, and by what at the moment.
pub(crate) struct Disturber {
    pub(crate) proxy: Proxy,
    pub(crate) trust: Trust,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) clients: Arc<Clients>,
    pub(crate) upstreams: Upstreams,
    pub(crate) cgroup: Option<Arc<Cgroup>>,
    /// What is in service.
    pub(crate) config: Config,
    pub(crate) pending: Vec<(Instant, Undo)>,
    /// How often each was done.
    pub(crate) done: BTreeMap<&'static str, usize>,
}

/// What goes on for a while beside everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undo {
    RelayOff,
    Down(Upstream),
    Squeeze,
    Lose(u32),
    Throttle,
}

impl Disturber {
    /// Does the steps one after the other until then, and undoes what is left of them.
    pub(crate) fn round(&mut self, steps: impl Iterator<Item = Step>, until: Instant) {
        for Step { after, what } in steps {
            let at = Instant::now() + after;
            if at >= until {
                break;
            }
            self.wait(at);
            self.disturb(what);
        }
        self.wait(until);
        for (_, undo) in std::mem::take(&mut self.pending) {
            self.undo(undo);
        }
        self.reload(self.config.calm());
    }

    /// Waits, and undoes meanwhile what is due.
    fn wait(&mut self, until: Instant) {
        while let Some((at, undo)) = self.pending.iter().min_by_key(|(at, _)| *at).copied()
            && at <= until
        {
            pause(at);
            self.pending.retain(|(_, other)| *other != undo);
            self.undo(undo);
        }
        pause(until);
    }

    fn disturb(&mut self, what: Disturbance) {
        println!("soak: {what:?}");
        let name = match what {
            Disturbance::Reload(config) => {
                self.reload(config);
                "reload"
            }
            Disturbance::Kill(birth) => {
                self.proxy.kill(birth, &self.config.yaml(&self.trust));
                "SIGKILL and restart"
            }
            Disturbance::HandOver(birth) => {
                self.proxy.hand_over(birth, &self.config.yaml(&self.trust));
                "hand-over"
            }
            Disturbance::Freeze(time) => {
                self.proxy.freeze();
                pause(Instant::now() + time);
                self.proxy.thaw();
                "SIGSTOP"
            }
            Disturbance::Starve(time) => {
                self.starve(time);
                "no descriptors"
            }
            Disturbance::RelayOff(time) => self.background(Undo::RelayOff, time),
            Disturbance::UpstreamDies(which, time) => self.background(Undo::Down(which), time),
            Disturbance::Squeeze(time) => self.background(Undo::Squeeze, time),
            Disturbance::Lose(percent, time) => self.background(Undo::Lose(percent), time),
            Disturbance::Throttle(rate, time) => {
                throttle("change", &format!("{rate}mbit"));
                self.background(Undo::Throttle, time)
            }
        };
        *self.done.entry(name).or_default() += 1;
    }

    /// Begins what goes on beside everything else, unless it does already.
    fn background(&mut self, undo: Undo, time: Duration) -> &'static str {
        if !self.pending.iter().any(|(_, other)| *other == undo) {
            match undo {
                Undo::RelayOff => self.relay("off"),
                Undo::Down(which) => {
                    self.ledger.harm(Harm::Down(which));
                    self.upstreams.stop(which);
                }
                Undo::Squeeze => {
                    if let Some(cgroup) = &self.cgroup {
                        cgroup.squeeze();
                    }
                }
                Undo::Lose(percent) => loss("-A", percent),
                Undo::Throttle => {}
            }
            self.pending.push((Instant::now() + time, undo));
        }
        match undo {
            Undo::RelayOff => "kernel relay off",
            Undo::Down(_) => "upstream's death",
            Undo::Squeeze => "memory pressure",
            Undo::Lose(_) => "loss",
            Undo::Throttle => "narrow link",
        }
    }

    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::RelayOff => self.relay("on"),
            Undo::Down(which) => {
                self.upstreams.start(which);
                self.ledger.harm_over(Harm::Down(which));
            }
            Undo::Squeeze => {
                if let Some(cgroup) = &self.cgroup {
                    cgroup.relieve();
                }
            }
            Undo::Lose(percent) => loss("-D", percent),
            Undo::Throttle => throttle("change", WIDE),
        }
    }

    fn relay(&self, kernel: &str) {
        let (status, answer) = self.proxy.admin().call("POST", &format!("/relay?kernel={kernel}"));
        assert_eq!(status, 202, "{answer}");
    }

    fn reload(&mut self, mut config: Config) {
        // A step was planned without what came of those before it in other rounds.
        config.certificate = config.certificate.max(self.config.certificate);
        config.serial = self.config.serial + 1;
        self.clients.next_certificate.store(config.certificate, Ordering::SeqCst);
        self.proxy.reload(&config, &self.trust);
        self.clients.certificate.store(config.certificate, Ordering::SeqCst);
        self.config = config;
    }

    /// Leaves sluice a few descriptors more than it has.
    fn starve(&self, time: Duration) {
        const MORE: usize = 6;
        let pid = self.proxy.pid();
        let limit = |limit: &str| {
            run("prlimit", &["--pid", &pid.to_string(), &format!("--nofile={limit}")]);
        };
        let text = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let line = text.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let [soft, hard] = [3, 4].map(|word| line.split_whitespace().nth(word).unwrap());
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        self.ledger.harm(Harm::Starved);
        limit(&format!("{}:{hard}", open + MORE));
        pause(Instant::now() + time);
        limit(&format!("{soft}:{hard}"));
        self.ledger.harm_over(Harm::Starved);
    }
}

/// What the link carries when nothing narrows it.
const WIDE: &str = "20gbit";

/// Gives the link a bound that is wider than anything, so that it can be narrowed and widened again without losing
/// what waits in its queue, resets among it.
pub(crate) fn bound_link() {
    throttle("add", WIDE);
}

fn throttle(action: &str, rate: &str) {
    let bounds = ["rate", rate, "burst", "512kb", "limit", "256mb"];
    run("tc", &[&["qdisc", action, "dev", "lo", "root", "tbf"], &bounds[..]].concat());
}

/// A share of what arrives is dropped, whoever sent it. Resets are not: nobody repeats them, and who has missed one
/// waits for ever, and rightly.
fn loss(action: &str, percent: u32) {
    let probability = format!("0.{percent:02}");
    let chance = ["-m", "statistic", "--mode", "random", "--probability", &probability];
    let rule = [&["-p", "tcp", "--tcp-flags", "RST", "NONE"], &chance[..]].concat();
    for tables in ["iptables-legacy", "ip6tables-legacy"] {
        run(tables, &[&["-w", action, "INPUT"], &rule[..], &["-j", "DROP"]].concat());
    }
}

fn pause(until: Instant) {
    std::thread::sleep(until.saturating_duration_since(Instant::now())); // tidy: the plan is made of times
}
