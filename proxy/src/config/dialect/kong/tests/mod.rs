//! Kong's files in, listeners and findings out, as tables.

mod certificates;
mod documents;
mod listens;
mod plugins;
mod precedence;
mod schema;
mod upstreams;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use super::Sources;
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::dialect;
use crate::config::dialect::merge;
use crate::config::material::Files;
use crate::config::model::{Config, Downstream, Mapping, Matcher, NamePattern, Route};
use crate::config::settings::{Kong, Settings};

/// What a text means.
pub(super) struct Outcome {
    pub(super) config: Config,
    diagnostics: Vec<Diagnostic>,
}

/// With these as `stream_listen`.
pub(super) fn lower(text: &str, stream_listen: &str) -> Outcome {
    lower_with(text, |kong| kong.stream_listen = stream_listen.to_owned())
}

/// `set` changes Kong's settings. The environment has `DECK_PORT=5432` and `DECK_NAME=pay`.
fn lower_with(text: &str, set: impl FnOnce(&mut Kong)) -> Outcome {
    let mut settings = Settings::default();
    set(&mut settings.kong);
    let (documents, errors) = dialect::parse(&Arc::from(Path::new("kong.yaml")), text);
    assert_eq!(errors, [], "{text}");
    let files = RefCell::new(Files::default());
    files.borrow_mut().begin(1 << 20);
    let environment = |name: &str| match name {
        "DECK_PORT" => Some("5432".to_owned()),
        "DECK_NAME" => Some("pay".to_owned()),
        _ => None,
    };
    let sources = Sources { files: &files, settings: &settings, environment: &environment };
    let mut diagnostics = Vec::new();
    let documents: Vec<_> = documents.iter().collect();
    let (claims, _) = super::lower(&documents, sources, &mut diagnostics);
    let config = merge::merge(claims, &mut diagnostics);
    Outcome { config, diagnostics }
}

impl Outcome {
    /// One line a route: `bind: begins how, what becomes of TLS, where to`.
    fn served(&self) -> Vec<String> {
        let listeners = self.config.listeners.iter();
        listeners
            .flat_map(|l| l.routes.iter().map(move |route| format!("{}: {}", l.bind, line(route))))
            .collect()
    }

    fn only(&self) -> &Mapping {
        let mappings: Vec<_> = self.config.mappings().collect();
        assert_eq!(mappings.len(), 1, "{:?}", self.all());
        mappings[0]
    }

    /// Who takes a connection to the only listener, by the first of its routes that does.
    fn takes(&self, sni: Option<&str>, source: &str, destination: &str) -> Option<String> {
        let [listener] = &self.config.listeners[..] else { panic!("{:?}", self.all()) };
        let ends: [SocketAddr; 2] = [source, destination].map(|end| end.parse().unwrap());
        let takes = |route: &&Route| {
            let name = match &route.matcher {
                Matcher::Any => true,
                Matcher::Cleartext => sni.is_none(),
                Matcher::Tls { name, .. } => match (name, sni) {
                    (NamePattern::Everything, _) => true,
                    (_, None) => false,
                    (NamePattern::Exact(name), Some(sni)) => **name == *sni,
                    (NamePattern::Suffix(suffix), Some(sni)) => sni.ends_with(&**suffix) && *sni != **suffix,
                    (NamePattern::Prefix(prefix), Some(sni)) => {
                        sni.starts_with(&**prefix) && *sni != **prefix
                    }
                },
            };
            name && route.between.takes(ends[0], ends[1])
        };
        let route = listener.routes.iter().find(takes)?;
        route.mappings.first().map(|mapping| mapping.name.to_string())
    }

    /// Everything worse than an info line.
    fn faults(&self) -> Vec<String> {
        self.at_least(Severity::Warning)
    }

    fn all(&self) -> Vec<String> {
        self.at_least(Severity::Info)
    }

    fn at_least(&self, severity: Severity) -> Vec<String> {
        self.diagnostics.iter().filter(|found| found.severity >= severity).map(ToString::to_string).collect()
    }
}

fn line(route: &Route) -> String {
    let begins = match &route.matcher {
        Matcher::Any => "any".to_owned(),
        Matcher::Cleartext => "cleartext".to_owned(),
        Matcher::Tls { name, .. } => format!("tls {name}"),
    };
    let ends = |ends: &[crate::config::model::Ends]| {
        ends.iter().map(ToString::to_string).collect::<Vec<_>>().join("|")
    };
    let (from, to) = (ends(&route.between.sources), ends(&route.between.destinations));
    let part = |word, ends: String| if ends.is_empty() { ends } else { format!(" {word} {ends}") };
    let becomes = match &route.downstream {
        Downstream::Raw => "goes on",
        Downstream::Terminate(_) => "ends",
    };
    let mapping = route.mappings.first().map_or_else(
        || "refused".to_owned(),
        |mapping| {
            let tls = if mapping.originate.is_some() { "tls to " } else { "" };
            format!("{} {tls}{}", mapping.name, mapping.service)
        },
    );
    format!("{begins}{}{} {becomes}, {mapping}", part("from", from), part("to", to))
}

/// A service `pay`, with these fields of its route.
fn with_route(fields: &str) -> String {
    format!(
        "_format_version: '3.0'\nservices:\n- {{name: pay, host: 127.0.0.1, port: 1, protocol: tcp, routes: [{{name: r, {fields}}}]}}\n"
    )
}
