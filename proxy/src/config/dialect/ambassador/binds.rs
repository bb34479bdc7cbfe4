//! Where a mapping listens.

use std::net::SocketAddr;

use super::spec::Spec;
use crate::config::dialect::fields::Fields;
use crate::config::dialect::ports::exclude;
use crate::config::dialect::report::Report;
use crate::config::settings::Settings;

/// Its own address, or all of those that stand for none; at least one. `None` where it has no port, which the
/// report says.
pub(super) fn of(
    spec: &Spec,
    fields: &Fields<'_>,
    settings: &Settings,
    report: &Report,
) -> Option<Vec<SocketAddr>> {
    let port = spec.port?;
    let everywhere = settings.ambassador.bind_address.as_slice();
    let addresses = spec.address.as_ref().map_or(everywhere, std::slice::from_ref);
    let binds: Vec<_> = addresses.iter().map(|address| SocketAddr::new(*address, port)).collect();
    if let Some(admin) = settings.admin.filter(|admin| binds.iter().any(|bind| exclude(*bind, *admin))) {
        let message = format!(
            "{port} is that of the admin endpoint ({admin}); give the mapping another one, or the admin endpoint \
             (--admin)"
        );
        report.discard(fields.path("port"), message);
    }
    Some(binds)
}
