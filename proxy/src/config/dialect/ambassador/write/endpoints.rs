//! Who knows where a mapping's service is, as a resolver and what it reads.

use serde_json::{Map, json};

use crate::config::dialect::write::{Draft, ObjectName, Taken, object, service};
use crate::config::model::{Catalogue, Host, Mapping, Resolution, Service};

/// How a `TCPMapping` names its upstream.
pub(super) struct Found {
    pub(super) service: String,
    pub(super) resolver: Option<String>,
}

/// Resolvers that have been written.
#[derive(Default)]
pub(super) struct Resolvers {
    services: Taken,
    catalogues: Vec<(Service, String, String)>,
}

impl Resolvers {
    pub(super) fn find(&mut self, mapping: &Mapping, name: &ObjectName, draft: &mut Draft<'_>) -> Found {
        match &mapping.resolution {
            // Targets are an annotation, beside a service that only names them.
            Resolution::Dns | Resolution::Targets(_) => {
                Found { service: mapping.service.to_string(), resolver: None }
            }
            Resolution::Fixed(endpoints) => {
                let service = ObjectName { name: name.name.clone(), namespace: name.namespace.clone() };
                let service = self.services.free(service);
                let port = mapping.service.port;
                service::backed(&service, port, endpoints, draft);
                Found {
                    service: format!("{}:{port}", service.name),
                    resolver: Some("kubernetes-endpoint".to_owned()),
                }
            }
            Resolution::Catalogue(catalogue) => Found {
                service: format!("{}:{}", catalogue.service, mapping.service.port),
                resolver: Some(self.catalogue(catalogue, draft)),
            },
        }
    }

    fn catalogue(&mut self, catalogue: &Catalogue, draft: &mut Draft<'_>) -> String {
        let Catalogue { agent, datacenter, .. } = catalogue;
        let known = self.catalogues.iter().find(|(other, dc, _)| other == agent && **dc == **datacenter);
        if let Some((.., name)) = known {
            return name.clone();
        }
        let name = format!("consul-{}", self.catalogues.len() + 1);
        self.catalogues.push((agent.clone(), datacenter.to_string(), name.clone()));
        let object_name = ObjectName { name: name.clone(), namespace: None };
        let spec = json!({ "address": agent.to_string(), "datacenter": datacenter });
        draft.add(object(
            "getambassador.io/v3alpha1",
            "ConsulResolver",
            &object_name,
            Map::new(),
            Map::from_iter([("spec".to_owned(), spec)]),
        ));
        name
    }
}

/// Whether a name is what the host is asked for as.
pub(super) fn is_host(host: &Host, name: &str) -> bool {
    matches!(host, Host::Name(own) if **own == *name)
}
