//! `Listener`: whether a port expects TLS, or something else in front of a mapping's bytes.

mod host_binding;
mod stack;

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};

pub(super) use self::host_binding::HostBinding;
use self::stack::Stack;
use crate::config::diagnostic::Diagnostic;
use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;
use crate::config::dialect::resource::Resource;
use crate::config::settings::Settings;

/// What a mapping makes of the TLS of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Downstream {
    /// It has no host.
    Untouched,
    /// It has one, and TLS ends here.
    Terminated,
    /// It has one, and TLS is looked at and goes on: any Listener will do.
    PassedThrough,
}

/// What the Listeners expect, by port. They listen where mappings without an address do; a mapping elsewhere
/// needs none: its own host says what it expects.
#[derive(Debug)]
pub(super) struct Stacks {
    addresses: Vec<IpAddr>,
    ports: BTreeMap<u16, Entry>,
}

#[derive(Debug)]
struct Entry {
    report: Report,
    /// `None` where it is in error; serving cleartext would be a guess.
    stack: Option<Stack>,
    binding: HostBinding,
    /// Whether a mapping is on its address.
    used: Cell<bool>,
}

impl Stacks {
    /// Of several on one port the first by name counts, as in Ambassador.
    pub(super) fn read(
        listeners: Vec<(&Resource<'_>, Report)>,
        settings: &Settings,
        found: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut ports: BTreeMap<u16, Entry> = BTreeMap::new();
        let mut listeners = unique(listeners, found);
        listeners.sort_by_cached_key(|(resource, _)| (resource.name(), resource.namespace()));
        for (resource, report) in listeners {
            let Some(fields) = resource.spec(&report) else {
                found.extend(report.into_diagnostics());
                continue;
            };
            let (port, entry) = read(&fields, resource, settings, &report);
            let (stack, binding) = entry;
            match port.map(|port| (port, ports.get(&port))) {
                None => {}
                Some((_, Some(first))) => {
                    let message = format!(
                        "is that of {} too, which comes first by name; give this one another port, or remove one \
                         of them",
                        first.report.whereabouts()
                    );
                    report.discard("spec.port", message);
                }
                Some((port, None)) => {
                    ports.insert(port, Entry { report, stack, binding, used: Cell::new(false) });
                    continue;
                }
            }
            found.extend(report.into_diagnostics());
        }
        Self { addresses: settings.ambassador.bind_address.clone(), ports }
    }

    /// Why a mapping cannot be served on an address, if so.
    pub(super) fn obstacle(&self, bind: SocketAddr, mapping: Downstream) -> Option<String> {
        let Entry { stack, report, used, .. } = self.at(bind)?;
        used.set(true);
        let listener = report.whereabouts();
        let Some(stack) = stack else {
            return Some(format!("{listener} is in error, so what it expects is unknown"));
        };
        if stack.proxy {
            return Some(format!(
                "{listener} expects the PROXY protocol, which is not served by this version of sluice"
            ));
        }
        match (stack.tls, mapping) {
            (false, Downstream::Terminated) => Some(format!(
                "{listener} does not terminate TLS, and a mapping with host does; give the Listener protocol: TLS, \
                 or leave host out"
            )),
            (true, Downstream::Untouched) => Some(format!(
                "{listener} terminates TLS, and a mapping without host does not; give the mapping a host, or the \
                 Listener protocol: TCP"
            )),
            _ => None,
        }
    }

    /// What a mapping takes away from the Listener of its address, if anything.
    pub(super) fn displaced(&self, bind: SocketAddr, mapping: Downstream) -> Option<String> {
        let Entry { stack, report, .. } = self.at(bind)?;
        let http = stack.is_some_and(|stack| stack.http);
        (http && mapping == Downstream::Untouched).then(|| {
            format!(
                "is that of {} too, which expects HTTP: every connection goes to this mapping, whatever it speaks; \
                 give the Listener protocol: TCP, or the mapping a port of its own",
                report.whereabouts()
            )
        })
    }

    /// Which Hosts the Listener of an address takes certificates from; all where there is none.
    pub(super) fn binding(&self, bind: SocketAddr) -> Option<&HostBinding> {
        self.at(bind).map(|entry| &entry.binding)
    }

    fn at(&self, bind: SocketAddr) -> Option<&Entry> {
        self.ports.get(&bind.port()).filter(|_| self.addresses.contains(&bind.ip()))
    }

    /// Ends the reading: says which Listeners nobody is behind.
    pub(super) fn finish(self, found: &mut Vec<Diagnostic>) {
        for (port, Entry { report, stack, used, .. }) in self.ports {
            if !used.get() && !report.failed() {
                let bind = SocketAddr::new(self.addresses[0], port);
                let why = match stack {
                    Some(Stack { http: true, .. }) => "and sluice serves no HTTP",
                    _ => "unless one names that address itself",
                };
                report.info("spec.port", format!("no TCPMapping is on {bind}, {why}; nothing listens there"));
            }
            found.extend(report.into_diagnostics());
        }
    }
}

/// Of Listeners with the same namespace and name the last one stays.
fn unique<'a, 'b>(
    listeners: Vec<(&'a Resource<'b>, Report)>,
    found: &mut Vec<Diagnostic>,
) -> Vec<(&'a Resource<'b>, Report)> {
    let mut last = HashMap::new();
    let named = listeners.iter().enumerate().filter(|(_, (resource, _))| resource.name().is_some());
    for (index, (_, report)) in named {
        last.insert(report.resource().to_owned(), (index, report.place().clone()));
    }
    let mut kept = Vec::with_capacity(last.len());
    for (index, (resource, report)) in listeners.into_iter().enumerate() {
        match last.get(report.resource()) {
            Some((stays, place)) if *stays != index => {
                report.replaced_by(place);
                found.extend(report.into_diagnostics());
            }
            _ => kept.push((resource, report)),
        }
    }
    kept
}

fn read(
    fields: &Fields<'_>,
    resource: &Resource<'_>,
    settings: &Settings,
    report: &Report,
) -> (Option<u16>, (Option<Stack>, HostBinding)) {
    if fields.raw("port").is_none() {
        fields.missing("port", "give the port to listen on");
    }
    let port = fields.integer("port", 1..=65535).and_then(|port| u16::try_from(port).ok());
    let stack = stack::read(fields, report);
    let own = resource.namespace();
    let own = own.as_deref().unwrap_or(&settings.ambassador.namespace);
    let binding = HostBinding::read(fields, own, report);
    // About HTTP, or names of Envoy's statistics: said to Ambassador, and without meaning here.
    fields.ignore(&["ambassador_id", "l7Depth", "statsPrefix", "http2MaxConcurrentStreams"]);
    security_model(fields, report);
    fields.warn_unknown(&[("address", "the setting bind-address says where Listeners listen")]);
    (port, (stack.filter(|_| !report.failed()), binding))
}

/// Whether requests are taken for secure: of HTTP alone, so a slip costs nothing.
fn security_model(fields: &Fields<'_>, report: &Report) {
    const MODELS: [&str; 3] = ["XFP", "SECURE", "INSECURE"];
    if let Some(model) = fields.filled("securityModel").filter(|model| !MODELS.contains(&model.as_str())) {
        let message =
            format!("{model:?} is none of {}; without meaning for TCP, it is ignored", MODELS.join(", "));
        report.warn(fields.path("securityModel"), message);
    }
}
