//! Where TLS ends and begins, as `Host`s and `TLSContext`s.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::NamedGroup;
use serde_json::{Map, Value, json};

use super::super::overrides::names as n;
use super::super::tls::parameters;
use super::annotations::{note, sans};
use super::endpoints::is_host;
use crate::config::dialect::write::{Draft, ObjectName, Taken, object, shown};
use crate::config::model::{
    Authorities, ClientCertificates, Downstream, Host, Matcher, NameSent, NamesChecked, Origination,
    Parameters, Route, SanPattern, Termination, Trust, Verification,
};
use crate::config::settings::UpstreamTlsVerify;

const API: &str = "getambassador.io/v3alpha1";

/// `Host`s and `TLSContext`s that have been written.
#[derive(Default)]
pub(super) struct Contexts {
    taken: Taken,
    hosts: BTreeMap<String, Arc<Termination>>,
    originations: Vec<(Arc<Origination>, String)>,
}

impl Contexts {
    /// A Host for the name at which a route ends its clients' TLS.
    pub(super) fn terminate(&mut self, route: &Route, draft: &mut Draft<'_>) {
        let (Downstream::Terminate(termination), Matcher::Tls { name, .. }) =
            (&route.downstream, &route.matcher)
        else {
            return;
        };
        let hostname = name.to_string();
        match self.hosts.get(&hostname) {
            Some(same) if same == termination => return,
            Some(_) => {
                return draft.lose(
                    &termination.name,
                    format!("{hostname} ends TLS in another way elsewhere, and a Host is for all ports; the first stays"),
                );
            }
            None => {}
        }
        self.hosts.insert(hostname.clone(), Arc::clone(termination));
        let certificates = shown(termination, name).unwrap_or_else(|| {
            draft.lose(&termination.name, format!("shows names of {hostname} different certificates, and a Host has one: that for the rest of them"));
            &termination.certificates
        });
        if certificates.len() > 1 {
            draft.lose(
                &termination.name,
                "has several certificates for a name, and a Host one; the first is written",
            );
        }
        let Some(identity) = certificates.first() else { return };
        let secret = draft.secret(identity);
        let rest = Fields::of(&termination.parameters).with_clients(&termination.clients, draft);
        let name = self.taken.free(ObjectName::of(&termination.name, &draft.settings.ambassador.namespace));
        let context = (!rest.0.is_empty()).then(|| {
            let own = ObjectName { name: format!("{}-clients", name.name), ..name.clone() };
            draft.add(object(API, "TLSContext", &own, Map::new(), spec(Value::Object(rest.0))));
            json!({ "name": own.name, "namespace": own.namespace })
        });
        let tls_secret = json!({ "name": secret.name, "namespace": secret.namespace });
        let host = json!({ "hostname": hostname, "tlsSecret": tls_secret, "tlsContext": context });
        draft.add(object(API, "Host", &name, Map::new(), spec(host)));
    }

    /// The scheme of the service, and the context that it is reached with.
    pub(super) fn originate(
        &mut self,
        origination: &Arc<Origination>,
        host: &Host,
        notes: &mut Map<String, Value>,
        draft: &mut Draft<'_>,
    ) -> (&'static str, Option<String>) {
        let Origination { name, identity, server_name, verification, parameters } = &**origination;
        let mut fields = Fields::of(parameters);
        if let Some(identity) = identity {
            fields.set("secret", secret_name(&draft.secret(identity)));
        }
        if let Verification::Chain { authorities, names, depth } = verification {
            match authorities {
                Authorities::Given(trust) => fields.trust(trust, draft),
                Authorities::System if draft.settings.upstream_tls_verify == UpstreamTlsVerify::System => {}
                Authorities::System => {
                    draft.lose(name, "verifies by the system's authorities; set upstream-tls-verify: system");
                }
            }
            match (names, authorities) {
                (NamesChecked::OneOf(names), _) => note(notes, n::SANS, sans(names)),
                (NamesChecked::Any, Authorities::Given(_)) | (NamesChecked::Sent, Authorities::System) => {}
                (NamesChecked::Any, Authorities::System) => {
                    draft.lose(name, "verifies the upstream's chain without a name, which is not written");
                }
                (NamesChecked::Sent, Authorities::Given(_)) => match asked_for(server_name, host) {
                    Some(san) => note(notes, n::SANS, sans(&[san])),
                    None => {
                        draft.lose(name, "verifies the client's own name upstream, which no TCPMapping does")
                    }
                },
            }
            if let Some(depth) = depth {
                note(notes, n::DEPTH, depth);
            }
        }
        match server_name {
            NameSent::Fixed(name) if is_host(host, name) => {}
            NameSent::Fixed(name) => fields.set("sni", json!(name)),
            NameSent::Nothing if matches!(host, Host::Ip(_)) => {}
            NameSent::Host => note(notes, n::SNI, "host"),
            NameSent::Nothing => note(notes, n::SNI, "none"),
            NameSent::Client => note(notes, n::SNI, "client"),
        }
        if fields.0.is_empty() {
            return ("https://", None);
        }
        if let Some((_, known)) = self.originations.iter().find(|(known, _)| known == origination) {
            return ("", Some(known.clone()));
        }
        let own = self.taken.free(ObjectName::of(name, &draft.settings.ambassador.namespace));
        draft.add(object(API, "TLSContext", &own, Map::new(), spec(Value::Object(fields.0))));
        let known =
            own.namespace.as_ref().map_or(own.name.clone(), |namespace| format!("{}.{namespace}", own.name));
        self.originations.push((Arc::clone(origination), known.clone()));
        ("", Some(known))
    }
}

