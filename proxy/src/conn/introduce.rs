//! A client behind a proxy that says whose connection it is.

use std::os::fd::OwnedFd;
use std::time::Instant;

use super::ConnRecord;
use super::side::{Raw, register, release};
use crate::classify::{self, Introduction};
use crate::relay::Spoken;
use crate::telemetry::CloseReason;

/// Takes the PROXY header, which counts where its sender is believed; what follows it is the client's own.
pub(super) async fn introduce(
    socket: OwnedFd,
    record: &ConnRecord,
    believed: bool,
    deadline: Instant,
) -> Result<Raw, CloseReason> {
    let stream = register(socket)?;
    let introduction = classify::introduction(&stream, deadline).await.map_err(|why| {
        tracing::debug!(conn = record.id(), %why, "no PROXY header");
        CloseReason::from(&why)
    })?;
    let Introduction { introduced, heard, hasty } = introduction;
    if let Some(introduced) = introduced.filter(|_| believed) {
        record.introduced(introduced);
    }
    Ok(Raw { socket: release(stream)?, spoken: Spoken { heard, said: 0, in_part: hasty } })
}
