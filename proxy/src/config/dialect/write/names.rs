//! Names that Kubernetes takes, from those that the model knows.

use std::collections::HashSet;

/// Name and namespace of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::config::dialect) struct ObjectName {
    pub(in crate::config::dialect) name: String,
    /// `None` is that of sluice itself.
    pub(in crate::config::dialect) namespace: Option<String>,
}

impl ObjectName {
    /// That of `kind namespace/name and more`, or as much as there is of it; `own` is sluice's namespace.
    pub(in crate::config::dialect) fn of(words: &str, own: &str) -> Self {
        let (_, rest) = words.split_once(' ').unwrap_or(("", words));
        let (namespace, name) = match rest.split_once('/') {
            Some((namespace, name)) if is_label(namespace) => (Some(namespace), name),
            _ => (None, rest),
        };
        let namespace = namespace.filter(|namespace| *namespace != own).map(str::to_owned);
        Self { name: label(name), namespace }
    }

    /// `namespace/name`, as messages have it.
    pub(in crate::config::dialect) fn shown(&self, own: &str) -> String {
        format!("{}/{}", self.namespace.as_deref().unwrap_or(own), self.name)
    }
}

/// Names that are taken by objects of one kind.
#[derive(Debug, Default)]
pub(in crate::config::dialect) struct Taken(HashSet<ObjectName>);

impl Taken {
    /// The name, or where it is taken the name with a number.
    pub(in crate::config::dialect) fn free(&mut self, wanted: ObjectName) -> ObjectName {
        let mut name = wanted.clone();
        let mut number = 2;
        while !self.0.insert(name.clone()) {
            name.name = format!("{}-{number}", wanted.name);
            number += 1;
        }
        name
    }
}

fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// A name of an object (RFC 1123), as close to the text as may be.
fn label(text: &str) -> String {
    /// What Kubernetes takes, with room for a number behind.
    const LONGEST: usize = 240;
    let mut label = String::new();
    for c in text.chars().map(|c| c.to_ascii_lowercase()) {
        let fit = if c.is_ascii_alphanumeric() { c } else { '-' };
        // Neither begins with a mark, nor has two in a row.
        if fit.is_ascii_alphanumeric() || label.ends_with(|last: char| last.is_ascii_alphanumeric()) {
            label.push(fit);
        }
    }
    label.truncate(LONGEST);
    let label = label.trim_end_matches('-');
    if label.is_empty() { "unnamed".to_owned() } else { label.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_source_as_far_as_kubernetes_takes_them() {
        for (words, name, namespace) in [
            ("TCPMapping default/pay", "pay", None),
            ("TCPMapping shop/pay", "pay", Some("shop")),
            ("route Pay_Roll.v2", "pay-roll-v2", None),
            ("TCPRoute shop/pay backend pay:80", "pay-backend-pay-80", Some("shop")),
            ("file /etc/certs/chain.pem", "etc-certs-chain-pem", None),
            ("route --", "unnamed", None),
            ("", "unnamed", None),
        ] {
            let expected = ObjectName { name: name.to_owned(), namespace: namespace.map(str::to_owned) };
            assert_eq!(ObjectName::of(words, "default"), expected, "{words:?}");
        }
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let mut taken = Taken::default();
        let wanted = ObjectName::of("TCPMapping pay", "default");
        let names: Vec<_> = (0..3).map(|_| taken.free(wanted.clone()).name).collect();
        assert_eq!(names, ["pay", "pay-2", "pay-3"]);
    }
}
