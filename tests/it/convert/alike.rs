//! Routing tables that say the same, whatever each dialect calls things: `sluice check`'s account without names, and
//! with one way to say what can be said in several.

use serde_json::{Value, json};

/// Makes tables alike that are.
pub(super) fn alike(served: &mut Value) {
    for listener in served.as_array_mut().unwrap() {
        if listener["proxy_protocol"]["from"] == json!(["0.0.0.0/0", "::/0"]) {
            listener["proxy_protocol"]["from"] = json!("everyone");
        }
        listener["routes"].as_array_mut().unwrap().iter_mut().for_each(route);
    }
    nameless(served);
    for listener in served.as_array_mut().unwrap() {
        for route in listener["routes"].as_array_mut().unwrap() {
            // Shares have no order.
            route["mappings"].as_array_mut().unwrap().sort_by_key(ToString::to_string);
        }
    }
}

/// What nobody asks for is each dialect's own: how long Kong waits for ever, that it leaves no endpoint alone, and
/// which families it asks DNS for.
pub(super) fn undeclared(served: &mut Value) {
    const NEVER: u64 = 2_147_483_646;
    for listener in served.as_array_mut().unwrap() {
        let routes = listener["routes"].as_array_mut().unwrap();
        for mapping in routes.iter_mut().flat_map(|route| route["mappings"].as_array_mut().unwrap()) {
            if mapping["timeouts"]["idle_ms"] == NEVER {
                mapping["timeouts"]["idle_ms"] = Value::Null;
            }
            let eject = mapping["balancing"]["eject"].take();
            let is_sluices =
                eject["after"] == 5 && eject["ms"] == 30_000 && eject["after_timeouts"].is_null();
            if eject["after"] != 0 && !is_sluices {
                mapping["balancing"]["eject"] = eject;
            } else if mapping["balancing"]["check"].is_null() {
                // Nobody ever is unhealthy.
                mapping["balancing"]["quorum_percent"].take();
            }
            if mapping["families"]["ipv4"] == true {
                mapping["families"].take();
            }
        }
    }
}

fn nameless(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for name in ["name", "stats_name", "source"] {
                fields.remove(name);
            }
            fields.values_mut().for_each(nameless);
        }
        Value::Array(items) => items.iter_mut().for_each(nameless),
        _ => {}
    }
}

fn route(route: &mut Value) {
    // Networks have no order.
    for networks in ["allow", "deny"] {
        route[networks].as_array_mut().unwrap().sort_by_key(ToString::to_string);
    }
    // A sink is called by whoever declared it, behind its URL.
    for sink in route["log_to"].as_array_mut().unwrap() {
        *sink = json!(sink.as_str().unwrap().split(" (").next().unwrap());
    }
    let name = route["match"]["server_name"].as_str().unwrap_or_default().to_owned();
    if let Some(ended) = route["downstream"].get_mut("terminate") {
        certificates(&name, ended);
    }
    shares(route);
    route["mappings"].as_array_mut().unwrap().iter_mut().for_each(mapping);
}

/// Of one name there is one certificate, whatever others have.
fn certificates(name: &str, ended: &mut Value) {
    if name.contains('*') {
        return;
    }
    let star = name.find('.').map(|dot| format!("*{}", &name[dot..]));
    let named = ended["named"].take();
    let of = |wanted: &str| named.as_array().unwrap().iter().find(|own| own["server_name"] == wanted);
    if let Some(own) = of(name).or_else(|| of(&star?)) {
        ended["certificates"] = own["certificates"].clone();
    }
}

/// Relative to the others; who is alone has all.
fn shares(route: &mut Value) {
    let refused = route["refused"].as_u64().unwrap();
    let mappings = route["mappings"].as_array().unwrap();
    let weights = mappings.iter().map(|mapping| mapping["weight"].as_u64().unwrap());
    let divisor = weights.fold(refused, gcd).max(1);
    route["refused"] = json!(refused / divisor);
    for mapping in route["mappings"].as_array_mut().unwrap() {
        mapping["weight"] = json!(mapping["weight"].as_u64().unwrap() / divisor);
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn mapping(mapping: &mut Value) {
    let service = mapping["service"].as_str().unwrap().to_owned();
    let (host, _) = service.rsplit_once(':').unwrap();
    if let Some(begun) = mapping.get_mut("originate").filter(|begun| !begun.is_null()) {
        originate(host.trim_matches(['[', ']']), begun);
    }
    let resolution = mapping["resolution"].take();
    let is_address = |service: &str| service.parse::<std::net::SocketAddr>().is_ok();
    let targets: Vec<(String, u64)> = match (&resolution["targets"], &resolution["endpoints"]) {
        (Value::Array(targets), _) => targets
            .iter()
            .map(|target| {
                (target["service"].as_str().unwrap().to_owned(), target["weight"].as_u64().unwrap())
            })
            .collect(),
        (_, Value::Array(endpoints)) => {
            endpoints.iter().map(|endpoint| (endpoint.as_str().unwrap().to_owned(), 1)).collect()
        }
        _ if resolution == "dns" => vec![(service, 1)],
        _ => {
            mapping["resolution"] = resolution;
            return;
        }
    };
    // What only names others has no name that would matter; and of an address there is but one family.
    mapping["service"].take();
    if targets.iter().all(|(service, _)| is_address(service)) {
        mapping["families"].take();
    }
    let divisor = targets.iter().fold(0, |divisor, (_, weight)| gcd(divisor, *weight)).max(1);
    let mut targets: Vec<_> =
        targets.iter().map(|(service, weight)| json!([service, weight / divisor])).collect();
    targets.sort_by_key(ToString::to_string);
    mapping["resolution"] = json!(targets);
}

/// The name that is sent and looked for, said or not.
fn originate(host: &str, begun: &mut Value) {
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    if begun["server_name"]["of"] == "host" {
        begun["server_name"] = if is_address { Value::Null } else { json!(host) };
    }
    let sent = begun["server_name"].as_str().map(str::to_owned);
    let verification = &mut begun["verification"];
    if verification["names"] == "sent" {
        verification["names"] = match sent {
            Some(name) => json!([format!("dns:{name}")]),
            None if is_address => json!([format!("ip:{host}")]),
            None => json!([format!("dns:{host}")]),
        };
    }
    // No chain that webpki takes is longer.
    if verification["depth"].as_u64().is_some_and(|depth| depth > 6) {
        verification["depth"].take();
    }
}
