//! decK's variables: `${{ env "DECK_X" }}` inside values.

use serde_yaml::{Mapping, Value};

use crate::config::dialect::report::Report;

/// Finds variables by name.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The only variables that decK hands out.
const PREFIX: &str = "DECK_";

/// The fields with their variables put in; one that is not set is said on the report. The names in `except` hold
/// resources of their own, and stay as they are.
pub(super) fn resolve(
    body: &Mapping,
    path: &str,
    except: &[&str],
    lookup: Lookup<'_>,
    report: &Report,
) -> Mapping {
    let field = |key: &Value| {
        let name = key.as_str().unwrap_or("?");
        if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
    };
    let entries = body.iter().map(|(key, value)| {
        let kept = key.as_str().is_some_and(|key| except.contains(&key));
        let value = if kept { value.clone() } else { resolved(value, &field(key), lookup, report) };
        (key.clone(), value)
    });
    entries.collect()
}

fn resolved(value: &Value, path: &str, lookup: Lookup<'_>, report: &Report) -> Value {
    match value {
        Value::String(text) if text.contains("${{") => match put_in(text, lookup) {
            Ok(text) => Value::String(text),
            Err(why) => {
                report.discard(path, why);
                value.clone()
            }
        },
        Value::Sequence(items) => {
            let items = items.iter().enumerate();
            items.map(|(index, item)| resolved(item, &format!("{path}[{index}]"), lookup, report)).collect()
        }
        Value::Mapping(map) => Value::Mapping(resolve(map, path, &[], lookup, report)),
        other => other.clone(),
    }
}

fn put_in(text: &str, lookup: Lookup<'_>) -> Result<String, String> {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, behind)) = rest.split_once("${{") {
        let (inside, after) = behind.split_once("}}").ok_or("has ${{ without }}; close it")?;
        out.push_str(before);
        out.push_str(&variable(inside.trim(), lookup)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// `env "DECK_X"`, perhaps with one of decK's filters behind it: values are read as their fields want them, so a
/// number needs none.
fn variable(inside: &str, lookup: Lookup<'_>) -> Result<String, String> {
    let (call, filter) = inside.split_once('|').unwrap_or((inside, ""));
    let name = call.trim().strip_prefix("env").map(|name| name.trim().trim_matches(['"', '\'', '`']));
    let known = matches!(filter.trim(), "" | "toBool" | "toInt" | "toFloat");
    let Some(name) = name.filter(|name| known && !name.is_empty()) else {
        return Err(format!("{:?} is no variable; write ${{{{ env \"DECK_X\" }}}}", crop(inside)));
    };
    if !name.starts_with(PREFIX) {
        return Err(format!(
            "the variable {:?} does not begin with {PREFIX}, and decK hands out no others; rename it",
            crop(name)
        ));
    }
    lookup(name).ok_or_else(|| {
        format!("the environment variable {} is not set; set it, or write its value here", crop(name))
    })
}

fn crop(text: &str) -> String {
    text.chars().take(60).collect()
}
