//! Ambassador documents in, listeners and findings out, as tables.

mod balancing;
mod filters;
mod limits;
mod listeners;
mod mappings;
mod proxy_protocol;
mod resolvers;
mod route;
mod seeds;
mod services;
mod surroundings;
mod tls;
mod weights;

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::dialect;
use crate::config::material::Files;
use crate::config::model::{Config, Mapping};
use crate::config::settings::Settings;

/// What a text means under some settings.
struct Outcome {
    config: Config,
    diagnostics: Vec<Diagnostic>,
}

fn lower(text: &str) -> Outcome {
    lower_with(text, &Settings::default())
}

fn lower_with(text: &str, settings: &Settings) -> Outcome {
    let (documents, errors) = dialect::parse(&Arc::from(Path::new("test.yaml")), text);
    assert_eq!(errors, [], "{text}");
    let files = RefCell::new(Files::default());
    files.borrow_mut().begin(1 << 20);
    let lowered = dialect::lower(documents.iter(), &files, settings);
    Outcome { config: lowered.config, diagnostics: lowered.diagnostics }
}

impl Outcome {
    /// One line a mapping: `bind name weight service`.
    fn served(&self) -> Vec<String> {
        let line = |bind, mapping: &Mapping| {
            let name = mapping.name.0.strip_prefix("TCPMapping ").unwrap();
            format!("{bind} {name} {} {}", mapping.weight.0, mapping.service)
        };
        let listeners = self.config.listeners.iter();
        listeners
            .flat_map(|listener| listener.routes.iter().map(move |route| (listener.bind, route)))
            .flat_map(|(bind, route)| route.mappings.iter().map(move |mapping| line(bind, mapping)))
            .collect()
    }

    fn only(&self) -> &Mapping {
        assert_eq!(self.served().len(), 1, "{:?}", self.all());
        &self.config.listeners[0].routes[0].mappings[0]
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

/// A mapping `default/m` on port 7000 to `svc:1`, with more lines of `spec`.
fn with_spec(lines: &[&str]) -> String {
    let mut text =
        "apiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\nmetadata: {name: m}\nspec:\n".to_owned();
    for (field, default) in [("port:", "port: 7000"), ("service:", "service: svc:1")] {
        if !lines.iter().any(|line| line.starts_with(field)) {
            text += &format!("  {default}\n");
        }
    }
    for line in lines {
        text += &format!("  {line}\n");
    }
    text
}

/// The same with annotations instead.
fn with_annotation(line: &str) -> String {
    with_spec(&[]).replace("{name: m}", &format!("{{name: m, annotations: {{{line}}}}}"))
}
