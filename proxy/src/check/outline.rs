//! What would be served, as people read it: each listener, its routes in the order in which they are tried, and
//! where TLS ends and begins.

use std::io::{self, Write};

use crate::config::model::{Config, Downstream, Listener, Mapping, Matcher, NamePattern, Prelude, Route};

/// Writes a paragraph for each listener.
pub(super) fn write(config: &Config, out: &mut impl Write) -> io::Result<()> {
    for listener in &config.listeners {
        let before = match listener.prelude {
            Some(Prelude::Postgres) => ", asked for TLS in PostgreSQL's words",
            None => "",
        };
        writeln!(out, "{}{before}", listener.bind)?;
        for route in listener.in_order() {
            writeln!(out, "  {}, {}", matched(&route.matcher), ended(route))?;
            for mapping in &route.mappings {
                writeln!(out, "    {}", described(mapping, route))?;
            }
        }
        if refuses(listener) {
            writeln!(out, "  anything else: refused")?;
        }
    }
    Ok(())
}

fn matched(matcher: &Matcher) -> String {
    let Matcher::Tls { name, alpn } = matcher else {
        return "every connection".to_owned();
    };
    let name = match name {
        NamePattern::Exact(name) => name.to_string(),
        NamePattern::Suffix(suffix) => format!("*{suffix}"),
        NamePattern::Everything => "TLS of any name or none".to_owned(),
    };
    let protocols: Vec<_> = alpn.iter().map(|protocol| String::from_utf8_lossy(protocol)).collect();
    if protocols.is_empty() { name } else { format!("{name} offering {}", protocols.join(" or ")) }
}

fn ended(route: &Route) -> String {
    match (&route.downstream, &route.matcher) {
        (Downstream::Terminate(termination), _) => format!("TLS ends by {}", termination.name),
        (Downstream::Raw, Matcher::Tls { .. }) => "TLS is passed through".to_owned(),
        (Downstream::Raw, Matcher::Any) => "as it comes".to_owned(),
    }
}

fn described(mapping: &Mapping, route: &Route) -> String {
    let share = match route.mappings.len() {
        1 => String::new(),
        _ => {
            let all: u32 = route.mappings.iter().map(|mapping| mapping.weight.0).sum();
            format!("{} of {all} ", mapping.weight.0)
        }
    };
    let begun = match &mapping.originate {
        Some(origination) => format!(", TLS begins by {}", origination.name),
        None => String::new(),
    };
    format!("{share}to {} ({}){begun}", mapping.service, mapping.name)
}

/// Whether there are clients that no route takes.
fn refuses(listener: &Listener) -> bool {
    let takes_all = |route: &Route| route.matcher == Matcher::Any;
    !listener.routes.iter().any(takes_all)
}
