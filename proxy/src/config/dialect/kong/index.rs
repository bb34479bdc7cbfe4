//! Who is who: entities by id and name, and what others mean by them.

use std::collections::HashMap;

use serde_yaml::Value;

use super::entity::{Entity, Kind};
use crate::config::dialect::fields::{Fields, scalar, show};
use crate::config::dialect::words::nearest;

/// Something is wrong, and a report knows what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// Every entity, as they stand.
pub(super) struct Index {
    pub(super) all: Vec<Entity>,
    by_id: HashMap<(Kind, String), usize>,
    by_name: HashMap<(Kind, String), usize>,
}

impl Index {
    /// Of two with the same name, or the same id, the first stays.
    pub(super) fn new(all: Vec<Entity>) -> Self {
        let (mut by_id, mut by_name) = (HashMap::new(), HashMap::new());
        for (index, entity) in all.iter().enumerate() {
            let named = entity.name.as_ref().filter(|_| entity.kind.is_unique_by_name());
            let keys = [("id", entity.id.as_ref(), &mut by_id), ("name", named, &mut by_name)];
            for (field, value, known) in keys {
                let Some(value) = value else { continue };
                match known.get(&(entity.kind, value.clone())) {
                    None => drop(known.insert((entity.kind, value.clone()), index)),
                    Some(before) => {
                        let before: &Entity = &all[*before];
                        let message = format!(
                            "uniqueness violation: {:?} entity with {field} set to {value:?} is already declared \
                             ({} in {}); rename one of them",
                            entity.kind.list(),
                            before.path,
                            before.place()
                        );
                        entity.report.discard(entity.at(field), message);
                    }
                }
            }
        }
        for (index, entity) in all.iter().enumerate() {
            let named = entity.name.as_ref().filter(|_| entity.kind.is_unique_by_name());
            let other = named.and_then(|name| by_id.get(&(entity.kind, name.clone())));
            if let Some(other) = other.filter(|other| **other != index) {
                let message = format!(
                    "is the id of another ({} in {}), so nobody knows which is meant; rename it",
                    all[*other].path,
                    all[*other].place()
                );
                entity.report.discard(entity.at("name"), message);
            }
        }
        Self { all, by_id, by_name }
    }

    /// Those of a kind, as they stand.
    pub(super) fn of(&self, kind: Kind) -> impl Iterator<Item = (usize, &Entity)> {
        self.all.iter().enumerate().filter(move |(_, entity)| entity.kind == kind)
    }

    /// The entity that `of` belongs to: the one it stands in, or the one that its field names.
    pub(super) fn owner(
        &self,
        of: &Entity,
        fields: &Fields<'_>,
        field: &'static str,
        kind: Kind,
    ) -> Result<Option<usize>, Broken> {
        let named = fields.raw(field);
        let around = of.parent.filter(|parent| self.all[*parent].kind == kind);
        match (around, named) {
            (Some(around), None) => Ok(Some(around)),
            (Some(around), Some(value)) => {
                if self.named(of, value, &fields.path(field), field, kind)? == around {
                    return Ok(Some(around));
                }
                let around = self.all[around].label();
                let message =
                    format!("names another than {around}, in which this stands; remove it, or move this");
                of.report.discard(fields.path(field), message);
                Err(Broken)
            }
            (None, None) => Ok(None),
            (None, Some(value)) => self.named(of, value, &fields.path(field), field, kind).map(Some),
        }
    }

    /// The entity that a value names: by name or id, in one word or as `{name: …}` or `{id: …}`.
    pub(super) fn named(
        &self,
        of: &Entity,
        value: &Value,
        path: &str,
        field: &str,
        kind: Kind,
    ) -> Result<usize, Broken> {
        let by =
            |known: &HashMap<(Kind, String), usize>, word: &str| known.get(&(kind, word.to_owned())).copied();
        let part = |part: &str| value.get(part).and_then(scalar);
        let (word, found) = match (scalar(value), part("id"), part("name")) {
            (Some(word), ..) => {
                let found = by(&self.by_name, &word).or_else(|| by(&self.by_id, &word));
                (word, found)
            }
            (None, Some(id), _) => {
                let found = by(&self.by_id, &id);
                (id, found)
            }
            (None, None, Some(name)) => {
                let found = by(&self.by_name, &name);
                (name, found)
            }
            (None, None, None) => {
                let message = format!("{} names no {}; write its name or its id", show(value), kind.noun());
                of.report.discard(path, message);
                return Err(Broken);
            }
        };
        found.ok_or_else(|| {
            let names: Vec<&str> = self.of(kind).filter_map(|(_, entity)| entity.name.as_deref()).collect();
            let hint = match nearest(&word, &names) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("declare it among the {}", kind.list()),
            };
            let message = format!(
                "invalid reference '{field}: {}' (no such entry in '{}'); {hint}",
                show(&Value::String(word)).trim_matches('"'),
                kind.list()
            );
            of.report.discard(path, message);
            Broken
        })
    }
}
