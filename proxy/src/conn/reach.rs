//! The upstream's side: a connected socket, what it wants to hear first, and TLS where the mapping begins it.

use std::time::Instant;

use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::farewell::farewell;
use super::side::{Raw, Side, register, release};
use super::{ConnRecord, Ctx};
use crate::config::model::{Mapping, Prelude};
use crate::relay::Spoken;
use crate::relay::tls::Leg;
use crate::route::Target;
use crate::telemetry::{self, CloseReason};
use crate::tls::{HandshakeError, Originator, facts, shake_hands};
use crate::upstream::{Asked, Connected, DialError, PreludeError, request_tls};

/// Connects to a target's upstream and does everything that comes before the client's bytes, all within the
/// connect timeout.
pub(super) async fn reach<S>(
    target: &Target<S>,
    record: &ConnRecord,
    ctx: &Ctx,
) -> Result<Side, CloseReason> {
    let mapping = &target.mapping;
    let begun = Instant::now();
    let dialled = ctx.dialer.dial(mapping).await;
    let Connected { socket, address } = dialled.map_err(|error| refused(&error, record, mapping))?;
    record.connected(address, begun.elapsed());
    if mapping.prelude.is_none() && target.originate.is_none() {
        return Ok(Side::untouched(socket));
    }
    let stream = register(socket)?;
    // Boxed: connections that want none of it need not hold the room for it.
    Box::pin(prepare(stream, target, begun + mapping.timeouts.connect, record, ctx)).await
}

/// What the mapping's upstream wants to hear before the client's bytes.
async fn prepare<S>(
    stream: TcpStream,
    target: &Target<S>,
    deadline: Instant,
    record: &ConnRecord,
    ctx: &Ctx,
) -> Result<Side, CloseReason> {
    let Target { mapping, originate, .. } = target;
    let spoken = match mapping.prelude {
        Some(Prelude::Postgres) => {
            let asked = timeout_at(deadline.into(), request_tls(&stream)).await;
            let asked = asked.unwrap_or(Err(PreludeError::Timeout));
            let Asked { heard, said } = asked.map_err(|error| {
                tracing::debug!(conn = record.id(), mapping = %mapping.name, %error, "the upstream takes no TLS");
                unwilling(&error)
            })?;
            Spoken { heard, said, in_part: false }
        }
        None => Spoken::default(),
    };
    match originate {
        None => Ok(Side::Raw(Raw { socket: release(stream)?, spoken })),
        Some(originator) => {
            let secured = begin_tls(stream, originator, mapping, deadline, record, ctx).await;
            secured.map(|leg| Side::Secured(Box::new(leg)))
        }
    }
}

async fn begin_tls(
    stream: TcpStream,
    originator: &Originator,
    mapping: &Mapping,
    deadline: Instant,
    record: &ConnRecord,
    ctx: &Ctx,
) -> Result<Leg, CloseReason> {
    let begun = Instant::now();
    let shaken = match originator.session(&mapping.service.host) {
        Ok(session) => shake_hands(&stream, session, deadline, ctx.relays.buffers()).await,
        Err(error) => Err(error.into()),
    };
    match shaken {
        Ok(secured) => {
            record.originated(facts(&secured.session), begun.elapsed());
            Ok(Leg::secured(stream, secured))
        }
        Err(error) => {
            record.handshake_failed(telemetry::Side::Upstream, begun.elapsed());
            tracing::debug!(conn = record.id(), mapping = %mapping.name, %error, "TLS with the upstream failed");
            let reason = error.of_upstream();
            if matches!(error, HandshakeError::Tls(_)) {
                farewell(stream, &[]).await;
            }
            Err(reason)
        }
    }
}

fn refused(error: &DialError, record: &ConnRecord, mapping: &Mapping) -> CloseReason {
    tracing::debug!(conn = record.id(), mapping = %mapping.name, %error, "no upstream connection");
    match error {
        DialError::Resolve(_) => CloseReason::ResolveFailed,
        DialError::Timeout { .. } => CloseReason::ConnectTimeout,
        DialError::NoLocalPort { .. } => CloseReason::NoLocalPort,
        DialError::NoDescriptor { .. } => CloseReason::Overflow,
        DialError::Failed { .. } => CloseReason::ConnectFailed,
    }
}

fn unwilling(error: &PreludeError) -> CloseReason {
    match error {
        PreludeError::Refused => CloseReason::UpstreamRefusedTls,
        PreludeError::Timeout => CloseReason::UpstreamHandshakeTimeout,
        PreludeError::Socket(_) => CloseReason::UpstreamReset,
    }
}
