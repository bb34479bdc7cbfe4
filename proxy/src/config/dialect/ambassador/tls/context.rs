//! `TLSContext`, and the Module `tls` that came before it.

use std::collections::HashMap;

use super::block::{Block, Defaults};
use super::declared::Declared;
use crate::config::diagnostic::Diagnostic;
use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;
use crate::config::dialect::resource::Resource;
use crate::config::dialect::words::nearest;

/// A `TLSContext`.
pub(super) struct Context {
    name: String,
    namespace: String,
    /// In lower case, otherwise as they stand.
    pub(super) hosts: Vec<String>,
    pub(super) declared: Declared,
}

/// Every `TLSContext`, in Ambassador's order: by name, then namespace.
pub(super) struct Contexts(Vec<Context>);

impl Contexts {
    pub(super) fn read(
        contexts: Vec<(&Resource<'_>, Report)>,
        module: Option<(&Resource<'_>, Report)>,
        defaults: &Defaults<'_>,
        found: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut read: Vec<Context> = Vec::new();
        let mut places = HashMap::new();
        for (resource, report) in contexts {
            let Some(context) = context(resource, report, defaults, found) else {
                continue;
            };
            let key = (context.name.clone(), context.namespace.clone());
            match places.get(&key) {
                Some(&index) => {
                    let before: Context = std::mem::replace(&mut read[index], context);
                    before.declared.report.replaced_by(&resource.place);
                    found.extend(before.declared.report.into_diagnostics());
                }
                None => {
                    places.insert(key, read.len());
                    read.push(context);
                }
            }
        }
        if let Some((resource, report)) = module {
            from_module(resource, report, defaults, &mut read, found);
        }
        read.sort_by_key(|context| format!("{}.{}", context.name, context.namespace));
        Self(read)
    }

    /// The first that has `host`, which is in lower case, among its hosts.
    pub(super) fn for_host(&self, host: &str) -> impl Iterator<Item = &Context> {
        self.0.iter().filter(move |context| context.hosts.iter().any(|own| own == host))
    }

    /// The one that `name` means: Ambassador searches all namespaces, the first in its order counts, and
    /// `name.namespace` picks another.
    pub(super) fn get(&self, name: &str) -> Option<&Context> {
        let qualified = |context: &&Context| {
            name.strip_prefix(&context.name)
                .and_then(|rest| rest.strip_prefix('.'))
                .is_some_and(|namespace| namespace == context.namespace)
        };
        self.0.iter().find(|context| context.name == name).or_else(|| self.0.iter().find(qualified))
    }

    /// The same for whoever wrote `name` into `field`: why there is none, and a warning where it is not clear.
    pub(super) fn find(&self, name: &str, report: &Report, field: &str) -> Result<&Context, String> {
        let context = self.get(name).ok_or_else(|| self.nobody(name))?;
        if let Some(other) = self.0.iter().filter(|other| other.name == name).nth(1) {
            let message = format!(
                "{name:?} is the name of several TLSContexts, of which {} counts, as in Ambassador; write \
                 \"{name}.{}\" to mean {}",
                context.declared.label, other.namespace, other.declared.label
            );
            report.warn(field, message);
        }
        Ok(context)
    }

    pub(super) fn finish(self, found: &mut Vec<Diagnostic>) {
        for context in self.0 {
            found.extend(context.declared.report.into_diagnostics());
        }
    }

    fn nobody(&self, name: &str) -> String {
        let names: Vec<&str> = self.0.iter().map(|context| context.name.as_str()).collect();
        let hint = match nearest(name, &names) {
            Some(near) => format!("did you mean {near:?}?"),
            None if name.eq_ignore_ascii_case("true") => {
                "for TLS without a client certificate write service: https://…".to_owned()
            }
            None => "declare it, or write service: https://… for TLS without a client certificate".to_owned(),
        };
        format!("there is no TLSContext {name:?}; {hint}")
    }
}

fn context(
    resource: &Resource<'_>,
    report: Report,
    defaults: &Defaults<'_>,
    found: &mut Vec<Diagnostic>,
) -> Option<Context> {
    let read = || {
        let Some(name) = resource.name() else {
            let field = if resource.is_flat() { "name" } else { "metadata.name" };
            report.discard(field, "is missing; give the TLSContext a name");
            return None;
        };
        let namespace = resource.namespace().unwrap_or_else(|| defaults.own_namespace.to_owned());
        let fields = resource.spec(&report)?;
        fields.ignore(&["ambassador_id"]);
        let hosts = fields.texts("hosts").unwrap_or_default();
        let block = Block::read(&fields, &namespace, defaults, &report);
        fields.warn_unknown(&[
            ("crl", "use crl_secret or crl_file"),
            ("ca_cert_file", "use cacert_chain_file"),
        ]);
        Some((name, namespace, lower_case(hosts), block))
    };
    match read() {
        Some((name, namespace, hosts, block)) => {
            Some(Context { name, namespace, hosts, declared: Declared::new(block, report) })
        }
        None => {
            found.extend(report.into_diagnostics());
            None
        }
    }
}

/// `server` ends the TLS of any client; every other key is a context to originate with.
fn from_module(
    resource: &Resource<'_>,
    report: Report,
    defaults: &Defaults<'_>,
    read: &mut Vec<Context>,
    found: &mut Vec<Diagnostic>,
) {
    let namespace = resource.namespace().unwrap_or_else(|| defaults.own_namespace.to_owned());
    let config = resource.spec(&report).and_then(|spec| spec.child("config"));
    for (name, value) in config.iter().flat_map(|config| config.entries()) {
        if read.iter().any(|context| context.name == name) {
            report.info(format!("spec.config.{name}"), format!("gives way to the TLSContext {name:?}"));
            continue;
        }
        let label = format!("{} ({name})", report.resource());
        let own = Report::new(report.place().clone(), label, "entry");
        let fields = Fields::new(value, format!("spec.config.{name}"), &own);
        let enabled = fields.boolean("enabled").unwrap_or(true);
        let block = Block::read(&fields, &namespace, defaults, &own);
        fields.warn_unknown(&[]);
        if !enabled {
            continue;
        }
        let hosts = if name == "server" { vec!["*".to_owned()] } else { Vec::new() };
        let namespace = namespace.clone();
        read.push(Context { name, namespace, hosts, declared: Declared::new(block, own) });
    }
    found.extend(report.into_diagnostics());
}

fn lower_case(hosts: Vec<String>) -> Vec<String> {
    let plain = |host: String| host.trim().trim_end_matches('.').to_ascii_lowercase();
    hosts.into_iter().map(plain).filter(|host| !host.is_empty()).collect()
}
