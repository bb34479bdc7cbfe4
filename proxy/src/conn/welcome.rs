//! A client of a listener whose routes ask for a name: what it wants, which target takes it, and its TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::net::TcpStream;

use super::farewell::{UNRECOGNIZED_NAME, farewell};
use super::limits::Seat;
use super::serve::enter;
use super::side::{Raw, Side, destination, register, release};
use super::{ConnRecord, Ctx, Kept};
use crate::classify::{self, Answered, ClientHello, Opening, Unclassified};
use crate::config::model::Prelude;
use crate::relay::Spoken;
use crate::relay::tls::Leg;
use crate::route::{Hello, Listener, Target};
use crate::telemetry::{self, CloseReason};
use crate::tls::{HandshakeError, Terminator, facts, shake_hands};

/// Finds a client's target by its ClientHello, and ends its TLS where the route says so.
pub(super) async fn welcome(
    client: Raw,
    (address, listener): (SocketAddr, &Listener<Kept>),
    record: &ConnRecord,
    ctx: &Ctx,
    opened: Instant,
) -> Result<(Side, Arc<Target<Kept>>, Option<Seat>), CloseReason> {
    let stream = register(client.socket)?;
    let (opening, spoken) = match identify(&stream, listener, opened + ctx.handshakes.hello).await {
        Ok((opening, spoken)) => (opening, client.spoken.and(spoken)),
        Err(why) => return Err(turn_away(stream, listener.prelude, &why, record).await),
    };
    let ends = [record.peer(), destination(&stream, address, listener)];
    let group = match &opening {
        Opening::Cleartext => listener.route(None, ends).ok_or(CloseReason::NoRoute)?,
        Opening::Tls(ClientHello { server_name, alpn }) => {
            let server_name = server_name.as_deref();
            record.asked_for(server_name);
            let Some(group) = listener.route(Some(Hello { server_name, alpn }), ends) else {
                farewell(stream, UNRECOGNIZED_NAME).await;
                return Err(CloseReason::UnknownName);
            };
            group
        }
    };
    let (target, seat) = enter(group, record)?;
    let side = match &group.terminate {
        None => Side::Raw(Raw { socket: release(stream)?, spoken }),
        Some(terminator) => terminate(stream, terminator, record, ctx, opened).await?,
    };
    Ok((side, target, seat))
}

/// How the client begins, and what was said before.
async fn identify(
    stream: &TcpStream,
    listener: &Listener<Kept>,
    deadline: Instant,
) -> Result<(Opening, Spoken), Unclassified> {
    let spoken = match listener.prelude {
        Some(Prelude::Postgres) => {
            let Answered { heard, said, hasty } = classify::answer(stream, deadline).await?;
            Spoken { heard, said, in_part: hasty }
        }
        None => Spoken::default(),
    };
    let opening = if listener.takes_cleartext() {
        classify::opening(stream, deadline).await?
    } else {
        Opening::Tls(classify::client_hello(stream, deadline).await?)
    };
    Ok((opening, spoken))
}

/// Tells a client what it should have done, where its protocol has words for it.
async fn turn_away(
    stream: TcpStream,
    prelude: Option<Prelude>,
    why: &Unclassified,
    record: &ConnRecord,
) -> CloseReason {
    tracing::debug!(conn = record.id(), %why, "no ClientHello");
    if let (Some(Prelude::Postgres), Unclassified::NotTls) = (prelude, why) {
        farewell(stream, classify::REFUSAL).await;
    }
    why.into()
}

async fn terminate(
    stream: TcpStream,
    terminator: &Terminator,
    record: &ConnRecord,
    ctx: &Ctx,
    opened: Instant,
) -> Result<Side, CloseReason> {
    // Queued, handshakes would only time out later, and after they were paid for.
    let place = ctx.places.try_acquire().map_err(|_none_left| CloseReason::HandshakeOverflow)?;
    let begun = Instant::now();
    let deadline = opened + ctx.handshakes.timeout;
    let shaken = match terminator.session() {
        Ok(session) => shake_hands(&stream, session, deadline, ctx.relays.buffers()).await,
        Err(error) => Err(error.into()),
    };
    drop(place);
    match shaken {
        Ok(secured) => {
            record.terminated(facts(&secured.session), begun.elapsed());
            Ok(Side::Secured(Box::new(Leg::secured(stream, secured))))
        }
        Err(error) => {
            record.handshake_failed(telemetry::Side::Downstream, begun.elapsed());
            tracing::debug!(conn = record.id(), %error, "the client's TLS handshake failed");
            if matches!(error, HandshakeError::Tls(_)) {
                farewell(stream, &[]).await;
            }
            Err(error.of_client())
        }
    }
}
