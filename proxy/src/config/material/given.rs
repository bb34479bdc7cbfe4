//! Settings that name files of PEM, or hold the PEM itself.

use std::path::Path;

use data_encoding::BASE64;

use super::{Flaw, MaterialError, Piece};

/// What a PEM text begins with.
pub(in crate::config) const PEM: &str = "-----BEGIN";

/// The same in base64, as Secrets and variables have it.
const IN_BASE64: &str = "LS0tLS1CRUdJTi";

/// Whether a PEM text is in it, which may be a key, and is not to be repeated.
pub(in crate::config) fn is_pem(text: &str) -> bool {
    text.contains(PEM) || text.contains(IN_BASE64)
}

/// What a setting gives.
pub(in crate::config) enum Given<'a> {
    File(&'a Path),
    Text(Piece),
}

/// A file's name, or a PEM text, plain or in base64; a text is called by the setting's name.
///
/// # Errors
/// What is neither. The text is not repeated.
pub(in crate::config) fn given<'a>(setting: &str, text: &'a str) -> Result<Given<'a>, MaterialError> {
    let wrong = |flaw| MaterialError { name: setting.to_owned(), flaw };
    let piece = |bytes| Given::Text(Piece { name: setting.to_owned(), bytes });
    if text.contains(PEM) {
        Ok(piece(text.as_bytes().to_vec()))
    } else if text.contains(IN_BASE64) {
        let packed: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        BASE64.decode(&packed).map(piece).map_err(|_position| wrong(Flaw::Base64))
    } else if text.contains('\n') {
        // No file's name, so perhaps the rest of a key.
        Err(wrong(Flaw::Pem))
    } else {
        Ok(Given::File(Path::new(text)))
    }
}
