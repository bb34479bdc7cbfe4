//! Which resource, and how old it is.

use std::fmt;

use crate::config::dialect::fields::{Fields, scalar};
use crate::config::dialect::report::Report;
use crate::config::dialect::resource::Resource;
use crate::config::settings::Settings;

/// Namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Id {
    pub(super) fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Sorts the oldest first: by `metadata.creationTimestamp`, then by namespace and name. A file without the former is
/// younger than any with it, and as old as its place says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Age {
    undated: bool,
    created: Option<(String, Id)>,
    place: usize,
}

/// Begins the annotations that a `TCPMapping` may have.
const OWN: &str = "sluice.dev/";

/// What every resource has.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) id: Id,
    pub(super) age: Age,
    /// `metadata.generation`.
    pub(super) generation: Option<u64>,
}

impl Head {
    /// `place` is where it stands among all; `None` where it has no name, which the report says.
    pub(super) fn read(
        resource: &Resource<'_>,
        place: usize,
        settings: &Settings,
        report: &Report,
    ) -> Option<Self> {
        let Some(name) = resource.name() else {
            report.discard("metadata.name", "is missing; give the resource a name");
            return None;
        };
        let namespace = resource.namespace().unwrap_or_else(|| settings.ambassador.namespace.clone());
        let id = Id { namespace, name };
        let metadata = resource.metadata(report);
        let raw = metadata.as_ref().and_then(|metadata| metadata.raw("creationTimestamp")).and_then(scalar);
        let created = raw.filter(|text| {
            if is_utc(text) {
                return true;
            }
            let message = format!(
                "{text:?} is no time such as 2026-01-31T12:00:00Z; the place in the files is its age"
            );
            report.warn("metadata.creationTimestamp", message);
            false
        });
        let annotations = metadata.as_ref().and_then(|metadata| metadata.child("annotations"));
        for name in annotations.iter().flat_map(Fields::names).filter(|name| name.starts_with(OWN)) {
            let message = format!("{name:?} is ignored: annotations of sluice are for TCPMappings");
            report.warn(format!("metadata.annotations.{name}"), message);
        }
        let generation = metadata.as_ref().and_then(|metadata| metadata.raw("generation"));
        let age = Age { undated: created.is_none(), created: created.map(|time| (time, id.clone())), place };
        Some(Self { id, age, generation: generation.and_then(serde_yaml::Value::as_u64) })
    }
}

/// Whether it is a time as Kubernetes writes it, which sorts as it stands.
fn is_utc(text: &str) -> bool {
    const FORM: &[u8] = b"0000-00-00T00:00:00";
    let Some(text) = text.strip_suffix('Z') else {
        return false;
    };
    let (whole, fraction) = text.as_bytes().split_at(text.len().min(FORM.len()));
    let fits = |(byte, form): (&u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
    whole.len() == FORM.len()
        && whole.iter().zip(FORM).all(fits)
        && (fraction.is_empty() || (fraction[0] == b'.' && fraction[1..].iter().all(u8::is_ascii_digit)))
}
