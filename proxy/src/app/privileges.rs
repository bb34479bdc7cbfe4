//! What a process without the kernel relay may lack.

use std::io;

use rustix::thread::{CapabilitySet, CapabilitySets};

/// The capabilities that the kernel relay takes, and those that include them.
const NEEDED: [(&str, CapabilitySet); 2] = [
    ("CAP_BPF", CapabilitySet::BPF.union(CapabilitySet::SYS_ADMIN)),
    ("CAP_NET_ADMIN", CapabilitySet::NET_ADMIN),
];

/// Why there is no kernel relay, in the words of those who grant privileges; `own` are those at start.
pub(super) fn hint(error: &anyhow::Error, own: Option<CapabilitySets>) -> String {
    let refused = |cause: &io::Error| cause.kind() == io::ErrorKind::PermissionDenied;
    if error.chain().any(|cause| cause.downcast_ref().is_some_and(refused)) {
        refusal(own)
    } else {
        "`sluice doctor` says what is missing".to_owned()
    }
}

/// Names what this process lacks; else who may have refused all the same.
fn refusal(own: Option<CapabilitySets>) -> String {
    let lacks = |any_of: CapabilitySet| own.is_some_and(|own| !own.effective.intersects(any_of));
    let missing: Vec<_> = NEEDED.iter().filter(|(_, any_of)| lacks(*any_of)).map(|(name, _)| *name).collect();
    if missing.is_empty() {
        "a seccomp profile, a user namespace or the kernel's lockdown forbids bpf(2)".to_owned()
    } else {
        format!("this process lacks {}", missing.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use super::{CapabilitySet, CapabilitySets, hint, refusal};

    fn with(effective: CapabilitySet) -> String {
        refusal(Some(CapabilitySets {
            effective,
            permitted: CapabilitySet::all(),
            inheritable: CapabilitySet::all(),
        }))
    }

    #[test]
    fn privileges_are_no_matter_of_other_errors() {
        let told = hint(&anyhow::anyhow!("this build has none"), None);
        assert_eq!(told, "`sluice doctor` says what is missing");
    }

    #[test]
    fn names_what_is_not_effective() {
        let neither = "this process lacks CAP_BPF and CAP_NET_ADMIN";
        assert_eq!(with(CapabilitySet::empty()), neither);
        assert_eq!(with(CapabilitySet::NET_ADMIN), "this process lacks CAP_BPF");
        assert_eq!(with(CapabilitySet::SYS_ADMIN), "this process lacks CAP_NET_ADMIN");
    }

    #[test]
    fn looks_elsewhere_where_none_is_missing() {
        let both = CapabilitySet::BPF | CapabilitySet::NET_ADMIN;
        assert!(with(both).starts_with("a seccomp profile"), "{}", with(both));
        assert!(refusal(None).starts_with("a seccomp profile"));
    }
}
