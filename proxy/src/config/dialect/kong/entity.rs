//! Kong's entities: what a file declares, each with its own findings.

use serde_yaml::Mapping;

use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::{Place, Report};

/// Kinds of entities that concern connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Service,
    Route,
    Upstream,
    Target,
    Certificate,
    Sni,
    CaCertificate,
    Plugin,
}

impl Kind {
    pub(super) const ALL: [Self; 8] = [
        Self::Service,
        Self::Route,
        Self::Upstream,
        Self::Target,
        Self::Certificate,
        Self::Sni,
        Self::CaCertificate,
        Self::Plugin,
    ];

    /// The key of a list of them.
    pub(super) const fn list(self) -> &'static str {
        match self {
            Self::Service => "services",
            Self::Route => "routes",
            Self::Upstream => "upstreams",
            Self::Target => "targets",
            Self::Certificate => "certificates",
            Self::Sni => "snis",
            Self::CaCertificate => "ca_certificates",
            Self::Plugin => "plugins",
        }
    }

    /// What one is called, by messages and by those that refer to it.
    pub(super) const fn noun(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Route => "route",
            Self::Upstream => "upstream",
            Self::Target => "target",
            Self::Certificate => "certificate",
            Self::Sni => "sni",
            Self::CaCertificate => "ca_certificate",
            Self::Plugin => "plugin",
        }
    }

    /// Which may stand inside one.
    pub(super) const fn children(self) -> &'static [Self] {
        match self {
            Self::Service => &[Self::Route, Self::Plugin],
            Self::Route => &[Self::Plugin],
            Self::Upstream => &[Self::Target],
            Self::Certificate => &[Self::Sni],
            _ => &[],
        }
    }

    /// Fields that are lists. What Kong writes out has `{}` for those that are empty, as Lua knows no difference.
    pub(super) const fn lists(self) -> &'static [&'static str] {
        match self {
            Self::Service => &["ca_certificates"],
            Self::Route => &["snis", "sources", "destinations"],
            _ => &[],
        }
    }

    /// The field that people know one by.
    pub(super) const fn name_field(self) -> Option<&'static str> {
        match self {
            Self::Service | Self::Route | Self::Upstream | Self::Sni | Self::Plugin => Some("name"),
            Self::Target => Some("target"),
            Self::Certificate | Self::CaCertificate => None,
        }
    }

    /// Whether no two may have the same name.
    pub(super) const fn is_unique_by_name(self) -> bool {
        matches!(self, Self::Service | Self::Route | Self::Upstream | Self::Sni)
    }
}

/// Which format a file says that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// 1.1: listeners end TLS whenever a connection begins with a ClientHello.
    OnSight,
    /// 2.1 and 3.0: listeners with `ssl` do.
    ByFlag,
}

/// One of them.
pub(super) struct Entity {
    pub(super) kind: Kind,
    pub(super) version: Version,
    /// The entity that it stands in.
    pub(super) parent: Option<usize>,
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) report: Report,
    /// `services[0].routes[1]`.
    pub(super) path: String,
    pub(super) body: Mapping,
}

impl Entity {
    /// Its fields; those that every entity has count as asked for.
    pub(super) fn fields(&self) -> Fields<'_> {
        let fields = Fields::new(&self.body, self.path.clone(), &self.report);
        fields.ignore(&["id", "tags", "created_at", "updated_at"]);
        for child in self.kind.children() {
            fields.ignore(&[child.list()]);
        }
        if let Some(field) = self.kind.name_field() {
            fields.ignore(&[field]);
        }
        fields
    }

    /// `route pay`.
    pub(super) fn label(&self) -> &str {
        self.report.resource()
    }

    pub(super) fn place(&self) -> &Place {
        self.report.place()
    }

    /// Where one of its fields stands.
    pub(super) fn at(&self, field: &str) -> String {
        format!("{}.{field}", self.path)
    }
}
