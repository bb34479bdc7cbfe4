//! One declarative file: what it says of itself, and the entities in it.

use serde_yaml::{Mapping, Value};

use super::entity::{Entity, Kind, Version};
use super::env::{self, Lookup};
use crate::config::diagnostic::Diagnostic;
use crate::config::dialect::Document;
use crate::config::dialect::fields::{Fields, scalar, show};
use crate::config::dialect::report::{Place, Report};

/// Kong's other entities: of HTTP, or of Kong itself.
const OTHERS: [&str; 24] = [
    "acls",
    "basicauth_credentials",
    "clustering_data_planes",
    "consumer_group_consumers",
    "consumer_group_plugins",
    "consumer_groups",
    "consumers",
    "degraphql_routes",
    "filter_chains",
    "graphql_ratelimiting_cost_decorations",
    "hmacauth_credentials",
    "jwt_secrets",
    "key_sets",
    "keyauth_credentials",
    "keys",
    "licenses",
    "mtls_auth_credentials",
    "oauth2_credentials",
    "oauth2_tokens",
    "parameters",
    "partials",
    "rbac_roles",
    "vaults",
    "workspaces",
];

/// What decK and Kong write about the file as a whole, and sluice has no use for.
const ABOUT: [&str; 8] = [
    "_format_version",
    "_transform",
    "_comment",
    "_ignore",
    "_workspace",
    "_konnect",
    "_plugin_configs",
    "_info",
];

/// Whether a document is Kong's by its looks: it has a version or a list of entities as Kong does, and what Kubernetes
/// has it has not.
pub(in crate::config::dialect) fn looks_like_one(value: &Value) -> bool {
    let has = |name: &str| value.get(name).is_some();
    let list = |kind: Kind| value.get(kind.list()).is_some_and(Value::is_sequence);
    has("_format_version") || !has("apiVersion") && !has("kind") && Kind::ALL.into_iter().any(list)
}

/// Adds the entities of a document.
pub(super) fn read(
    document: &Document,
    is_first: bool,
    lookup: Lookup<'_>,
    entities: &mut Vec<Entity>,
    found: &mut Vec<Diagnostic>,
) {
    let report = Report::new(document.place.clone(), String::new(), "document");
    if let Value::Mapping(body) = &document.value {
        let fields = Fields::new(body, "", &report);
        if let Some(version) = version(&fields, &report) {
            let defaults = Defaults::read(&fields);
            let plugin_configs = fields.raw("_plugin_configs").and_then(Value::as_mapping);
            let place = &document.place;
            let mut reader = Reader { place, is_first, version, defaults, plugin_configs, lookup, entities };
            for kind in in_order(body) {
                reader.list(kind, body, "", None, &report);
            }
            around(&fields, &report);
        }
    }
    found.extend(report.into_diagnostics());
}

fn version(fields: &Fields<'_>, report: &Report) -> Option<Version> {
    let Some(version) = fields.raw("_format_version") else {
        fields
            .missing("_format_version", "write \"3.0\", or \"1.1\" or \"2.1\" if it is Kong's of that time");
        return None;
    };
    match scalar(version).as_deref() {
        Some("1.1") => Some(Version::OnSight),
        Some("2.1" | "3.0") => Some(Version::ByFlag),
        _ => {
            let message = format!("{} is none of \"1.1\", \"2.1\", \"3.0\"", show(version));
            report.discard("_format_version", message);
            None
        }
    }
}

/// As the lists stand: of equals, the first entity comes first.
fn in_order(body: &Mapping) -> impl Iterator<Item = Kind> {
    body.keys().filter_map(|key| Kind::ALL.into_iter().find(|kind| key.as_str() == Some(kind.list())))
}

/// What stands beside the entities.
fn around(fields: &Fields<'_>, report: &Report) {
    fields.ignore(&ABOUT);
    fields.ignore(&OTHERS);
    fields.ignore(&Kind::ALL.map(Kind::list));
    let names = fields.names();
    let others: Vec<_> = OTHERS.into_iter().filter(|other| names.iter().any(|name| name == other)).collect();
    if !others.is_empty() {
        let message = format!("{} concern HTTP or Kong itself, and are passed over", others.join(", "));
        report.info("", message);
    }
    for (name, hint) in fields.unknown(&[]) {
        let hint = hint.unwrap_or_else(|| "remove it".to_owned());
        report.error(name.clone(), format!("unknown field {name:?}, of which nothing is made; {hint}"));
    }
}

/// decK's `_info.defaults`: fields of entities that do not have them.
struct Defaults<'a>(Vec<(Kind, &'a Mapping)>);

impl<'a> Defaults<'a> {
    fn read(fields: &Fields<'a>) -> Self {
        let info = fields.raw("_info").and_then(Value::as_mapping);
        let defaults = info.and_then(|info| info.get("defaults")).and_then(Value::as_mapping);
        let of = |kind: Kind| Some((kind, defaults?.get(kind.noun())?.as_mapping()?));
        Self(Kind::ALL.into_iter().filter_map(of).collect())
    }

