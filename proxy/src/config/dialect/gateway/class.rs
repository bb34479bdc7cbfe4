//! `GatewayClass`: whose Gateways are served here, and by which rules.

use std::collections::BTreeMap;

use super::id::Head;
use super::reference::ObjectRef;
use super::status::{Fault, condition};
use crate::config::diagnostic::Diagnostic;
use crate::config::dialect::report::Report;
use crate::config::dialect::resource::Resource;
use crate::config::model::ResourceStatus;
use crate::config::settings::Settings;

/// By whose rules a Gateway is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// The specification's.
    Strict,
    /// Those of the AWS Load Balancer Controller for network load balancers.
    AwsNlb,
}

/// The controller that is taken for Amazon's; every other accepted one is taken for sluice itself.
const AWS_NLB: &str = "gateway.k8s.aws/nlb";

/// A class whose controller sluice stands for.
#[derive(Debug)]
pub(super) struct GatewayClass {
    pub(super) class: Class,
    /// Where a controller's own settings are, with the group and kind they have there.
    pub(super) parameters: Option<ObjectRef>,
}

/// Every class, by name.
#[derive(Debug, Default)]
pub(super) struct Classes(BTreeMap<String, Known>);

/// What is known of a class.
#[derive(Debug)]
enum Known {
    Ours(GatewayClass),
    /// Another controller's.
    Foreign,
    /// In error.
    Broken,
}

impl Classes {
    /// Reads them all; of the same name the last counts.
    pub(super) fn read(
        resources: Vec<(&Resource<'_>, Head, Report)>,
        settings: &Settings,
        statuses: &mut Vec<ResourceStatus>,
        found: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut classes = BTreeMap::new();
        for (resource, head, report) in resources {
            let class = read(resource, &head, &report, settings, statuses).unwrap_or(Known::Broken);
            classes.insert(head.id.name, class);
            found.extend(report.into_diagnostics());
        }
        Self(classes)
    }

    /// The class of that name.
    ///
    /// # Errors
    /// There is none in the configuration or it is in error, in a sentence without its end. `Ok(None)` is somebody
    /// else's.
    pub(super) fn get(&self, name: &str) -> Result<Option<&GatewayClass>, String> {
        match self.0.get(name) {
            Some(Known::Ours(class)) => Ok(Some(class)),
            Some(Known::Foreign) => Ok(None),
            Some(Known::Broken) => Err(format!("GatewayClass {name} is in error")),
            None => Err(format!(
                "there is no GatewayClass {name} in the configuration; add it, with a controllerName"
            )),
        }
    }
}

fn read(
    resource: &Resource<'_>,
    head: &Head,
    report: &Report,
    settings: &Settings,
    statuses: &mut Vec<ResourceStatus>,
) -> Option<Known> {
    let spec = resource.spec(report)?;
    let controller = spec.filled("controllerName");
    let parameters = spec.child("parametersRef").and_then(|fields| {
        let read = ObjectRef::read(&fields, "", "");
        fields.warn_unknown(&[]);
        read
    });
    spec.ignore(&["description"]);
    spec.warn_unknown(&[]);
    let Some(controller) = controller else {
        spec.missing("controllerName", "name who serves the class, such as sluice.dev/gateway");
        return None;
    };
    if report.failed() {
        return None;
    }
    if !settings.gateway_controllers.contains(&controller) {
        let message = format!(
            "{controller:?} is another controller, so Gateways of this class are passed over; sluice serves {} \
             (gateway-controllers)",
            settings.gateway_controllers.join(", ")
        );
        report.info(spec.path("controllerName"), message);
        return Some(Known::Foreign);
    }
    let class = if controller == AWS_NLB { Class::AwsNlb } else { Class::Strict };
    let fault = parameters.as_ref().filter(|_| class == Class::Strict).map(|parameters| {
        let message =
            format!("{} is no kind that sluice takes parameters from; leave it out", parameters.kind);
        report.error(spec.path("parametersRef"), &message);
        Fault::new("InvalidParameters", message)
    });
    statuses.push(ResourceStatus {
        // Classes are in no namespace.
        resource: format!("GatewayClass {}", head.id.name),
        generation: head.generation,
        conditions: vec![condition("Accepted", "Accepted", fault.as_ref())],
        parts: Vec::new(),
    });
    // What cannot be had must not be taken for what can.
    fault.is_none().then_some(Known::Ours(GatewayClass { class, parameters }))
}
