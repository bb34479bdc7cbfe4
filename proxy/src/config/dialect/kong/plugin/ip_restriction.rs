//! `ip-restriction`: whom a route refuses by address.

use ipnet::IpNet;

use crate::config::dialect::fields::Fields;
use crate::config::dialect::kong::ends;
use crate::config::dialect::kong::index::Broken;
use crate::config::dialect::report::Report;
use crate::config::model::Access;

pub(super) const NAME: &str = "ip-restriction";

pub(super) fn read(
    config: Option<Fields<'_>>,
    plugin: &Fields<'_>,
    report: &Report,
) -> Result<Access, Broken> {
    let Some(config) = config else {
        plugin.missing("config", "give it an allow or a deny list");
        return Err(Broken);
    };
    // An answer is for HTTP: here the connection is closed.
    config.ignore(&["status", "message"]);
    // What they were called before Kong 2.2.
    let allow = networks(&config, "allow", report).or_else(|| networks(&config, "whitelist", report));
    let deny = networks(&config, "deny", report).or_else(|| networks(&config, "blacklist", report));
    config.refuse_unknown(&[]);
    // An empty list is what a template leaves that found nobody, and would let everybody in.
    let says_nothing = |list: &Option<Vec<IpNet>>| list.as_ref().is_none_or(Vec::is_empty);
    if says_nothing(&allow) && says_nothing(&deny) && !report.failed() {
        report.discard(
            plugin.path("config"),
            "at least one of these fields must be non-empty: 'allow', 'deny'; write one",
        );
    }
    config.ignore(&["whitelist", "blacklist"]);
    if report.failed() {
        return Err(Broken);
    }
    Ok(Access { allow: allow.unwrap_or_default(), deny: deny.unwrap_or_default() })
}

fn networks(config: &Fields<'_>, field: &'static str, report: &Report) -> Option<Vec<IpNet>> {
    let texts = config.texts(field)?;
    let mut networks = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match ends::network(text) {
            Some((network, _)) => networks.push(network),
            None => {
                let path = format!("{}[{index}]", config.path(field));
                report.discard(
                    path,
                    format!("invalid ip or cidr range: {text:?}; write 10.1.2.3 or 10.0.0.0/8"),
                );
            }
        }
    }
    Some(networks)
}