/// The name that is sent, or else the host, as a name to look for.
fn asked_for(sent: &NameSent, host: &Host) -> Option<SanPattern> {
    match (sent, host) {
        (NameSent::Fixed(name), _) => Some(SanPattern::Dns(Arc::clone(name))),
        (NameSent::Client, _) => None,
        (NameSent::Host | NameSent::Nothing, Host::Name(name)) => Some(SanPattern::Dns(Arc::clone(name))),
        (NameSent::Host | NameSent::Nothing, Host::Ip(ip)) => Some(SanPattern::Ip(*ip)),
    }
}

/// The fields that both sides have.
struct Fields(Map<String, Value>);

impl Fields {
    fn of(parameters: &Parameters) -> Self {
        let mut fields = Self(Map::new());
        let Parameters { versions, ciphers, groups, alpn } = parameters;
        match (versions.tls12, versions.tls13) {
            (true, false) => fields.set("max_tls_version", json!("v1.2")),
            (false, true) => fields.set("min_tls_version", json!("v1.3")),
            _ => {}
        }
        if let Some(ciphers) = ciphers {
            fields.set(
                "cipher_suites",
                json!(ciphers.iter().map(|suite| parameters::suite_name(*suite)).collect::<Vec<_>>()),
            );
        }
        if let Some(groups) = groups {
            let known = |group: &NamedGroup| parameters::group_name(*group);
            fields.set("ecdh_curves", json!(groups.iter().map(known).collect::<Vec<_>>()));
        }
        if !alpn.is_empty() {
            let alpn: Vec<_> = alpn.iter().map(|protocol| String::from_utf8_lossy(protocol)).collect();
            fields.set("alpn_protocols", json!(alpn.join(",")));
        }
        fields
    }

    fn with_clients(mut self, clients: &ClientCertificates, draft: &mut Draft<'_>) -> Self {
        match clients {
            ClientCertificates::Ignored => {}
            ClientCertificates::Verified(trust) => self.trust(trust, draft),
            ClientCertificates::Required(trust) => {
                self.trust(trust, draft);
                self.set("cert_required", json!(true));
            }
        }
        self
    }

    fn trust(&mut self, trust: &Trust, draft: &mut Draft<'_>) {
        let (roots, lists) = draft.authorities(trust);
        self.set("ca_secret", secret_name(&roots));
        if let Some(lists) = lists {
            self.set("crl_secret", secret_name(&lists));
        }
    }

    fn set(&mut self, field: &str, value: Value) {
        self.0.insert(field.to_owned(), value);
    }
}

/// As a TLSContext names it: its last dot parts name and namespace.
fn secret_name(name: &ObjectName) -> Value {
    match &name.namespace {
        Some(namespace) => json!(format!("{}.{namespace}", name.name)),
        None => json!(name.name),
    }
}

fn spec(spec: Value) -> Map<String, Value> {
    Map::from_iter([("spec".to_owned(), spec)])
}
