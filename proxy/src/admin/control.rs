//! What an operator can change while sluice runs.

use std::net::SocketAddr;

use hyper::StatusCode;
use tokio::sync::mpsc::error::TrySendError;

use super::answer::{Answer, Refusal, text};
use super::query::{Query, bad};
use super::{Handles, Phase, Wish};
use crate::telemetry::LogError;
use crate::upstream::{Change, Order};

pub(super) fn log(handles: &Handles, query: &Query) -> Result<Answer, Refusal> {
    let log = handles.telemetry.log();
    let filter = query.get("filter").ok_or_else(|| {
        bad(format!("filter is missing, such as ?filter=debug; in force is {}", log.current()))
    })?;
    log.set_filter(filter).map_err(|error| match error {
        LogError::NotALevel(_) | LogError::Filter { .. } => bad(error.to_string()),
        LogError::NotRunning | LogError::Taken => Refusal::new(StatusCode::CONFLICT, error.to_string()),
    })?;
    tracing::info!(filter, "log filter changed by the admin endpoint");
    Ok(text(StatusCode::OK, format!("in force: {}", log.current())))
}

pub(super) fn relay(handles: &Handles, query: &Query) -> Result<Answer, Refusal> {
    let on = match query.get("kernel") {
        Some("on") => true,
        Some("off") => false,
        Some(other) => return Err(bad(format!("kernel `{other}` is neither on nor off"))),
        None => return Err(bad("kernel is missing: ?kernel=on or ?kernel=off")),
    };
    if handles.state.kernel().is_none() {
        let why = "there is no kernel relay in this process; its log and `sluice doctor` say why";
        return Err(Refusal::new(StatusCode::CONFLICT, why));
    }
    wish(handles, Wish::KernelRelay(on))?;
    Ok(text(StatusCode::ACCEPTED, if on { "switching on" } else { "switching off" }))
}

pub(super) fn endpoint(handles: &Handles, query: &Query) -> Result<Answer, Refusal> {
    let needed =
        |name: &str| query.get(name).ok_or_else(|| bad(format!("{name} is missing; GET /endpoints has it")));
    let mapping = needed("mapping")?;
    let endpoint = needed("endpoint")?;
    let endpoint: SocketAddr = endpoint.parse().map_err(|_no_address| {
        bad(format!("endpoint `{endpoint}` is no address and port, such as 10.0.0.1:80 or [::1]:80"))
    })?;
    let order = query.get("state").map(|state| {
        let known = Order::ALL.iter().find(|(word, _)| *word == state);
        known.map(|(_, order)| Change::Order(*order)).ok_or_else(|| {
            bad(format!("state `{state}` is none of {}", Order::ALL.map(|(word, _)| word).join(", ")))
        })
    });
    let weight = query.get("weight").map(|weight| match (weight, weight.parse()) {
        ("own", _) => Ok(Change::Weight(None)),
        (_, Ok(weight)) => Ok(Change::Weight(Some(weight))),
        (_, Err(_)) => Err(bad(format!("weight `{weight}` is neither an integer from 0 on nor `own`"))),
    });
    // Both are read before either is done: a request that is wrong changes nothing.
    let changes: Vec<Change> = [order, weight].into_iter().flatten().collect::<Result<_, _>>()?;
    if changes.is_empty() {
        return Err(bad("nothing to change: give state or weight"));
    }
    for change in changes {
        let changed = handles.directory.change(mapping, endpoint, change);
        changed.map_err(|error| Refusal::new(StatusCode::NOT_FOUND, error.to_string()))?;
    }
    Ok(text(StatusCode::OK, "changed; GET /endpoints shows it"))
}

pub(super) fn drain(handles: &Handles, _: &Query) -> Result<Answer, Refusal> {
    wish(handles, Wish::Drain)?;
    Ok(text(StatusCode::ACCEPTED, format!("draining; {} connections are open", handles.tracker.active())))
}

fn wish(handles: &Handles, wish: Wish) -> Result<(), Refusal> {
    if handles.state.phase() == Phase::Draining {
        return Err(Refusal::new(StatusCode::CONFLICT, "draining already"));
    }
    handles.wishes.try_send(wish).map_err(|error| {
        let why = match error {
            TrySendError::Full(_) => "too many wishes at a time; try again",
            TrySendError::Closed(_) => "sluice is ending",
        };
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, why)
    })
}
