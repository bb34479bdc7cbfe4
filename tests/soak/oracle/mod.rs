//! What both ends and the access log may say of a connection, given its shape and what was done meanwhile.

#[cfg(test)]
mod tests;

use crate::ledger::{Front, Hits, Record};
use crate::plan::{Ending, GREETING, Part, Shape, TAG};
use crate::play::{End, Saw};
use crate::route::Route;

/// All that is known of a connection once it is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) shape: &'a Shape,
    pub(crate) front: Option<&'a Front>,
    pub(crate) servers: &'a [Saw],
    pub(crate) records: &'a [Record],
    pub(crate) hits: Hits,
}

/// What must not be; empty where all is well.
///
/// Some rules hold whatever is done to sluice: no byte is wrong, no end is told that did not happen, and sluice
/// owns up to no fault of its own. The others say what exactly must be where nothing was done.
pub(crate) fn judge(case: &Case<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    always(case, &mut faults);
    records(case, &mut faults);
    if case.records.is_empty() && case.hits.must_be_logged() {
        faults.push("it is not in the access log".to_owned());
    }
    if case.hits == Hits::default() {
        undisturbed(case, &mut faults);
    }
    faults
}

/// What holds even where sluice is killed.
fn always(case: &Case<'_>, faults: &mut Vec<String>) {
    let client = match case.front {
        Some(Front::Played(saw)) => Some(saw),
        Some(_) => None,
        None => {
            faults.push("its client has not come to an end".to_owned());
            None
        }
    };
    if case.servers.len() > 1 {
        faults.push(format!("{} servers had it", case.servers.len()));
    }
    let server = case.servers.first();
    heard("the client", client, server, faults);
    heard("the server", server, client, faults);
}

/// One side's end of the stream that the other side began.
fn heard(who: &str, side: Option<&Saw>, other: Option<&Saw>, faults: &mut Vec<String>) {
    let Some(side) = side else { return };
    match side.end {
        End::Wrong(at) => faults.push(format!("{who} heard a wrong byte {at}")),
        End::Surplus => faults.push(format!("{who} heard more than was said")),
        End::Late => faults.push(format!("{who} waits for ever")),
        // A reset is told once: where writing was told of it, reading finds but an end.
        End::Eof if !side.failed => match other {
            Some(other) if other.ended && other.said == side.heard => {}
            Some(other) => faults.push(format!(
                "{who} heard a clean end after {} bytes of {}{}",
                side.heard,
                other.said,
                if other.ended { "" } else { ", which nobody had ended" }
            )),
            None if side.heard == 0 => faults.push(format!("{who} heard a clean end of nobody")),
            None => {}
        },
        End::Eof | End::Open | End::Broken(_) => {}
    }
    if other.is_some_and(|other| side.heard > other.said) {
        faults.push(format!("{who} heard bytes that were not said yet"));
    }
}

/// What the access log says.
fn records(case: &Case<'_>, faults: &mut Vec<String>) {
    let record = match case.records {
        [] => return,
        [record] => record,
        more => {
            faults.push(format!("{} lines in the access log", more.len()));
            return;
        }
    };
    let reason = record.reason.as_str();
    if !reasons(case.shape).contains(&reason) && !excused(case.hits, reason) {
        faults.push(format!("it is logged as {reason}, not {:?}", reasons(case.shape)));
    }
    if !names(case.shape.route).contains(&record.mapping.as_str()) && !record.mapping.is_empty() {
        faults.push(format!("it is logged for {}", record.mapping));
    }
    if !case.shape.route.counts_words() || case.shape.ending == Ending::Mute {
        return;
    }
    let greeting = if case.shape.waits { GREETING.len() } else { 0 };
    let heard_up = case.servers.first().map_or(0, |server| server.heard + TAG);
    let client = match case.front {
        Some(Front::Played(client)) => client,
        _ => return,
    };
    let heard_down = client.heard + greeting;
    let (up, down) = (case.shape.client.says + TAG, case.shape.server.says + greeting);
    if !(heard_up..=up).contains(&record.received) {
        faults
            .push(format!("{} bytes are logged as received, heard were {heard_up} of {up}", record.received));
    }
    if !(heard_down..=down).contains(&record.sent) {
        faults.push(format!("{} bytes are logged as sent, heard were {heard_down} of {down}", record.sent));
    }
    if reason == "finished" && case.shape.is_orderly() && (record.received, record.sent) != (up, down) {
        faults.push(format!(
            "{} and {} bytes are logged as all there were, {up} and {down}",
            record.received, record.sent
        ));
    }
}

