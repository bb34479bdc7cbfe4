//! What would be served, as people read it: each listener, its routes in the order in which they are tried, and
//! where TLS ends and begins.

use std::io::{self, Write};

use crate::config::model::{
    Access, Between, Config, Downstream, Ends, Listener, Mapping, Matcher, NamePattern, Prelude, Resolution,
    Route,
};

/// Writes a paragraph for each listener.
pub(super) fn write(config: &Config, out: &mut impl Write) -> io::Result<()> {
    for listener in &config.listeners {
        let before = match listener.prelude {
            Some(Prelude::Postgres) => ", asked for TLS in PostgreSQL's words",
            None => "",
        };
        writeln!(out, "{}{before}", listener.bind)?;
        for route in &listener.routes {
            let (matched, ended) = (matched(&route.matcher), ended(route));
            writeln!(out, "  {matched}{}{}, {ended}", between(&route.between), admitted(&route.access))?;
            for mapping in &route.mappings {
                writeln!(out, "    {}", described(mapping, route))?;
            }
            for sink in &route.logs.sinks {
                writeln!(out, "    told to {sink}")?;
            }
            match (&route.mappings[..], route.refused.0) {
                ([], _) => writeln!(out, "    refused")?,
                (_, 0) => {}
                (_, refused) => writeln!(out, "    {refused} of {} refused", total(route))?,
            }
        }
        if refuses(listener) {
            writeln!(out, "  anything else: refused")?;
        }
    }
    Ok(())
}

fn matched(matcher: &Matcher) -> String {
    let (name, alpn) = match matcher {
        Matcher::Any => return "every connection".to_owned(),
        Matcher::Cleartext => return "cleartext".to_owned(),
        Matcher::Tls { name: NamePattern::Everything, alpn } => ("TLS of any name or none".to_owned(), alpn),
        Matcher::Tls { name, alpn } => (name.to_string(), alpn),
    };
    let protocols: Vec<_> = alpn.iter().map(|protocol| String::from_utf8_lossy(protocol)).collect();
    if protocols.is_empty() { name } else { format!("{name} offering {}", protocols.join(" or ")) }
}

fn ended(route: &Route) -> String {
    match (&route.downstream, &route.matcher) {
        (Downstream::Terminate(termination), _) => format!("TLS ends by {}", termination.name),
        (Downstream::Raw, Matcher::Tls { .. }) => "TLS is passed through".to_owned(),
        (Downstream::Raw, Matcher::Any | Matcher::Cleartext) => "as it comes".to_owned(),
    }
}

fn described(mapping: &Mapping, route: &Route) -> String {
    let share = match (route.mappings.len(), route.refused.0) {
        (1, 0) => String::new(),
        _ => format!("{} of {} ", mapping.weight.0, total(route)),
    };
    let begun = match &mapping.originate {
        Some(origination) => format!(", TLS begins by {}", origination.name),
        None => String::new(),
    };
    format!("{share}to {} ({}){begun}", destination(mapping), mapping.name)
}

fn destination(mapping: &Mapping) -> String {
    let Resolution::Targets(targets) = &mapping.resolution else {
        return mapping.service.to_string();
    };
    let words = targets.iter().map(|target| format!("{} weight {}", target.service, target.weight));
    words.collect::<Vec<_>>().join(", ")
}

/// The sum of all shares.
fn total(route: &Route) -> u32 {
    let shares = route.mappings.iter().map(|mapping| mapping.weight).chain([route.refused]);
    shares.map(|weight| weight.0).sum()
}

fn between(between: &Between) -> String {
    let mut words = String::new();
    for (word, ends) in [(" from ", &between.sources), (" to ", &between.destinations)] {
        if !ends.is_empty() {
            words += word;
            words += &ends.iter().map(Ends::to_string).collect::<Vec<_>>().join(" or ");
        }
    }
    words
}

fn admitted(access: &Access) -> String {
    let mut words = String::new();
    for (word, networks) in [(", only ", &access.allow), (", never ", &access.deny)] {
        if !networks.is_empty() {
            words += word;
            words += &networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        }
    }
    words
}

/// Whether there are clients that no route takes.
fn refuses(listener: &Listener) -> bool {
    let takes_all = |route: &Route| route.matcher == Matcher::Any && route.between.is_everyone();
    !listener.routes.iter().any(takes_all)
}
