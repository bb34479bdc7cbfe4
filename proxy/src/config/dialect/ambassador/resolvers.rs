//! `KubernetesServiceResolver`, `KubernetesEndpointResolver` and `ConsulResolver`, and those that are always there.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::kind::Kind;
use super::service::{self, Port};
use crate::config::diagnostic::Diagnostic;
use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::{Place, Report};
use crate::config::dialect::resource::Resource;
use crate::config::dialect::words::nearest;
use crate::config::model::{Host, Service};

/// Where Consul's agent listens unless told otherwise.
const CONSUL_PORT: u16 = 8500;

/// Who knows where a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resolver {
    /// DNS.
    Dns,
    /// The Services and EndpointSlices of the configuration.
    Endpoints,
    /// Consul's catalogue.
    Consul { agent: Service, datacenter: String },
    /// It is declared, and its own report says what is wrong.
    Broken,
}

/// Every resolver that a mapping can name.
#[derive(Debug)]
pub(super) struct Resolvers(BTreeMap<String, Declared>);

#[derive(Debug)]
struct Declared {
    resolver: Resolver,
    /// `kind namespace/name`; `None` for those that are always there.
    by: Option<String>,
}

impl Resolvers {
    pub(super) fn read(
        resources: Vec<(Kind, &Resource<'_>, Report)>,
        own_namespace: &str,
        found: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut resolvers = Self::built_in();
        let places: Vec<(String, Place)> = resources
            .iter()
            .map(|(_, _, report)| (report.resource().to_owned(), report.place().clone()))
            .collect();
        for (index, (kind, resource, report)) in resources.into_iter().enumerate() {
            let later = places[index + 1..].iter().find(|(label, _)| label == report.resource());
            if let Some((_, place)) = later {
                report.replaced_by(place);
            } else if let Some(name) = resource.name() {
                let resolver = read(kind, resource, &report);
                let resolver = if report.failed() { Resolver::Broken } else { resolver };
                resolvers.declare(
                    name,
                    resource.namespace().as_deref().unwrap_or(own_namespace),
                    resolver,
                    &report,
                );
            } else {
                report.discard("metadata.name", "is missing; give the resolver a name");
            }
            found.extend(report.into_diagnostics());
        }
        resolvers
    }

    /// The resolver of that name, or what is wrong with the name.
    pub(super) fn find(&self, name: &str) -> Result<&Resolver, String> {
        match self.0.get(name) {
            Some(Declared { resolver: Resolver::Broken, by }) => {
                Err(format!("{name:?} is {}, which is discarded", by.as_deref().unwrap_or_default()))
            }
            Some(Declared { resolver, .. }) => Ok(resolver),
            None => {
                let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
                let near = nearest(name, &known);
                let near = near.map(|near| format!(" (did you mean {near:?}?)")).unwrap_or_default();
                Err(format!("the resolver {name:?} is unknown; write one of {}{near}", known.join(", ")))
            }
        }
    }

    fn built_in() -> Self {
        let agent = Service { host: Host::Ip(Ipv4Addr::LOCALHOST.into()), port: CONSUL_PORT };
        let consul = Resolver::Consul { agent, datacenter: "dc1".to_owned() };
        let names = [
            ("kubernetes-service", Resolver::Dns),
            ("kubernetes-endpoint", Resolver::Endpoints),
            ("endpoint", Resolver::Endpoints),
            ("consul", consul.clone()),
            ("consul-endpoint", consul),
        ];
        Self(
            names
                .into_iter()
                .map(|(name, resolver)| (name.to_owned(), Declared { resolver, by: None }))
                .collect(),
        )
    }

    /// One of a name that another namespace has taken goes by `name.namespace`, as in Ambassador.
    fn declare(&mut self, name: String, namespace: &str, resolver: Resolver, report: &Report) {
        let by = Some(report.resource().to_owned());
        let name = match self.0.get(&name) {
            Some(Declared { by: Some(other), .. }) => {
                let qualified = format!("{name}.{namespace}");
                report.warn(
                    "metadata.name",
                    format!("{other} has the same name; mappings find this one as {qualified:?}: rename one of them"),
                );
                qualified
            }
            _ => name,
        };
        self.0.insert(name, Declared { resolver, by });
    }
}

fn read(kind: Kind, resource: &Resource<'_>, report: &Report) -> Resolver {
    // Those of Kubernetes have nothing to say but their name, and may come without a spec.
    let has_spec = resource.is_flat() || resource.body.contains_key("spec");
    let fields = if has_spec || kind == Kind::ConsulResolver { resource.spec(report) } else { None };
    if let Some(fields) = &fields {
        fields.ignore(&["ambassador_id"]);
    }
    let resolver = match (kind, &fields) {
        (Kind::ServiceResolver, _) => Resolver::Dns,
        (Kind::EndpointResolver, _) => Resolver::Endpoints,
        (_, Some(fields)) => consul(fields, report).unwrap_or(Resolver::Broken),
        (_, None) => Resolver::Broken,
    };
    if let Some(fields) = &fields {
        fields.warn_unknown(&[]);
    }
    resolver
}

fn consul(fields: &Fields<'_>, report: &Report) -> Option<Resolver> {
    let address = fields.filled("address");
    let datacenter = fields.filled("datacenter");
    if address.is_none() && fields.raw("address").is_none() {
        fields.missing("address", "give Consul's agent as host:port");
    }
    if datacenter.is_none() && fields.raw("datacenter").is_none() {
        fields.missing("datacenter", "name Consul's datacenter, such as dc1");
    }
    let address = expand(&address?, |name| std::env::var(name).ok());
    let agent = match service::parse(&address) {
        Ok(upstream) if upstream.tls => {
            report.discard(
                fields.path("address"),
                format!(
                    "{address:?} asks for TLS, which is not served by this version of sluice; write http://"
                ),
            );
            return None;
        }
        Ok(upstream) => upstream,
        Err(error) => {
            report.discard(fields.path("address"), error);
            return None;
        }
    };
    let port = match agent.port {
        Port::Given(port) => port,
        Port::Default | Port::Void => CONSUL_PORT,
    };
    Some(Resolver::Consul { agent: Service { host: agent.host, port }, datacenter: datacenter? })
}

/// `${NAME}` and `$NAME` become the variable's value, or nothing, as in Go's os.ExpandEnv.
fn expand(text: &str, variable: impl Fn(&str) -> Option<String>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('$') {
        expanded.push_str(before);
        let (name, after) = match behind.strip_prefix('{').and_then(|inside| inside.split_once('}')) {
            Some(braced) => braced,
            None => {
                let end =
                    behind.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(behind.len());
                behind.split_at(end)
            }
        };
        expanded.push_str(&variable(name).unwrap_or_default());
        rest = after;
    }
    expanded + rest
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn variables_become_their_values() {
        let cases = [
            ("consul:8500", "consul:8500"),
            ("${HOST_IP}:8500", "10.0.0.1:8500"),
            ("$HOST_IP:8500", "10.0.0.1:8500"),
            ("a-${HOST_IP}-$HOST_IP", "a-10.0.0.1-10.0.0.1"),
            ("${NONE}x", "x"),
            ("a$", "a"),
        ];
        for (text, expected) in cases {
            let expanded = expand(text, |name| (name == "HOST_IP").then(|| "10.0.0.1".to_owned()));
            assert_eq!(expanded, expected, "{text}");
        }
    }
}
