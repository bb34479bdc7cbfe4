//! A client of a listener whose routes ask for a name: what it wants, which target takes it, and its TLS.

use std::sync::Arc;
use std::time::Instant;

use tokio::net::TcpStream;

use super::farewell::{UNRECOGNIZED_NAME, farewell};
use super::limits::Seat;
use super::serve::enter;
use super::side::{Raw, Side, register, release};
use super::{ConnRecord, Ctx, Kept};
use crate::classify::{self, Answered, ClientHello, Unclassified};
use crate::config::model::Prelude;
use crate::relay::Spoken;
use crate::relay::tls::Leg;
use crate::route::{Listener, Target};
use crate::telemetry::{self, CloseReason};
use crate::tls::{HandshakeError, Terminator, facts, shake_hands};

/// Finds a client's target by its ClientHello, and ends its TLS where the route says so.
pub(super) async fn welcome(
    client: Raw,
    listener: &Listener<Kept>,
    record: &ConnRecord,
    ctx: &Ctx,
    opened: Instant,
) -> Result<(Side, Arc<Target<Kept>>, Option<Seat>), CloseReason> {
    let stream = register(client.socket)?;
    let (hello, spoken) = match identify(&stream, listener.prelude, opened + ctx.handshakes.hello).await {
        Ok((hello, spoken)) => (hello, client.spoken.and(spoken)),
        Err(why) => return Err(turn_away(stream, listener.prelude, &why, record).await),
    };
    record.asked_for(hello.server_name.as_deref());
    let Some(group) = listener.route(hello.server_name.as_deref(), &hello.alpn) else {
        farewell(stream, UNRECOGNIZED_NAME).await;
        return Err(CloseReason::UnknownName);
    };
    let (target, seat) = enter(group, record)?;
    let side = match &group.terminate {
        None => Side::Raw(Raw { socket: release(stream)?, spoken }),
        Some(terminator) => terminate(stream, terminator, record, ctx, opened).await?,
    };
    Ok((side, target, seat))
}

/// The client's hello, and what was said before it.
async fn identify(
    stream: &TcpStream,
    prelude: Option<Prelude>,
    deadline: Instant,
) -> Result<(ClientHello, Spoken), Unclassified> {
    let spoken = match prelude {
        Some(Prelude::Postgres) => {
            let Answered { heard, said, hasty } = classify::answer(stream, deadline).await?;
            Spoken { heard, said, in_part: hasty }
        }
        None => Spoken::default(),
    };
    Ok((classify::client_hello(stream, deadline).await?, spoken))
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
