//! What a controller would write of a Gateway.

use super::judged::{Gateway, Listener};
use super::spec::ListenerSpec;
use super::status::{Fault, condition, holds};
use crate::config::model::{Condition, PartStatus, ResourceStatus};

/// Its conditions and those of its listeners.
pub(super) fn gateway(gateway: &Gateway) -> ResourceStatus {
    let mut conditions = vec![accepted(gateway), programmed(gateway), resolved(gateway)];
    if gateway.spec.frontend.is_insecure() {
        let message = "clients without a good certificate are served too";
        conditions.push(holds("InsecureFrontendValidationMode", "ConfigurationChanged", message));
    }
    ResourceStatus {
        resource: gateway.report.resource().to_owned(),
        generation: gateway.head.generation,
        conditions,
        parts: gateway.listeners().map(|(spec, judged)| listener(spec, judged)).collect(),
    }
}

fn accepted(gateway: &Gateway) -> Condition {
    if let Some(fault) = &gateway.refused {
        return condition("Accepted", "Accepted", Some(fault));
    }
    let refused: Vec<_> = gateway
        .listeners()
        .filter_map(|(spec, judged)| {
            judged.refused.as_ref().map(|fault| format!("{}: {}", spec.name, fault.message))
        })
        .collect();
    let message = refused.join("; ");
    match refused.len() {
        0 => holds("Accepted", "Accepted", ""),
        some if some < gateway.listeners.len() => holds("Accepted", "ListenersNotValid", message),
        _ => condition("Accepted", "Accepted", Some(&Fault::new("ListenersNotValid", message))),
    }
}

fn programmed(gateway: &Gateway) -> Condition {
    let any = gateway.listeners().any(|(spec, judged)| judged.is_programmed(spec));
    let fault = Fault::new("Invalid", "no listener is served");
    condition("Programmed", "Programmed", (!any).then_some(&fault))
}

fn resolved(gateway: &Gateway) -> Condition {
    let of_listeners = || {
        let mut unresolved = gateway.listeners().filter(|(_, judged)| judged.unresolved.is_some());
        unresolved.next().map(|(spec, _)| {
            Fault::new(
                "ListenersNotResolved",
                format!("the listener {:?} refers to something in vain", spec.name),
            )
        })
    };
    let fault = gateway.client.as_ref().err().cloned().or_else(of_listeners);
    condition("ResolvedRefs", "ResolvedRefs", fault.as_ref())
}

fn listener(spec: &ListenerSpec, judged: &Listener) -> PartStatus {
    let programmed = match (&judged.refused, &judged.unresolved) {
        _ if judged.is_programmed(spec) => None,
        (Some(fault), _) | (None, Some(fault)) => Some(Fault::new("Invalid", &*fault.message)),
        (None, None) => Some(Fault::new("Invalid", "no certificate is known for it")),
    };
    let conflicted = match &judged.conflicted {
        Some(fault) => holds("Conflicted", fault.reason, &*fault.message),
        None => condition("Conflicted", "NoConflicts", Some(&Fault::new("NoConflicts", ""))),
    };
    PartStatus {
        part: format!("listener {}", spec.name),
        attached: Some(judged.attached.get()),
        kinds: Some(judged.kinds.clone()),
        conditions: vec![
            condition("Accepted", "Accepted", judged.refused.as_ref()),
            conflicted,
            condition("ResolvedRefs", "ResolvedRefs", judged.unresolved.as_ref()),
            condition("Programmed", "Programmed", programmed.as_ref()),
        ],
    }
}
