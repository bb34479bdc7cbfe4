//! The client's side of requests and replies: every reply must equal its request.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use anyhow::{Context, Error, Result, ensure};
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use super::connect::{PATIENCE, Stream};
use super::wire::{Hello, LENGTH};

/// A client, its current request and what has come of the reply.
pub(super) struct Client {
    stream: Stream,
    request: Vec<u8>,
    reply: Vec<u8>,
    have: usize,
    number: u64,
}

impl Client {
    /// One that sends messages of `size` bytes.
    pub(super) fn new(stream: Stream, size: usize) -> Result<Self> {
        // Bytes that differ from their neighbours and from those of the message before.
        let mut request: Vec<u8> = (0..size).map(|i| (i * 31 % 251).to_le_bytes()[0]).collect();
        request[..LENGTH].copy_from_slice(&Hello::Exchange { size: u32::try_from(size)? }.encode());
        Ok(Self { stream, reply: vec![0; size], request, have: 0, number: 0 })
    }

    /// Sends the next request.
    pub(super) fn send(&mut self) -> Result<()> {
        self.number += 1;
        self.request[LENGTH..LENGTH + 8].copy_from_slice(&self.number.to_le_bytes());
        self.stream.write_all(&self.request).context("sending a request")
    }

    /// Reads once; whether the reply is whole, and then it is also right.
    pub(super) fn receive(&mut self) -> Result<bool> {
        let n = self.stream.read(&mut self.reply[self.have..]).context("reading a reply")?;
        if n == 0 {
            let end = Error::new(std::io::Error::from(ErrorKind::UnexpectedEof));
            return Err(end.context(format!("the connection ended before reply {}", self.number)));
        }
        self.have += n;
        if self.have < self.reply.len() {
            return Ok(false);
        }
        self.have = 0;
        ensure!(self.reply == self.request, "reply {} differs from its request", self.number);
        Ok(true)
    }

    /// Sends a request and waits for its reply.
    pub(super) fn exchange(&mut self) -> Result<()> {
        self.send()?;
        while !self.receive()? {}
        Ok(())
    }

    /// Closes as most clients do: FIN, the other side's FIN, and no byte between.
    pub(super) fn close(mut self) -> Result<()> {
        self.stream.finish()?;
        ensure!(self.stream.read(&mut [0]).context("closing")? == 0, "bytes after the last reply");
        Ok(())
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Exchanges over these clients until `end`; how many replies came.
pub(super) fn run(clients: &mut [Client], end: Instant) -> Result<u64> {
    if let [client] = clients {
        let mut replies = 0;
        while Instant::now() < end {
            client.exchange()?;
            replies += 1;
        }
        return Ok(replies);
    }
    many(clients, end)
}

/// One thread for all: 32 threads would measure the scheduler.
fn many(clients: &mut [Client], end: Instant) -> Result<u64> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    for (i, client) in clients.iter_mut().enumerate() {
        epoll::add(&epoll, &*client, EventData::new_u64(i as u64), EventFlags::IN)?;
        client.send()?;
    }
    let patience = Timespec::try_from(PATIENCE)?;
    let mut events: Vec<Event> = Vec::with_capacity(clients.len());
    let (mut replies, mut waiting) = (0, clients.len());
    while waiting > 0 {
        events.clear();
        epoll::wait(&epoll, spare_capacity(&mut events), Some(&patience))?;
        ensure!(!events.is_empty(), "no reply on any of {waiting} connections");
        for event in &events {
            let client = &mut clients[usize::try_from(event.data.u64())?];
            if client.receive()? {
                replies += 1;
                if Instant::now() < end {
                    client.send()?;
                } else {
                    waiting -= 1;
                }
            }
        }
    }
    Ok(replies)
}
