//! Everything, raw samples included, for whoever wants to count again.

use serde_json::{Value, json};

use super::report::Report;
use super::rounds::Sample;

impl Report<'_> {
    /// As one document.
    pub(super) fn json(&self) -> Value {
        let machine = self.machine;
        let versions =
            self.peers.iter().map(|(peer, version)| json!({"name": peer.name(), "version": version}));
        let absent = self.absent.iter().map(|(peer, why)| json!({"name": peer.name(), "why": why}));
        let failures = self.results.failures.iter().map(|failure| {
            json!({
                "round": failure.round, "case": failure.case.name(), "peer": failure.peer.name(),
                "why": failure.why,
            })
        });
        json!({
            "date": machine.date,
            "kernel": machine.kernel,
            "machine": {
                "processor": machine.processor, "cores": machine.cores, "memory_gib": machine.memory_gib,
            },
            "congestion_control": machine.congestion,
            "commit": machine.commit,
            "rounds": self.plan.rounds,
            "seconds": self.plan.time.as_secs_f64(),
            "seed": self.plan.seed,
            "peers": versions.collect::<Vec<_>>(),
            "absent": absent.collect::<Vec<_>>(),
            "failures": failures.collect::<Vec<_>>(),
            "samples": self.results.samples.iter().map(sample).collect::<Vec<_>>(),
        })
    }
}

fn sample(sample: &Sample) -> Value {
    json!({
        "round": sample.round,
        "case": sample.case.name(),
        "peer": sample.peer.name(),
        "amount": sample.done.amount,
        "seconds": sample.done.time.as_secs_f64(),
        "own_cpu_seconds": sample.own,
        "machine_cpu_seconds": sample.machine,
        "rate": sample.rate(),
        "unit": sample.case.unit().rate().0,
    })
}
