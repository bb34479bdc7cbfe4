//! YAML of documents.

use serde_json::{Map, Value, json};

use super::ObjectName;

/// A Kubernetes object of these parts.
pub(in crate::config::dialect) fn object(
    api_version: &str,
    kind: &str,
    name: &ObjectName,
    annotations: Map<String, Value>,
    body: Map<String, Value>,
) -> Value {
    let mut object = Map::new();
    object.insert("apiVersion".to_owned(), json!(api_version));
    object.insert("kind".to_owned(), json!(kind));
    object.insert(
        "metadata".to_owned(),
        json!({ "name": name.name, "namespace": name.namespace, "annotations": annotations }),
    );
    object.extend(body);
    Value::Object(object)
}

/// A document as YAML, without what is null or empty. A value that is to be empty is not written by anybody here.
pub(in crate::config::dialect) fn text(document: &Value) -> String {
    let said = prune(document).unwrap_or_default();
    // Nothing of JSON is beyond YAML.
    serde_yaml::to_string(&said).unwrap_or_default()
}

fn prune(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(fields) => {
            let said: Map<_, _> =
                fields.iter().filter_map(|(name, value)| Some((name.clone(), prune(value)?))).collect();
            (!said.is_empty()).then_some(Value::Object(said))
        }
        Value::Array(items) => {
            let said: Vec<_> = items.iter().filter_map(prune).collect();
            (!said.is_empty()).then_some(Value::Array(said))
        }
        _ => Some(value.clone()),
    }
}
