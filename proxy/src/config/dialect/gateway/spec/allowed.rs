//! Which routes may attach to a listener (`allowedRoutes`).

use std::collections::HashMap;

use crate::config::dialect::fields::Fields;
use crate::config::dialect::gateway::kind::GROUP;
use crate::config::dialect::report::Report;
use crate::config::dialect::selector::LabelSelector;

/// The label that every namespace has, with its own name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";
const KINDS: usize = 8;

/// `allowedRoutes`.
pub(super) struct Allowed {
    pub(super) namespaces: Namespaces,
    /// By group and kind.
    pub(super) kinds: Option<Vec<(String, String)>>,
}

/// `namespaces.from`.
#[derive(Debug, Clone)]
pub(in crate::config::dialect::gateway) enum Namespaces {
    All,
    /// This one, the Gateway's.
    Same(String),
    Selector(LabelSelector),
}

#[derive(Clone, Copy)]
enum From {
    All,
    Same,
    Selector,
}

impl Allowed {
    /// `own` is the Gateway's namespace.
    pub(super) fn read(fields: Option<&Fields<'_>>, own: &str, report: &Report) -> Self {
        let same = || Namespaces::Same(own.to_owned());
        let Some(fields) = fields else {
            return Self { namespaces: same(), kinds: None };
        };
        let namespaces = fields.child("namespaces").map_or_else(same, |namespaces| {
            let from = namespaces
                .choice("from", &[("Same", From::Same), ("All", From::All), ("Selector", From::Selector)])
                .unwrap_or(From::Same);
            let selector = namespaces.child("selector");
            namespaces.warn_unknown(&[]);
            match (from, selector) {
                (From::All, _) => Namespaces::All,
                (From::Same, _) => same(),
                (From::Selector, Some(selector)) => Namespaces::Selector(label_selector(&selector, report)),
                (From::Selector, None) => {
                    namespaces.missing("selector", "from: Selector goes by the labels of namespaces");
                    same()
                }
            }
        });
        let kinds = fields.children("kinds").map(|children| {
            if children.len() > KINDS {
                report.discard(fields.path("kinds"), format!("has more than {KINDS} entries"));
            }
            children
                .iter()
                .filter_map(|entry| {
                    let (group, kind) = (entry.text("group"), entry.filled("kind"));
                    if kind.is_none() {
                        entry.missing("kind", "say which kind of route may attach");
                    }
                    entry.warn_unknown(&[]);
                    Some((group.unwrap_or_else(|| GROUP.to_owned()), kind?))
                })
                .collect()
        });
        fields.warn_unknown(&[]);
        // An empty list is as good as none.
        Self { namespaces, kinds: kinds.filter(|kinds: &Vec<_>| !kinds.is_empty()) }
    }
}

impl Namespaces {
    /// Whether routes of a namespace are let in; `labels` are those of the namespaces that are known.
    pub(in crate::config::dialect::gateway) fn include(
        &self,
        namespace: &str,
        labels: &HashMap<String, Vec<(String, String)>>,
    ) -> bool {
        match self {
            Self::All => true,
            Self::Same(own) => own == namespace,
            Self::Selector(selector) => {
                let mut labels = labels.get(namespace).cloned().unwrap_or_default();
                if !labels.iter().any(|(label, _)| label == NAME_LABEL) {
                    labels.push((NAME_LABEL.to_owned(), namespace.to_owned()));
                }
                selector.matches(&labels)
            }
        }
    }
}

/// Kubernetes' `LabelSelector`.
fn label_selector(fields: &Fields<'_>, report: &Report) -> LabelSelector {
    #[derive(Clone, Copy, PartialEq)]
    enum Operator {
        In,
        NotIn,
        Exists,
        DoesNotExist,
    }
    const OPERATORS: [(&str, Operator); 4] = [
        ("In", Operator::In),
        ("NotIn", Operator::NotIn),
        ("Exists", Operator::Exists),
        ("DoesNotExist", Operator::DoesNotExist),
    ];
    let mut selector = LabelSelector::default();
    // What is not understood is never left out: a selector that asks for less lets more namespaces in.
    let labels = fields.pairs("matchLabels");
    let stated = fields.raw("matchLabels").map(|labels| labels.as_mapping().map(|labels| labels.len()));
    if stated.is_some_and(|stated| stated != Some(labels.len())) {
        report.discard(
            fields.path("matchLabels"),
            "is no mapping of labels to their values, such as team: pay",
        );
    }
    for (key, value) in labels {
        selector.require_in(key, vec![value]);
    }
    for entry in fields.children("matchExpressions").unwrap_or_default() {
        let (key, operator) = (entry.filled("key"), entry.choice("operator", &OPERATORS));
        let values = entry.texts("values").unwrap_or_default();
        entry.warn_unknown(&[]);
        let (Some(key), Some(operator)) = (key, operator) else {
            report.discard(entry.here(), "lacks its key or its operator; write both");
            continue;
        };
        let wants_values = matches!(operator, Operator::In | Operator::NotIn);
        if wants_values == values.is_empty() {
            let message = "go with the operators In and NotIn, and with no other";
            report.discard(entry.path("values"), message);
        }
        match operator {
            Operator::In => selector.require_in(key, values),
            Operator::NotIn => selector.require_not_in(key, values),
            Operator::Exists => selector.require(key),
            Operator::DoesNotExist => selector.require_absent(key),
        }
    }
    fields.refuse_unknown(&[]);
    selector
}
