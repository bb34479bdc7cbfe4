//! The upstream's side: a connected socket, what it wants to hear first, and TLS where the mapping begins it.

use std::os::fd::OwnedFd;
use std::time::Instant;

use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::farewell::farewell;
use super::side::{Raw, Side, register, release};
use super::{ConnRecord, Ctx};
use crate::classify::Introduced;
use crate::config::model::{Mapping, Prelude, ProxyVersion};
use crate::relay::Spoken;
use crate::relay::tls::Leg;
use crate::route::Target;
use crate::telemetry::{self, CloseReason};
use crate::tls::{HandshakeError, Originator, facts, shake_hands};
use crate::upstream::{Asked, Card, Connected, DialError, Dialled, PreludeError, request_tls, tell};

/// Connects to a target's upstream and does everything that comes before the client's bytes, all within the
/// connect timeout.
pub(super) async fn reach<S>(
    target: &Target<S>,
    client: &Side,
    record: &ConnRecord,
    ctx: &Ctx,
) -> Result<Side, CloseReason> {
    let mapping = &target.mapping;
    let begun = Instant::now();
    let dialled = ctx.dialer.dial(&target.pool, record.peer().ip(), mapping.timeouts.connect).await;
    let Dialled { attempts, result } = dialled;
    record.attempted(attempts);
    let Connected { socket, address, seat } = result.map_err(|error| refused(&error, record, mapping))?;
    record.connected(address, seat, begun.elapsed());
    let deadline = begun + mapping.timeouts.connect;
    let upstream = match mapping.proxy_protocol {
        None => Raw { socket, spoken: Spoken::default() },
        // Boxed: connections that want none of it need not hold the room for it.
        Some(version) => Box::pin(present(socket, version, client, deadline, record)).await?,
    };
    if mapping.prelude.is_none() && target.originate.is_none() {
        return Ok(Side::Raw(upstream));
    }
    Box::pin(prepare(upstream, target, deadline, record, ctx)).await
}

/// Tells the upstream whose connection it is, before anybody else says anything.
async fn present(
    socket: OwnedFd,
    version: ProxyVersion,
    client: &Side,
    deadline: Instant,
    record: &ConnRecord,
) -> Result<Raw, CloseReason> {
    let header = header(version, client, record);
    let stream = register(socket)?;
    let told = timeout_at(deadline.into(), tell(&stream, &header)).await;
    // A new connection's buffer holds it at once; the connect timeout is what is left for one that does not.
    told.map_err(|_elapsed| CloseReason::ConnectTimeout)?.map_err(|error| {
        tracing::debug!(conn = record.id(), %error, "the upstream takes no PROXY header");
        CloseReason::UpstreamReset
    })?;
    let spoken = Spoken { said: header.len() as u64, ..Spoken::default() };
    Ok(Raw { socket: release(stream)?, spoken })
}

/// The header: as much as is known of the client, the proxy before us believed.
fn header(version: ProxyVersion, client: &Side, record: &ConnRecord) -> Vec<u8> {
    let (source, destination) = match record.introduction() {
        Some(Introduced { source, destination }) => (source, Some(destination)),
        None => (record.peer(), client.local_address()),
    };
    let card = Card {
        ends: destination.map(|destination| (source, destination)),
        authority: record.server_name(),
        tls: record.client_tls(),
    };
    card.header(version)
}

/// What the mapping's upstream wants to hear before the client's bytes.
async fn prepare<S>(
    upstream: Raw,
    target: &Target<S>,
    deadline: Instant,
    record: &ConnRecord,
    ctx: &Ctx,
) -> Result<Side, CloseReason> {
    let Target { mapping, originate, .. } = target;
    let stream = register(upstream.socket)?;
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
    let spoken = upstream.spoken.and(spoken);
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
    let shaken = match originator.session(&mapping.service.host, record.server_name()) {
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
        DialError::NoEndpoint { .. } => CloseReason::NoUpstream,
        DialError::Source { .. } | DialError::NoLocalPort { .. } => CloseReason::NoLocalPort,
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
