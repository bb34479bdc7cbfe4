//! One connection, from accepted to closed.

use std::sync::Arc;
use std::time::Instant;

use super::introduce::introduce;
use super::limits::Seat;
use super::reach::reach;
use super::side::{Raw, Side, destination};
use super::welcome::welcome;
use super::{Accepted, ConnRecord, Ctx, Kept};
use crate::counter::Place;
use crate::relay::{Spoken, Terms};
use crate::route::{Group, Target};
use crate::telemetry::CloseReason;

/// Serves a connection to its end and gives its account.
pub async fn serve(accepted: Accepted, record: ConnRecord, ctx: Arc<Ctx>) {
    let reason = forward(accepted, &record, &ctx).await.unwrap_or_else(|reason| reason);
    record.close(reason);
}

/// Why the connection ended; `Err` before its relay began.
async fn forward(accepted: Accepted, record: &ConnRecord, ctx: &Ctx) -> Result<CloseReason, CloseReason> {
    let opened = Instant::now();
    let Established { client, upstream, target, taken: _taken } = tokio::select! {
        established = establish(accepted, record, ctx, opened) => established?,
        () = ctx.stop.cancelled() => return Err(CloseReason::Drained),
    };
    let Target { mapping, state, .. } = &*target;
    if let Some(bandwidth) = mapping.limits.bandwidth {
        client.pace(bandwidth)?;
        upstream.pace(bandwidth)?;
        record.paced(bandwidth);
    }
    let begun = match (client, upstream) {
        (Side::Raw(client), Side::Raw(upstream)) => {
            let spoken = [client.spoken, upstream.spoken];
            let sockets = [client.socket, upstream.socket];
            ctx.relays.begin(mapping.relay, state.kernel.as_ref(), sockets, spoken)
        }
        (client, upstream) => ctx.relays.secure([client.into_leg()?, upstream.into_leg()?]),
    };
    record.relayed(begun.kind, Arc::clone(&begun.progress));
    let terms = Terms {
        idle: mapping.timeouts.idle,
        half_closed: mapping.timeouts.half_closed,
        expires: mapping.timeouts.max_age.map(|age| opened + age),
        sockets: ctx.sockets,
        stop: ctx.stop.clone(),
    };
    Ok(begun.run(terms, &|reason| record.fell_back(reason)).await)
}

/// A connection that can be relayed.
struct Established {
    client: Side,
    upstream: Side,
    target: Arc<Target<Kept>>,
    /// What it counts as until its end.
    taken: (Option<Seat>, Place),
}

/// Makes both sides ready to be relayed.
async fn establish(
    accepted: Accepted,
    record: &ConnRecord,
    ctx: &Ctx,
    opened: Instant,
) -> Result<Established, CloseReason> {
    let (client, target, seat) = {
        let routes = Arc::clone(&accepted.routes);
        let listener = routes.listener(accepted.listener).ok_or(CloseReason::NoRoute)?;
        // Boxed: connections that nobody looks into need not hold the room for it.
        let client = match &listener.proxy_protocol {
            Some(sources) if sources.include(accepted.peer.ip()) => {
                let believed = sources.believe(accepted.peer.ip());
                let deadline = opened + ctx.handshakes.hello;
                Box::pin(introduce(accepted.socket, record, believed, deadline)).await?
            }
            _ => Raw { socket: accepted.socket, spoken: Spoken::default() },
        };
        if listener.looks() {
            let address = accepted.listener;
            Box::pin(welcome(client, (address, listener), record, ctx, opened)).await?
        } else {
            let ends = [record.peer(), destination(&client.socket, accepted.listener, listener)];
            let group = listener.route(None, ends).ok_or(CloseReason::NoRoute)?;
            let (target, seat) = enter(group, record)?;
            (Side::Raw(client), target, seat)
        }
    };
    let [place, dialling] = target.state.limiter.connect(&target.mapping.limits)?;
    let upstream = reach(&target, &client, record, ctx).await?;
    drop(dialling);
    Ok(Established { client, upstream, target, taken: (seat, place) })
}

/// The target whose turn it is, where its limits let the client in.
pub(super) fn enter(
    group: &Group<Kept>,
    record: &ConnRecord,
) -> Result<(Arc<Target<Kept>>, Option<Seat>), CloseReason> {
    record.routed(&group.logs);
    if !group.access.admits(record.peer().ip()) {
        return Err(CloseReason::Denied);
    }
    let target = group.turn().ok_or(CloseReason::NoUpstream)?;
    record.mapped(&target.mapping.name.0, &target.mapping.stats_name);
    let seat = target.state.limiter.admit(&target.mapping.limits, record.peer().ip())?;
    Ok((target, seat))
}
