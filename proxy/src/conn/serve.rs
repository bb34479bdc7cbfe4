//! One connection, from accepted to closed.

use std::sync::Arc;
use std::time::Instant;

use super::reach::reach;
use super::side::Side;
use super::welcome::welcome;
use super::{Accepted, ConnRecord, Ctx};
use crate::relay::Terms;
use crate::relay::kernel::MappingState;
use crate::route::Target;
use crate::telemetry::CloseReason;

/// Serves a connection to its end and gives its account.
pub async fn serve(accepted: Accepted, record: ConnRecord, ctx: Arc<Ctx>) {
    let reason = forward(accepted, &record, &ctx).await.unwrap_or_else(|reason| reason);
    record.close(reason);
}

/// Why the connection ended; `Err` before its relay began.
async fn forward(accepted: Accepted, record: &ConnRecord, ctx: &Ctx) -> Result<CloseReason, CloseReason> {
    let opened = Instant::now();
    let (client, upstream, target) = tokio::select! {
        established = establish(accepted, record, ctx, opened) => established?,
        () = ctx.stop.cancelled() => return Err(CloseReason::Drained),
    };
    let Target { mapping, state, .. } = &*target;
    let begun = match (client, upstream) {
        (Side::Raw(client), Side::Raw(upstream)) => {
            let spoken = [client.spoken, upstream.spoken];
            let sockets = [client.socket, upstream.socket];
            ctx.relays.begin(mapping.relay, state.as_ref().as_ref(), sockets, spoken)
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

/// Both sides, ready to be relayed, and the target that they belong to.
async fn establish(
    accepted: Accepted,
    record: &ConnRecord,
    ctx: &Ctx,
    opened: Instant,
) -> Result<(Side, Side, Arc<Target<Option<MappingState>>>), CloseReason> {
    let (client, target) = {
        let routes = accepted.routes;
        let listener = routes.listener(accepted.listener).ok_or(CloseReason::NoRoute)?;
        match listener.any() {
            Some(group) => {
                let target = group.turn().ok_or(CloseReason::NoUpstream)?;
                record.mapped(&target.mapping.name.0, &target.mapping.stats_name);
                (Side::untouched(accepted.socket), target)
            }
            // Boxed: connections that nobody looks into need not hold the room for it.
            None => Box::pin(welcome(accepted.socket, listener, record, ctx, opened)).await?,
        }
    };
    let upstream = reach(&target, record, ctx).await?;
    Ok((client, upstream, target))
}
