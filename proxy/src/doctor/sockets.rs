//! What relays do with sockets, done here once to sockets of our own.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, splice};
use socket2::{Domain, Socket, Type};

use super::finding::Finding;
use crate::config::settings::Settings;
use crate::relay::socket::{force_send_buffer, send_memory};

/// Longest that anything on this machine's own loopback may take.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn probe(settings: &Settings) -> Vec<Finding> {
    vec![send_buffer(settings.kernel.window_max.into()), spliced(), noticed()]
}

/// A window is only granted to a lane whose destination's buffer holds it.
fn send_buffer(window: u64) -> Finding {
    let what = "send buffer (SO_SNDBUFFORCE)";
    let wanted = window * 2;
    let forced = connection().and_then(|(near, _far)| {
        force_send_buffer(near.as_fd(), wanted)?;
        Ok(send_memory(near.as_fd())?.limit)
    });
    let remedy = "needs CAP_NET_ADMIN; without it windows grow only as far as net.ipv4.tcp_wmem lets buffers";
    match forced {
        Ok(limit) if limit >= wanted => Finding::ok(what, format!("{limit} bytes, window-max twice")),
        Ok(limit) => Finding::degraded(what, format!("{limit} bytes instead of {wanted}"), remedy),
        Err(error) => Finding::degraded(what, error.to_string(), remedy),
    }
}

fn spliced() -> Finding {
    let what = "splice(2) between sockets";
    match splice_once() {
        Ok(()) => Finding::ok(what, "one message through a pipe"),
        Err(error) => Finding::missing(
            what,
            error.to_string(),
            "the userspace relay needs it: allow splice(2) in the seccomp profile",
        ),
    }
}

fn splice_once() -> io::Result<()> {
    const MESSAGE: &[u8] = b"sluice doctor";
    let ((client, downstream), (upstream, server)) = (connection()?, connection()?);
    let (out, into) = pipe_with(PipeFlags::CLOEXEC)?;
    send(&client, MESSAGE, SendFlags::NOSIGNAL)?;
    let moved = splice(&downstream, None, &into, None, MESSAGE.len(), SpliceFlags::MOVE)?;
    splice(&out, None, &upstream, None, moved, SpliceFlags::MOVE)?;
    let mut got = [0; MESSAGE.len()];
    recv(&server, &mut got[..], RecvFlags::WAITALL)?;
    if got == MESSAGE {
        return Ok(());
    }
    Err(io::Error::other("another message arrived than was sent"))
}

fn noticed() -> Finding {
    let what = "file changes (inotify)";
    match notice_once() {
        Ok(()) => Finding::ok(what, "an event arrived"),
        Err(error) => Finding::degraded(
            what,
            error.to_string(),
            "send SIGHUP after changes, or raise fs.inotify.max_user_instances and max_user_watches",
        ),
    }
}

/// Opening the root directory is an event that needs no place to write.
fn notice_once() -> io::Result<()> {
    let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    inotify::add_watch(&inotify, "/", WatchFlags::OPEN)?;
    File::open("/")?;
    let patience = Timespec::try_from(PATIENCE).map_err(io::Error::other)?;
    poll(&mut [PollFd::new(&inotify, PollFlags::IN)], Some(&patience))?;
    let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
    Reader::new(inotify, &mut buffer).next()?;
    Ok(())
}

/// Two ends of one loopback connection that block, and not for ever.
fn connection() -> io::Result<(Socket, Socket)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let near = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    near.connect(&listener.local_addr()?.into())?;
    let (far, _) = listener.accept()?;
    let far = Socket::from(far);
    for end in [&near, &far] {
        end.set_read_timeout(Some(PATIENCE))?;
    }
    Ok((near, far))
}
