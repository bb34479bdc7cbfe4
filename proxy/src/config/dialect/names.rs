//! DNS names as TLS knows them.

use rustls::pki_types::DnsName;

use crate::config::model::ServerName;

/// The name as it is sent: lower case, without the dot of the root. `None` where rustls would not take it.
pub(super) fn server_name(text: &str) -> Option<ServerName> {
    let text = text.trim();
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    DnsName::try_from(name.as_str()).is_ok().then(|| name.into())
}
