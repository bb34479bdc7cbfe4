//! Both ends of a bulk connection: streams of checked pieces, as fast as they go. A stream ends
//! with a last piece, not with FIN, so that no peer's handling of half-closed connections is
//! measured; the backend's last piece says how many bytes it received. In TLS, where a connection is not two halves,
//! streams go one way at a time.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::pattern::{CHUNK, Checker, Maker, PIECE};
use super::wire::Hello;

/// The client's side for one connection; the bytes that went through, both ways.
pub(super) fn drive(stream: &TcpStream, up: bool, down: bool, time: Duration) -> Result<u64> {
    let millis = u32::try_from(time.as_millis())?;
    let mut writer = stream;
    writer.write_all(&Hello::Bulk { up, down, millis }.encode())?;
    thread::scope(|scope| {
        let reader = scope.spawn(|| receive(stream, Checker::new()));
        let sent = if up { send(stream, time, || Ok(0)).context("sending")? } else { 0 };
        let (received, counted) = join(reader.join()).context("receiving")?;
        ensure!(counted == sent, "{sent} bytes were sent and {counted} received");
        ensure!((&*stream).read(&mut [0])? == 0, "bytes after the last piece");
        // What only answers an upload is no part of the transfer.
        Ok(sent + if down { received } else { 0 })
    })
}

/// The same for a stream that goes up, or else down.
pub(super) fn drive_one_way(stream: &mut (impl Read + Write), up: bool, time: Duration) -> Result<u64> {
    let millis = u32::try_from(time.as_millis())?;
    stream.write_all(&Hello::Bulk { up, down: !up, millis }.encode())?;
    let sent = if up { send(&mut *stream, time, || Ok(0)).context("sending")? } else { 0 };
    let (received, counted) = receive(&mut *stream, Checker::new()).context("receiving")?;
    ensure!(counted == sent, "{sent} bytes were sent and {counted} received");
    ensure!(stream.read(&mut [0])? == 0, "bytes after the last piece");
    Ok(if up { sent } else { received })
}

/// The backend's side; `early` is what came with the hello.
pub(super) fn serve(stream: &TcpStream, up: bool, down: bool, time: Duration, early: &[u8]) -> Result<()> {
    ensure!(up || early.is_empty(), "bytes where none were announced");
    let mut checker = Checker::new();
    checker.room()[..early.len()].copy_from_slice(early);
    checker.take(early.len())?;
    thread::scope(|scope| {
        let reader = up.then(|| scope.spawn(|| receive(stream, checker)));
        let time = if down { time } else { Duration::ZERO };
        let count = || reader.map_or(Ok(0), |reader| Ok(join(reader.join()).context("receiving")?.0));
        send(stream, time, count).context("sending").map(drop)
    })
}

/// The same for a stream that comes up, or else goes down.
pub(super) fn serve_one_way(stream: &mut (impl Read + Write), up: bool, time: Duration) -> Result<()> {
    let received = if up { receive(&mut *stream, Checker::new()).context("receiving")?.0 } else { 0 };
    let time = if up { Duration::ZERO } else { time };
    send(stream, time, || Ok(received)).context("sending").map(drop)
}

/// Sends chunks for so long, then the last piece with the number that `last` tells.
fn send(mut stream: impl Write, time: Duration, last: impl FnOnce() -> Result<u64>) -> Result<u64> {
    let mut maker = Maker::new();
    let end = Instant::now() + time;
    while Instant::now() < end {
        stream.write_all(maker.next())?;
    }
    stream.write_all(maker.last(last()?))?;
    stream.flush()?;
    Ok(maker.made())
}

/// Receives up to the last piece: how many bytes, and the number in it.
fn receive(mut stream: impl Read, mut checker: Checker) -> Result<(u64, u64)> {
    const _: () = assert!(CHUNK > PIECE, "there is always room after an unfinished piece");
    loop {
        if let Some(number) = checker.last() {
            return Ok((checker.checked(), number));
        }
        match stream.read(checker.room()) {
            Ok(0) => bail!("the stream ended after {} bytes, before its last piece", checker.checked()),
            Ok(n) => checker.take(n)?,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e).context(format!("after {} bytes", checker.checked())),
        }
    }
}

fn join<T>(result: thread::Result<Result<T>>) -> Result<T> {
    result.unwrap_or_else(|_| bail!("a thread panicked"))
}
