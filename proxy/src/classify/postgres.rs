//! How a PostgreSQL client begins (PostgreSQL 17, 53.2.10 and 53.7): a total function of bytes.

/// What asks for TLS: the length, and 80877103.
pub const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// What a client without TLS is told: an ErrorResponse whose code says invalid_authorization_specification,
/// as `pg_hba.conf` with `hostssl` alone has the server say it.
pub const REFUSAL: &[u8] =
    b"E\0\0\0\x4dSFATAL\0VFATAL\0C28000\0Mthis port wants TLS; connect with sslmode=require\0\0";

/// Version or request code of a first message.
const SSL: u32 = 80_877_103;
const GSS_ENCRYPTION: u32 = 80_877_104;
const CANCEL: u32 = 80_877_102;
/// Longest message with which a client begins (MAX_STARTUP_PACKET_LENGTH).
const LONGEST: u32 = 10_000;

/// A client's first words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begins {
    /// The beginning of one of the others.
    Incomplete,
    /// It asks for TLS; eight bytes.
    SslRequest,
    /// It asks for GSSAPI encryption; eight bytes.
    GssRequest,
    /// It cancels a query of another connection.
    Cancel,
    /// It logs in without encryption.
    Startup,
    /// It begins TLS without asking, as from PostgreSQL 17 on it may.
    Tls,
    /// It speaks another protocol.
    Unknown,
}

pub(super) fn begins(bytes: &[u8]) -> Begins {
    match *bytes {
        [22, ..] => Begins::Tls,
        // No first message is longer: the length tells strangers at once.
        [a, ..] if a != 0 => Begins::Unknown,
        [_, b, ..] if b != 0 => Begins::Unknown,
        [_, _, c, d, e, f, g, h, ..] => {
            let length = u32::from_be_bytes([0, 0, c, d]);
            match (length, u32::from_be_bytes([e, f, g, h])) {
                (8, SSL) => Begins::SslRequest,
                (8, GSS_ENCRYPTION) => Begins::GssRequest,
                (16.., CANCEL) => Begins::Cancel,
                // Protocol 2 and 3, any minor version.
                (9..=LONGEST, code) if (2..=3).contains(&(code >> 16)) => Begins::Startup,
                _ => Begins::Unknown,
            }
        }
        _ => Begins::Incomplete,
    }
}
