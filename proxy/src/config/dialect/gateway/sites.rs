//! Who listens where: addresses that others have already.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::judged::Gateway;
use super::spec::Protocol;
use super::status::Fault;
use crate::config::dialect::merge::Holders;
use crate::config::dialect::ports::exclude;

/// Listeners of an address, as places of Gateways and of their listeners.
pub(super) type Sites = BTreeMap<SocketAddr, Vec<(usize, usize)>>;

/// Gives each address to the listeners of the oldest Gateway that wants it, and of others as far as names tell their
/// connections apart. Whoever comes too late is not taken up, nor is who wants what another dialect has.
pub(super) fn sites(gateways: &mut [Gateway], holders: &Holders<'_>, admin: Option<SocketAddr>) -> Sites {
    let mut sites = Sites::new();
    for gateway in 0..gateways.len() {
        for listener in 0..gateways[gateway].listeners.len() {
            if gateways[gateway].listeners[listener].refused.is_some() {
                continue;
            }
            let binds = gateways[gateway].listeners[listener].binds.clone();
            let place = gateways[gateway].report.place();
            let obstacle = binds.iter().find_map(|bind| {
                let own = || obstacle(*bind, (gateway, listener), gateways, &sites, admin);
                holders.obstacle(*bind, place).or_else(own)
            });
            if let Some(message) = obstacle {
                let gateway = &mut gateways[gateway];
                let spec = &gateway.spec.listeners[listener];
                let said = format!("{message}; the listener {:?} is not served", spec.name);
                gateway.report.error(format!("{}.port", spec.field), said);
                gateway.listeners[listener].refused = Some(Fault::new("PortUnavailable", message));
                continue;
            }
            for bind in binds {
                sites.entry(bind).or_default().push((gateway, listener));
            }
        }
    }
    sites
}

fn obstacle(
    bind: SocketAddr,
    (gateway, listener): (usize, usize),
    gateways: &[Gateway],
    sites: &Sites,
    admin: Option<SocketAddr>,
) -> Option<String> {
    if let Some(admin) = admin.filter(|admin| exclude(bind, *admin)) {
        return Some(format!(
            "{bind} is where the admin endpoint listens ({admin}); give one of them another port (--admin)"
        ));
    }
    let spec = &gateways[gateway].spec.listeners[listener];
    let others = sites.get(&bind).into_iter().flatten().filter(|(other, _)| *other != gateway);
    others.into_iter().find_map(|(other, place)| {
        let theirs = &gateways[*other].spec.listeners[*place];
        let is_tls = spec.protocol == Protocol::Tls && theirs.protocol == Protocol::Tls;
        (!is_tls || spec.hostname == theirs.hostname).then(|| {
            let owner = gateways[*other].report.whereabouts();
            format!("{bind} is taken by the listener {:?} of {owner}, which is older; give one of them another port", theirs.name)
        })
    })
}
