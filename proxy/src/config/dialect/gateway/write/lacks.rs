//! What the Gateway API has no words for.

use crate::config::dialect::write::{Draft, shown};
use crate::config::material;
use crate::config::model::{
    Authorities, Balancing, CertificateName, Certificates, ClientCertificates, Downstream, Families, Host,
    Identity, Listener, Mapping, Matcher, NamePattern, NameSent, NamesChecked, Origination, Parameters,
    RelayChoice, Resolution, Route, SanPattern, Service, Termination, Verification,
};
use crate::config::settings::Settings;

/// As many as a rule may have.
const BACKENDS: usize = 16;
/// As long as webpki takes a chain to be.
const DEEPEST: u8 = 6;
/// As many as a policy may have.
const NAMES: usize = 5;

/// Without what a route would take other connections than its own, let in whom it should not, or speak to upstreams in
/// words that they do not understand.
pub(super) fn of(route: &Route, listener: &Listener, settings: &Settings) -> Option<String> {
    if listener.proxy_protocol.is_some() {
        return Some("is for clients behind a PROXY header, of which no Gateway says anything".to_owned());
    }
    if listener.prelude.is_some() {
        return Some("is asked for TLS in PostgreSQL's words, which no Gateway says".to_owned());
    }
    if !route.between.is_everyone() {
        return Some("goes by sources or destinations, which no route of the Gateway API does".to_owned());
    }
    if route.access != Default::default() {
        return Some("refuses some clients, and without that everybody would be let in".to_owned());
    }
    match &route.matcher {
        Matcher::Cleartext => {
            return Some("takes what is not TLS, which no Gateway tells from the rest".to_owned());
        }
        Matcher::Any if listener.routes.iter().any(|other| matches!(other.matcher, Matcher::Tls { .. })) => {
            return Some(
                "takes every connection where others go by name, and a port of a Gateway's has one protocol"
                    .to_owned(),
            );
        }
        Matcher::Tls { alpn, .. } if !alpn.is_empty() => {
            return Some("goes by application protocols (ALPN), and a TLSRoute by names alone".to_owned());
        }
        Matcher::Tls { name: NamePattern::Prefix(_), .. } => {
            return Some(
                "goes by a name with its star behind, and a hostname has it in front alone".to_owned(),
            );
        }
        Matcher::Any | Matcher::Tls { .. } => {}
    }
    if route.mappings.is_empty() {
        return Some("has nobody to serve it".to_owned());
    }
    if route.mappings.len() > BACKENDS {
        return Some(format!("has more than {BACKENDS} mappings, as many as a rule may have backends"));
    }
    let is_ended = matches!(route.downstream, Downstream::Terminate(_));
    route.mappings.iter().find_map(|mapping| of_mapping(mapping, is_ended, settings))
}

fn of_mapping(mapping: &Mapping, is_ended: bool, settings: &Settings) -> Option<String> {
    if matches!(mapping.resolution, Resolution::Catalogue(_)) {
        return Some("is looked up in Consul's catalogue, which no route refers to".to_owned());
    }
    if let Some(Service { host: Host::Name(name), .. }) = only(mapping)
        && super::backends::object(name, settings).is_none()
    {
        return Some(format!("goes to {name}, which is no Service, and a route refers to Services alone"));
    }
    let origination = mapping.originate.as_deref()?;
    if !is_ended {
        return Some("begins TLS where none has ended, which no policy asks for".to_owned());
    }
    if origination.verification == Verification::None {
        return Some(
            "begins TLS without a look at the upstream's certificate, which a BackendTLSPolicy has verified"
                .to_owned(),
        );
    }
    hostname(origination, mapping)
        .is_none()
        .then(|| "begins TLS without a name of its own to ask for, which a BackendTLSPolicy has".to_owned())
}

/// The one service that a mapping goes to, unless it has several or none.
pub(super) fn only(mapping: &Mapping) -> Option<&Service> {
    match &mapping.resolution {
        Resolution::Dns => Some(&mapping.service),
        Resolution::Targets(targets) => match &targets[..] {
            [target] if target.weight > 0 => Some(&target.service),
            _ => None,
        },
        Resolution::Fixed(_) | Resolution::Catalogue(_) => None,
    }
}

/// The name that upstreams are asked for.
pub(super) fn hostname<'a>(origination: &'a Origination, mapping: &'a Mapping) -> Option<&'a str> {
    let host = only(mapping).map_or(&mapping.service.host, |service| &service.host);
    match (&origination.server_name, host) {
        (NameSent::Fixed(name), _) => Some(name),
        (NameSent::Host, Host::Name(name)) => Some(name),
        (NameSent::Host, Host::Ip(_)) | (NameSent::Nothing | NameSent::Client, _) => None,
    }
}

