//! Says something, and listens until what is expected was said.

use std::io;

use tokio::net::TcpStream;

use super::Failed;

/// Most of an answer that is looked through.
pub(super) const LONGEST: usize = 64 << 10;

pub(super) async fn exchange(stream: &TcpStream, send: &[u8], expect: &[u8]) -> Result<(), Failed> {
    let mut unsent = send;
    while !unsent.is_empty() {
        stream.writable().await?;
        match stream.try_write(unsent) {
            Ok(sent) => unsent = &unsent[sent..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut heard = Vec::new();
    while !contains(&heard, expect) {
        if heard.len() >= LONGEST {
            return Err(Failed::TooLong);
        }
        stream.readable().await?;
        match stream.try_read_buf(&mut heard) {
            Ok(0) => return Err(Failed::Closed),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn contains(heard: &[u8], expected: &[u8]) -> bool {
    expected.is_empty() || heard.windows(expected.len()).any(|window| window == expected)
}
