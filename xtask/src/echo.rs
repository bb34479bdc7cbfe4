//! The upstream of the quick-start example: a TCP server that sends every byte back.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::parent_id;
use std::thread;

use anyhow::{Context, Result};
use rustix::process::{Signal, set_parent_process_death_signal};

/// Serves until the process that started us, `parent`, is gone.
pub(crate) fn serve(address: SocketAddr, parent: u32) -> Result<()> {
    // sluice runs in our parent's place, so however it ends, nothing stays behind.
    set_parent_process_death_signal(Some(Signal::TERM))?;
    if parent_id() != parent {
        return Ok(()); // It ended before it could be watched.
    }
    let listener = TcpListener::bind(address).with_context(|| format!("echo upstream on {address}"))?;
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || {
            if let Err(e) = echo(&stream) {
                eprintln!("echo upstream: {e}");
            }
        });
    }
    Ok(())
}

fn echo(mut stream: &TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match io::Read::read(&mut stream, &mut buffer)? {
            0 => return stream.shutdown(Shutdown::Write),
            n => stream.write_all(&buffer[..n])?,
        }
    }
}
