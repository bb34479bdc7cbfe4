//! The first bytes of every connection: they tell the backend what to do with the rest.

use anyhow::{Result, ensure};

/// Bytes of a [`Hello`] on the wire.
pub(super) const LENGTH: usize = 16;

const MAGIC: [u8; 3] = *b"slb";

/// What a client asks of the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hello {
    /// Messages of so many bytes, each to be sent back; the first begins with this hello.
    Exchange { size: u32 },
    /// A stream follows (`up`); send one (`down`) for so long.
    Bulk { up: bool, down: bool, millis: u32 },
}

impl Hello {
    /// As sent.
    pub(super) fn encode(self) -> [u8; LENGTH] {
        let (kind, number) = match self {
            Self::Exchange { size } => (0, size),
            Self::Bulk { up, down, millis } => (4 | u8::from(up) | u8::from(down) << 1, millis),
        };
        let mut bytes = [0; LENGTH];
        bytes[..3].copy_from_slice(&MAGIC);
        bytes[3] = kind;
        bytes[4..8].copy_from_slice(&number.to_le_bytes());
        bytes
    }

    /// As received.
    pub(super) fn decode(bytes: &[u8; LENGTH]) -> Result<Self> {
        ensure!(bytes[..3] == MAGIC, "a connection begins with {bytes:?}");
        let number = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        Ok(match bytes[3] {
            0 => Self::Exchange { size: number },
            kind => Self::Bulk { up: kind & 1 != 0, down: kind & 2 != 0, millis: number },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Hello;

    #[test]
    fn survives_the_wire() {
        let bulk = |up, down| Hello::Bulk { up, down, millis: 3_000 };
        for hello in
            [Hello::Exchange { size: 16 << 10 }, bulk(true, false), bulk(false, true), bulk(true, true)]
        {
            assert_eq!(Hello::decode(&hello.encode()).unwrap(), hello);
        }
        assert!(Hello::decode(b"GET / HTTP/1.1\r\n").is_err());
    }
}
