//! Everything, raw samples included, for whoever wants to count again.

use serde_json::{Value, json};

use super::latency::{CURVE, Latency};
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
            "latency_seconds": self.latency_json(),
            "samples": self.results.samples.iter().map(sample).collect::<Vec<_>>(),
        })
    }

    /// Of all rounds together.
    fn latency_json(&self) -> Vec<Value> {
        let pairs = self.plan.cases.iter().flat_map(|&case| self.names().map(move |peer| (case, peer)));
        let known = pairs.filter_map(|(case, peer)| {
            let all = quantiles(&self.results.latency(case, peer)?);
            Some(json!({"case": case.name(), "peer": peer.name(), "quantiles": all}))
        });
        known.collect()
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
        "stolen_share": sample.stolen,
        "rate": sample.rate(),
        "due_per_second": sample.rate,
        "latency_seconds": sample.done.latency.as_ref().map(quantiles),
        "unanswered": sample.done.unanswered,
        "lost": sample.done.failed,
        "lost_why": sample.done.why,
        "bytes_beside": sample.done.beside,
        "memory_per_connection": sample.memory.map(|it| json!({"own": it.own, "machine": it.whole})),
        "unit": sample.case.unit().rate().0,
    })
}

/// By the part of all that took no longer.
fn quantiles(latency: &Latency) -> Value {
    let named = CURVE.iter().map(|part| (part.to_string(), json!(latency.quantile(*part))));
    Value::Object(named.collect())
}