    fn fill(&self, kind: Kind, body: &mut Mapping) {
        let defaults = self.0.iter().filter(|(of, _)| *of == kind).flat_map(|(_, defaults)| defaults.iter());
        // decK takes a URL apart before it fills in what is lacking.
        let by_url = kind == Kind::Service && body.get("url").is_some_and(|url| !url.is_null());
        let in_url = ["protocol", "host", "port", "path"];
        for (name, value) in defaults {
            if !(by_url && name.as_str().is_some_and(|name| in_url.contains(&name))) {
                fill(body, name, value);
            }
        }
    }
}

/// Null is lacking, and mappings are filled in themselves.
fn fill(body: &mut Mapping, name: &Value, default: &Value) {
    match (body.get_mut(name), default) {
        (None | Some(Value::Null), _) => drop(body.insert(name.clone(), default.clone())),
        (Some(Value::Mapping(own)), Value::Mapping(defaults)) => {
            for (name, default) in defaults {
                fill(own, name, default);
            }
        }
        _ => {}
    }
}

struct Reader<'a> {
    place: &'a Place,
    /// Of several documents.
    is_first: bool,
    version: Version,
    defaults: Defaults<'a>,
    /// decK's `_plugin_configs`: what several plugins have in common, by name.
    plugin_configs: Option<&'a Mapping>,
    lookup: Lookup<'a>,
    entities: &'a mut Vec<Entity>,
}

impl Reader<'_> {
    /// The entities of one list, and those inside them.
    fn list(&mut self, kind: Kind, body: &Mapping, outer: &str, parent: Option<usize>, report: &Report) {
        let field =
            if outer.is_empty() { kind.list().to_owned() } else { format!("{outer}.{}", kind.list()) };
        let items = match body.get(kind.list()) {
            None | Some(Value::Null) => return,
            Some(Value::Sequence(items)) => items,
            // What Lua makes of an empty list.
            Some(Value::Mapping(map)) if map.is_empty() => return,
            Some(other) => return report.error(field, format!("{} is not a list; write one", show(other))),
        };
        for (index, item) in items.iter().enumerate() {
            let path = format!("{field}[{index}]");
            match item {
                Value::Mapping(body) => self.entity(kind, body, path, parent),
                other => {
                    report.error(path, format!("{} is not a mapping of fields; it is left out", show(other)))
                }
            }
        }
    }

    fn entity(&mut self, kind: Kind, body: &Mapping, path: String, parent: Option<usize>) {
        let lists: Vec<_> = kind.children().iter().map(|child| child.list()).collect();
        // Only for its name: what it is called must be known before anything is said about it.
        let unheard = Report::new(self.place.clone(), String::new(), "");
        let named = env::resolve(body, &path, &lists, self.lookup, &unheard);
        let text = |field: &str| named.get(field).and_then(scalar).map(|text| text.trim().to_owned());
        let text = |field: &str| {
            text(field).filter(|text| (1..=LONGEST_NAME).contains(&text.len()) && !text.contains('\n'))
        };
        let (id, name) = (text("id"), kind.name_field().and_then(text));
        let known_by = name.clone().or_else(|| id.clone()).unwrap_or_else(|| match self.is_first {
            true => path.clone(),
            // Mappings are told apart by it, and several files may have an entity at the same place.
            false => format!("{path} of {}", self.place),
        });
        let report = Report::new(self.place.clone(), format!("{} {known_by}", kind.noun()), kind.noun());
        let mut own = env::resolve(body, &path, &lists, self.lookup, &report);
        own.retain(|name, value| {
            let is_list = name.as_str().is_some_and(|name| kind.lists().contains(&name));
            !(is_list && value.as_mapping().is_some_and(Mapping::is_empty))
        });
        self.defaults.fill(kind, &mut own);
        if kind == Kind::Plugin {
            self.common_config(&mut own, &path, &report);
        }
        let index = self.entities.len();
        let version = self.version;
        self.entities.push(Entity { kind, version, parent, id, name, report, path: path.clone(), body: own });
        for child in kind.children() {
            let report = Report::new(self.place.clone(), String::new(), "");
            self.list(*child, body, &path, Some(index), &report);
            for finding in report.into_diagnostics() {
                self.entities[index].report.error(finding.field, finding.message);
            }
        }
    }
}

impl Reader<'_> {
    /// Puts what `_config` names beside what a plugin's `config` says itself, as decK does.
    fn common_config(&self, plugin: &mut Mapping, path: &str, report: &Report) {
        let Some(name) = plugin.get("_config").filter(|name| !name.is_null()) else { return };
        let common = self.plugin_configs.and_then(|configs| configs.get(name)).and_then(Value::as_mapping);
        let Some(common) = common else {
            let message = format!("{} is none of _plugin_configs; declare it there", show(name));
            return report.discard(format!("{path}._config"), message);
        };
        let field = format!("_plugin_configs.{}", scalar(name).unwrap_or_default());
        let common = env::resolve(common, &field, &[], self.lookup, report);
        let mut config = plugin.get("config").and_then(Value::as_mapping).cloned().unwrap_or_default();
        for (name, value) in common {
            config.entry(name).or_insert(value);
        }
        plugin.insert("config".into(), config.into());
    }
}

/// What is longer is no name, perhaps a key, and is not repeated.
const LONGEST_NAME: usize = 253;
