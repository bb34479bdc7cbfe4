//! Which resources are meant for this process.

use crate::config::diagnostic::Diagnostic;
use crate::config::dialect::about_setting;
use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;
use crate::config::dialect::resource::Resource;
use crate::config::dialect::selector::LabelSelector;
use crate::config::settings::Ambassador;

/// The conversion to v2 marks ids with this, so that Ambassador 1.x takes no notice of them.
const V3_ONLY: &str = "--apiVersion-v3alpha1-only--";

/// The variables that choose resources.
pub(super) struct Scope<'a> {
    settings: &'a Ambassador,
    /// `None` where the setting is broken: nothing is known to be chosen, so nothing is taken.
    labels: Option<LabelSelector>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(settings: &'a Ambassador, found: &mut Vec<Diagnostic>) -> Self {
        let labels = settings.label_selector.parse();
        if let Err(error) = &labels {
            let message = format!("{error}; no resource is taken");
            found.push(about_setting("AMBASSADOR_LABEL_SELECTOR", message));
        }
        Self { settings, labels: labels.ok() }
    }

    /// Whether the resource is this process's to read; if not, the report says why.
    pub(super) fn includes(&self, resource: &Resource<'_>, report: &Report) -> bool {
        let own = &self.settings.namespace;
        let namespace = resource.namespace();
        if self.settings.single_namespace && namespace.as_ref().is_some_and(|namespace| namespace != own) {
            report.info(
                "metadata.namespace",
                format!("is not {own:?}, the only one read (AMBASSADOR_SINGLE_NAMESPACE); passed over"),
            );
            return false;
        }
        match &self.labels {
            None => return false,
            Some(labels) if !labels.matches(&resource.labels()) => {
                let selector = &self.settings.label_selector;
                let message = format!("do not match {selector:?} (AMBASSADOR_LABEL_SELECTOR); passed over");
                report.info("metadata.labels", message);
                return false;
            }
            Some(_) => {}
        }
        self.is_addressed(resource, report)
    }

    fn is_addressed(&self, resource: &Resource<'_>, report: &Report) -> bool {
        let spec = resource.body.get("spec").and_then(|spec| spec.as_mapping());
        let (home, path) = spec.map_or((&*resource.body, ""), |spec| (spec, "spec"));
        let fields = Fields::new(home, path, report);
        let ids = fields.texts("ambassador_id");
        // What protobuf made of it in Hosts of v2.
        let ids = ids.or_else(|| fields.texts("ambassadorId").filter(|_| resource.kind == "Host"));
        let ids = ids.filter(|ids| !ids.is_empty());
        if report.failed() {
            return false;
        }
        let ids = ids.unwrap_or_else(|| vec!["default".to_owned()]);
        let own = &self.settings.id;
        let names_own = |id: &String| {
            let id = id.strip_prefix(V3_ONLY).unwrap_or(id);
            id == own || id == "_automatic_"
        };
        if ids.iter().any(names_own) {
            return true;
        }
        let field = fields.path("ambassador_id");
        report.info(field, format!("{} does not name {own:?} (AMBASSADOR_ID); passed over", ids.join(", ")));
        false
    }
}
