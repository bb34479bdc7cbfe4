//! References to other objects.

use super::id::Id;
use crate::config::dialect::fields::Fields;

/// An object that a field names, in the group, kind and namespace that it states or that are understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ObjectRef {
    pub(super) group: String,
    pub(super) kind: String,
    /// As stated; `None` is the namespace of whoever refers to it.
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    /// The path of the field.
    pub(super) field: String,
}

impl ObjectRef {
    /// Reads one whose group and kind are these unless it says so; `None` where the report says that it has no name.
    pub(super) fn read(fields: &Fields<'_>, group: &str, kind: &str) -> Option<Self> {
        let (own_group, own_kind) = (fields.text("group"), fields.filled("kind"));
        let (namespace, name) = (fields.filled("namespace"), fields.filled("name"));
        if name.is_none() {
            fields.missing("name", "name the object that is meant");
        }
        Some(Self {
            group: own_group.unwrap_or_else(|| group.to_owned()),
            kind: own_kind.unwrap_or_else(|| kind.to_owned()),
            namespace,
            name: name?,
            field: fields.path("name"),
        })
    }

    /// Whether it means an object of this group and kind.
    pub(super) fn is(&self, group: &str, kind: &str) -> bool {
        self.group == group && self.kind == kind
    }

    /// The object, as whoever is in `own` means it.
    pub(super) fn id(&self, own: &str) -> Id {
        Id::new(self.namespace.as_deref().unwrap_or(own), &*self.name)
    }

    /// `Secret default/pay`, with its group unless that is Kubernetes' own.
    pub(super) fn shown(&self, own: &str) -> String {
        match self.group.as_str() {
            "" => format!("{} {}", self.kind, self.id(own)),
            group => format!("{}.{group} {}", self.kind, self.id(own)),
        }
    }
}
