//! DNS names, and those of them that TLS knows.

use rustls::pki_types::DnsName;

use crate::config::model::ServerName;

/// The name as it is sent: lower case, without the dot of the root. `None` where rustls would not take it.
pub(super) fn server_name(text: &str) -> Option<ServerName> {
    let text = text.trim();
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    DnsName::try_from(name.as_str()).is_ok().then(|| name.into())
}

/// Whether it is a name that DNS may know: RFC 1123, and underscores, which occur. A last label of digits alone is
/// a mistyped address or port.
pub(super) fn is_dns_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(fits)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_number = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    name.len() <= 253 && name.split('.').all(label) && !last_is_number
}