/// Notes what a route loses that is written all the same.
pub(super) fn tell(route: &Route, draft: &mut Draft<'_>) {
    let Some(first) = route.mappings.first() else { return };
    let whose = &*first.name.0;
    if route.refused.0 > 0 {
        let share = route.refused.0;
        draft.lose(
            whose,
            format!("a share of {share} is refused, and no backend says so; the others take it"),
        );
    }
    if !route.logs.sinks.is_empty() {
        draft.lose(whose, "tells sinks of its connections, of which the Gateway API says nothing");
    }
    if let Downstream::Terminate(termination) = &route.downstream {
        tell_ended(termination, &route.matcher, draft);
    }
    for mapping in &route.mappings {
        tell_mapping(mapping, draft);
    }
}

fn tell_ended(termination: &Termination, matcher: &Matcher, draft: &mut Draft<'_>) {
    let Termination { name, certificates: _, named, clients, parameters } = termination;
    if matches!(clients, ClientCertificates::Verified(_)) {
        draft.lose(name, "asks clients for certificates that need not be there; a Gateway requires them, or asks for none, as here");
    }
    let Parameters { versions: _, ciphers, groups, alpn: _ } = parameters;
    if ciphers.is_some() || groups.is_some() {
        draft.lose(name, "restricts ciphers or groups, and tls.options of a listener do not");
    }
    let all = identities(termination, matcher);
    let is_alike = match own(termination, matcher) {
        Some(_) => all.len() < 2,
        None => *named == by_own_names(&all),
    };
    if !is_alike {
        draft.lose(name, "shows certificates for other names than those in them, by which a Gateway goes");
    }
}

/// The certificates of every name that a route takes, where they are the same.
fn own<'a>(termination: &'a Termination, matcher: &Matcher) -> Option<&'a Certificates> {
    match matcher {
        Matcher::Tls { name, .. } => shown(termination, name),
        Matcher::Any | Matcher::Cleartext => None,
    }
}

/// What clients of a route may be shown, each once, the one for all first.
pub(super) fn identities<'a>(termination: &'a Termination, matcher: &Matcher) -> Vec<&'a Identity> {
    let mut all: Vec<&Identity> = Vec::new();
    let identities: Vec<_> = match own(termination, matcher) {
        Some(certificates) => certificates.iter().collect(),
        None => termination.identities().collect(),
    };
    for identity in identities {
        if !all.contains(&identity) {
            all.push(identity);
        }
    }
    all
}

/// As a Gateway with several certificates shows them.
fn by_own_names(all: &[&Identity]) -> Vec<(CertificateName, Certificates)> {
    let mut named: Vec<(CertificateName, Certificates)> = Vec::new();
    if all.len() < 2 {
        return named;
    }
    for identity in all {
        for name in material::names(identity) {
            let name = match name.strip_prefix('*') {
                Some(suffix) => CertificateName::Before(suffix.into()),
                None => CertificateName::Exact(name.into()),
            };
            match named.iter_mut().find(|(known, _)| *known == name) {
                Some((_, shared)) => shared.push((*identity).clone()),
                None => named.push((name, vec![(*identity).clone()])),
            }
        }
    }
    named
}

fn tell_mapping(mapping: &Mapping, draft: &mut Draft<'_>) {
    // Named one by one, so that what is new is thought of here; what is not looked at here is written.
    let Mapping {
        name: _,
        stats_name: _,
        weight: _,
        service: _,
        resolution: _,
        originate: _,
        proxy_protocol,
        prelude,
        families,
        balancing,
        relay,
        timeouts,
        limits,
    } = mapping;
    let lacking = [
        (*timeouts != draft.settings.timeouts, "timeouts"),
        (*balancing != Balancing::default(), "a rule of balancing"),
        (*limits != Default::default(), "limits"),
        (proxy_protocol.is_some(), "a PROXY header"),
        (prelude.is_some(), "words before TLS (sluice.dev/starttls)"),
        (*relay != RelayChoice::Auto, "a choice of relay"),
        (*families != Families { ipv4: true, ipv6: true }, "a family of addresses"),
    ];
    let lacking: Vec<_> = lacking.iter().filter_map(|(lacks, what)| lacks.then_some(*what)).collect();
    if !lacking.is_empty() {
        draft.lose(&mapping.name.0, format!("no backend of the Gateway API's has {}", lacking.join(", ")));
    }
    let Some(origination) = &mapping.originate else { return };
    if origination.parameters != Parameters::default() {
        draft.lose(
            &mapping.name.0,
            "restricts versions, ciphers, groups or protocols of TLS towards its upstream",
        );
    }
    let Verification::Chain { authorities, names, depth } = &origination.verification else { return };
    if depth.is_some_and(|depth| depth < DEEPEST) {
        draft.lose(&mapping.name.0, "restricts how long its upstream's chain may be, which no policy does");
    }
    if matches!(authorities, Authorities::Given(trust) if !trust.revoked.is_empty()) {
        draft.lose(&mapping.name.0, "goes by lists of revoked certificates, which no policy does");
    }
    let is_said = match names {
        NamesChecked::Any => false,
        NamesChecked::Sent => true,
        NamesChecked::OneOf(names) => {
            names.len() <= NAMES && !names.iter().any(|name| matches!(name, SanPattern::Ip(_)))
        }
    };
    if !is_said {
        draft.lose(&mapping.name.0, "looks for no name in its upstream's certificate, or for addresses; a policy looks for the name that is sent");
    }
}
