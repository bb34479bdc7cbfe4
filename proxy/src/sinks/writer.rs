//! The task of one sink: takes what waits, and tries until it was taken or it is time to give up.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::Receiver;
use tokio::time::{sleep, timeout_at};

use super::outlet::Outlet;
use crate::config::model::LogSink;
use crate::telemetry::Telemetry;

/// Writes lines until no more can come.
pub(super) async fn run(
    sink: Arc<LogSink>,
    mut outlet: Outlet,
    mut waiting: Receiver<Arc<str>>,
    telemetry: Telemetry,
) {
    let mut batch = Vec::new();
    // So that it is told once when it begins to fail, and once when it no longer does.
    let mut failing = false;
    while fill(&mut batch, &mut waiting, &mut outlet, &sink).await {
        let lines = batch.len() as u64;
        let kind = sink.destination.as_str();
        if deliver(&batch, &mut outlet, &sink, &mut failing).await {
            telemetry.lines_written(kind, lines);
        } else {
            telemetry.lines_dropped(kind, lines);
        }
        batch.clear();
    }
}

/// Takes what is to be written next; false at the end.
async fn fill(
    batch: &mut Vec<Arc<str>>,
    waiting: &mut Receiver<Arc<str>>,
    outlet: &mut Outlet,
    sink: &LogSink,
) -> bool {
    let first = loop {
        tokio::select! {
            biased;
            line = waiting.recv() => break line,
            () = outlet.rest() => {}
        }
    };
    let Some(first) = first else { return false };
    batch.push(first);
    let most = outlet.capacity(sink.queue.batch.get());
    while batch.len() < most {
        match waiting.try_recv() {
            Ok(line) => batch.push(line),
            Err(_none) => break,
        }
    }
    if matches!(outlet, Outlet::Http(_)) {
        let full = Instant::now() + sink.queue.delay;
        while batch.len() < most {
            match timeout_at(full.into(), waiting.recv()).await {
                Ok(Some(line)) => batch.push(line),
                // The others come too late, or none do.
                Err(_) | Ok(None) => break,
            }
        }
    }
    true
}

async fn deliver(batch: &[Arc<str>], outlet: &mut Outlet, sink: &LogSink, failing: &mut bool) -> bool {
    let (begun, queue) = (Instant::now(), &sink.queue);
    let mut pause = queue.pauses.0;
    loop {
        match outlet.write(batch, queue.batch.get() > 1).await {
            Ok(()) => {
                if std::mem::take(failing) {
                    tracing::info!(sink = %sink.name, "the log sink takes lines again");
                }
                return true;
            }
            Err(error) => {
                if !std::mem::replace(failing, true) {
                    tracing::warn!(sink = %sink.name, %error, "the log sink takes no lines; they wait, then they are lost");
                }
                if begun.elapsed() + pause > queue.retry {
                    return false;
                }
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(queue.pauses.1);
    }
}
