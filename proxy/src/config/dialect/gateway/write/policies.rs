//! `BackendTLSPolicy`: TLS towards the Services of routes whose clients' TLS has ended.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::gateways::reference;
use super::{api, lacks, of_spec};
use crate::config::dialect::write::{Draft, ObjectName, object};
use crate::config::model::{Authorities, Mapping, NamesChecked, Origination, SanPattern, Verification};

/// What is asked of Services, of each the same for all routes.
#[derive(Default)]
pub(super) struct Policies(Vec<(ObjectName, Option<Asked>)>);

#[derive(PartialEq)]
struct Asked {
    hostname: String,
    origination: Arc<Origination>,
}

impl Policies {
    /// Notes how a mapping reaches its Service.
    pub(super) fn ask(&mut self, service: &ObjectName, mapping: &Mapping, draft: &mut Draft<'_>) {
        let asked = mapping.originate.as_ref().and_then(|origination| {
            let hostname = lacks::hostname(origination, mapping)?;
            Some(Asked { hostname: hostname.to_owned(), origination: Arc::clone(origination) })
        });
        match self.0.iter().find(|(known, _)| known == service) {
            Some((_, known)) if *known != asked => draft.lose(
                &mapping.name.0,
                "reaches its Service in another way than another mapping does, and policies are for all; the first stays",
            ),
            Some(_) => {}
            None => self.0.push((service.clone(), asked)),
        }
    }

    pub(super) fn write(self, draft: &mut Draft<'_>) {
        for (service, asked) in self.0 {
            if let Some(asked) = asked {
                let spec = json!({
                    "targetRefs": [{ "group": "", "kind": "Service", "name": service.name }],
                    "validation": asked.validation(&service, draft),
                });
                draft.add(object(&api("v1"), "BackendTLSPolicy", &service, Map::new(), of_spec(spec)));
            }
        }
    }
}

impl Asked {
    fn validation(&self, service: &ObjectName, draft: &mut Draft<'_>) -> Value {
        let Verification::Chain { authorities, names, .. } = &self.origination.verification else {
            return Value::Null;
        };
        let (references, well_known) = match authorities {
            Authorities::System => (None, Some("System")),
            Authorities::Given(trust) => {
                // In the policy's namespace, which is the Service's.
                let map = draft.config_map(trust, service.namespace.as_deref());
                (Some([reference("ConfigMap", &ObjectName { namespace: None, ..map })]), None)
            }
        };
        let sans: Vec<_> = match names {
            NamesChecked::OneOf(names) if !self.is_own(names) => names.iter().filter_map(san).collect(),
            NamesChecked::OneOf(_) | NamesChecked::Any | NamesChecked::Sent => Vec::new(),
        };
        json!({
            "hostname": self.hostname,
            "caCertificateRefs": references,
            "wellKnownCACertificates": well_known,
            "subjectAltNames": sans,
        })
    }

    /// Whether the hostname alone is looked for.
    fn is_own(&self, names: &[SanPattern]) -> bool {
        matches!(names, [SanPattern::Dns(name)] if **name == *self.hostname)
    }
}

fn san(name: &SanPattern) -> Option<Value> {
    match name {
        SanPattern::Dns(name) => Some(json!({ "type": "Hostname", "hostname": name })),
        SanPattern::Uri(uri) => Some(json!({ "type": "URI", "uri": uri })),
        SanPattern::Ip(_) => None,
    }
}