/// What must be where nothing was done.
fn undisturbed(case: &Case<'_>, faults: &mut Vec<String>) {
    let (client, server) = match (case.front, case.servers) {
        (Some(Front::Played(client)), [server]) => (client, server),
        (Some(Front::Mute), []) => return,
        // A reset throws away what was on its way, the greeting too.
        (Some(Front::Unfinished(_)), [_])
            if case.shape.ending == Ending::ServerResets && case.shape.waits =>
        {
            return;
        }
        // On a busy machine the timeout may come before either side has had its say.
        (_, [] | [_]) if case.shape.ending == Ending::Idle => return,
        (Some(Front::Played(_)), []) => {
            faults.push("it came to no server".to_owned());
            return;
        }
        (Some(Front::Refused(error) | Front::Unfinished(error)), _) => {
            faults.push(format!("its client came no further than: {error}"));
            return;
        }
        _ => return,
    };
    let sides = [(client, case.shape.client), (server, case.shape.server)];
    let complete =
        |(saw, part): &(&Saw, Part)| saw.said == part.says && saw.end == End::Eof && saw.ended && !saw.failed;
    if case.shape.is_orderly() && !sides.iter().all(complete) {
        faults.push("it was not complete".to_owned());
    }
    match case.shape.ending {
        Ending::ClientResets | Ending::Idle if !broken(server) => {
            faults.push("the server has heard of no reset".to_owned());
        }
        Ending::ServerResets | Ending::Idle if !broken(client) => {
            faults.push("the client has heard of no reset".to_owned());
        }
        _ => {}
    }
}

fn broken(saw: &Saw) -> bool {
    matches!(saw.end, End::Broken(_)) || saw.failed
}

/// How sluice may say that a connection of this shape ended.
fn reasons(shape: &Shape) -> &'static [&'static str] {
    let tls = shape.route.terminates();
    match shape.ending {
        Ending::ClientResets => &["downstream_reset"],
        Ending::ServerResets => &["upstream_reset"],
        // Whether bytes were on their way to who has left decides.
        Ending::ClientLeaves if tls => &["downstream_truncated", "downstream_reset", "finished"],
        // Its TLS ends at the server, which breaks off when it misses the close_notify.
        Ending::ClientLeaves if shape.route == Route::Passthrough => {
            &["downstream_reset", "finished", "upstream_reset"]
        }
        Ending::ClientLeaves => &["downstream_reset", "finished"],
        Ending::Idle => &["idle_timeout"],
        Ending::Mute if shape.route.name().is_some() => &["hello_incomplete"],
        Ending::Mute if shape.route == Route::ProxyBoth => &["proxy_header_incomplete"],
        _ => &["finished"],
    }
}

/// Whether what was done accounts for this reason.
fn excused(hits: Hits, reason: &str) -> bool {
    let by_death = ["connect_failed", "upstream_reset", "upstream_truncated", "upstream_handshake_failed"];
    (hits.down && by_death.contains(&reason)) || (hits.starved && reason == "overflow")
}

/// The mappings that a route's connections may be logged for.
fn names(route: Route) -> Vec<&'static str> {
    match route {
        Route::Kernel => vec!["TCPMapping default/kernel"],
        Route::KernelIpv6 => vec!["TCPMapping default/kernelipv6"],
        Route::Mixed => vec!["TCPMapping default/mixed"],
        Route::Splice => vec!["TCPMapping default/splice"],
        Route::Canary => vec!["TCPMapping default/canary", "TCPMapping default/canary-second"],
        Route::Terminate => vec!["TCPMapping default/terminate"],
        Route::Reencrypt => vec!["TCPMapping default/reencrypt"],
        Route::Originate => vec!["TCPMapping default/originate"],
        Route::Passthrough => vec!["TCPMapping default/passthrough"],
        Route::ProxyOut => vec!["TCPMapping default/proxyout"],
        Route::ProxyBoth => vec!["TCPMapping default/proxyboth"],
        Route::Idle => vec!["TCPMapping default/idle"],
    }
}
