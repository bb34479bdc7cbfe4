//! What Kong keeps in kong.conf: where to listen, and how routes are chosen there.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use ipnet::IpNet;

use super::ends;
use super::stream_listen::{self, Listen};
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::dialect::about_setting;
use crate::config::dialect::report::Place;
use crate::config::model::{ProxySources, SocketOptions};
use crate::config::settings::Kong;

/// Which route comes first where several fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavor {
    /// The default.
    TraditionalCompatible,
    /// That of Kong before 3.0: the route that asks for more kinds of things, and no wildcards.
    Traditional,
}

/// An address to listen on.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) bind: SocketAddr,
    /// What clients take its port for.
    pub(super) port: u16,
    pub(super) ssl: bool,
    pub(super) proxy_protocol: Option<ProxySources>,
    pub(super) socket: SocketOptions,
}

/// What the settings come to.
#[derive(Debug)]
pub(super) struct Surroundings {
    /// In order, none twice.
    pub(super) addresses: Vec<Address>,
    pub(super) flavor: Flavor,
}

impl Surroundings {
    pub(super) fn read(settings: &Kong, found: &mut Vec<Diagnostic>) -> Self {
        let trusted = trusted(&settings.trusted_ips, found);
        let maps = port_maps(&settings.port_maps, found);
        let mut addresses: BTreeMap<SocketAddr, Address> = BTreeMap::new();
        for listen in listens(settings, found) {
            if listen.proxy_protocol && settings.trusted_ips.trim().is_empty() {
                let message = "no trusted_ips says whose PROXY headers are believed, so nobody's are, and clients have \
                               the addresses of who sends them; name your load balancer's addresses";
                found.push(note("trusted_ips", Severity::Warning, message.to_owned()));
            }
            for bind in listen.binds {
                let proxy_protocol = listen.proxy_protocol.then(|| trusted.clone());
                let port = maps.get(&bind.port()).copied().unwrap_or(bind.port());
                let address = Address { bind, port, ssl: listen.ssl, proxy_protocol, socket: listen.socket };
                match addresses.entry(bind) {
                    Entry::Vacant(free) => drop(free.insert(address)),
                    Entry::Occupied(_) => {
                        let message = format!("{bind} stands there twice, and the first counts; remove one");
                        found.push(about_setting("stream_listen", message));
                    }
                }
            }
        }
        let addresses = addresses.into_values().collect();
        Self { addresses, flavor: flavor(&settings.router_flavor, found) }
    }

    /// Whether anything is said of an address with this port, as clients know it.
    pub(super) fn has_port(&self, port: u16) -> bool {
        self.addresses.iter().any(|address| address.port == port)
    }
}

fn listens(settings: &Kong, found: &mut Vec<Diagnostic>) -> Vec<Listen> {
    let mut listens = Vec::new();
    for entry in stream_listen::parse(&settings.stream_listen) {
        match entry {
            Ok(listen) if listen.udp => {
                let binds: Vec<_> = listen.binds.iter().map(ToString::to_string).collect();
                let message =
                    format!("{} is for UDP, which sluice does not serve; passed over", binds.join(", "));
                found.push(note("stream_listen", Severity::Info, message));
            }
            Ok(listen) => listens.push(listen),
            Err(error) => found.push(about_setting("stream_listen", error.to_string())),
        }
    }
    listens
}

fn flavor(text: &str, found: &mut Vec<Diagnostic>) -> Flavor {
    match text.trim() {
        "traditional_compatible" | "" => return Flavor::TraditionalCompatible,
        "traditional" => return Flavor::Traditional,
        "expressions" => found.push(about_setting(
            "router_flavor",
            "sluice reads no expressions; routes are matched by snis, sources and destinations in the way of \
             traditional_compatible: set that"
                .to_owned(),
        )),
        other => found.push(about_setting(
            "router_flavor",
            format!("{other:?} is none of traditional_compatible, traditional; the former is used"),
        )),
    }
    Flavor::TraditionalCompatible
}

/// Whom nginx would believe: it takes everybody's header, and the client's address from these alone.
fn trusted(text: &str, found: &mut Vec<Diagnostic>) -> ProxySources {
    let mut networks: Vec<IpNet> = Vec::new();
    // No connection of a listener comes from a socket in the file system.
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty() && *word != "unix:") {
        match ends::network(word) {
            Some((network, _)) => networks.push(network),
            None => found.push(about_setting(
                "trusted_ips",
                format!("{word:?} is neither an address nor a network, and trusts nobody; write 10.0.0.0/8"),
            )),
        }
    }
    let all = |is_ipv4: bool| {
        networks.iter().any(|network| network.prefix_len() == 0 && network.addr().is_ipv4() == is_ipv4)
    };
    if all(true) && all(false) { ProxySources::Everyone } else { ProxySources::Believed(networks) }
}

/// From ports of ours to those that clients take them for.
fn port_maps(text: &str, found: &mut Vec<Diagnostic>) -> HashMap<u16, u16> {
    let mut maps = HashMap::new();
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let ports = word
            .split_once(':')
            .and_then(|(external, own)| Some((external.parse().ok()?, own.parse().ok()?)));
        match ports {
            Some((external, own)) => drop(maps.insert(own, external)),
            None => found.push(about_setting(
                "port_maps",
                format!("{word:?} is not external:own, as 80:8000, and maps nothing"),
            )),
        }
    }
    maps
}

fn note(setting: &str, severity: Severity, message: String) -> Diagnostic {
    let file = std::path::Path::new(setting).into();
    Place { file, document: 0 }.diagnostic(severity, message)
}
