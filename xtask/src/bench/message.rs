//! The messages of an exchange, as the backend takes them.

use anyhow::{Result, ensure};

/// Largest message of an exchange.
const LARGEST: usize = 1 << 20;

/// Room for a message of this size, of which so many bytes have come.
pub(super) fn room(size: u32, have: usize) -> Result<Vec<u8>> {
    let size = size as usize;
    ensure!((have..=LARGEST).contains(&size), "{have} bytes came for messages of {size}");
    Ok(vec![0; size])
}
