//! Capabilities that serving takes, and the end of all others.

use std::io;

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

use crate::relay::kernel::Loaded;

/// What calls bpf(2); since Linux 5.8 the former is enough.
const BPF: CapabilitySet = CapabilitySet::BPF.union(CapabilitySet::SYS_ADMIN);

/// What of bpf(2) the kernel relay still needs a capability for, now that it is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relay {
    /// There is none.
    None,
    /// Nothing.
    Loaded,
    /// Reading and writing its maps: before Linux 5.19, where `kernel.unprivileged_bpf_disabled` is set.
    Maps,
}

/// Gives up all that serving does not need; tells what is left. The bounding set is the kernel's to keep from a
/// process without CAP_SETPCAP; nobody gains anything by it any more, as `no_new_privs` holds everywhere.
pub(super) fn give_up(kernel: Option<&Loaded>) -> io::Result<CapabilitySet> {
    set_no_new_privs(true)?;
    let own = capabilities(None)?;
    let relay = match kernel {
        None => Relay::None,
        Some(kernel) if answers_without(kernel, own)? => Relay::Loaded,
        Some(_) => Relay::Maps,
    };
    let kept = kept(own.effective, relay);
    bound(kept);
    clear_ambient_capability_set()?;
    set_capabilities(
        None,
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() },
    )?;
    Ok(kept)
}

/// Of what a process has, what it uses while it serves.
fn kept(own: CapabilitySet, relay: Relay) -> CapabilitySet {
    // A reload may add ports below 1024.
    let mut kept = CapabilitySet::NET_BIND_SERVICE;
    // And read configuration and keys that are somebody else's. Either is enough; containers often have the latter only.
    kept |= first_of(own, [CapabilitySet::DAC_READ_SEARCH, CapabilitySet::DAC_OVERRIDE]);
    if relay != Relay::None {
        // SO_SNDBUFFORCE, as windows grow.
        kept |= CapabilitySet::NET_ADMIN;
    }
    if relay == Relay::Maps {
        kept |= first_of(own, [CapabilitySet::BPF, CapabilitySet::SYS_ADMIN]);
    }
    own & kept
}

fn first_of(own: CapabilitySet, either: [CapabilitySet; 2]) -> CapabilitySet {
    either.into_iter().find(|one| own.contains(*one)).unwrap_or(CapabilitySet::empty())
}

/// Whether the kernel lets this thread use the relay's maps without a capability; found out by doing it.
fn answers_without(kernel: &Loaded, own: CapabilitySets) -> io::Result<bool> {
    set_capabilities(None, CapabilitySets { effective: own.effective.difference(BPF), ..own })?;
    let answers = kernel.answers();
    set_capabilities(None, own)?;
    Ok(answers)
}

/// Leaves no more in the bounding set, as far as this thread may change it.
fn bound(kept: CapabilitySet) {
    for one in (0..u64::BITS).map(|bit| CapabilitySet::from_bits_retain(1 << bit)) {
        // An error: the kernel knows none of that number.
        if !kept.contains(one) && capability_is_in_bounding_set(one).unwrap_or(false) {
            let _ = remove_capability_from_bounding_set(one);
        }
    }
}

/// As capabilities(7) calls them.
pub(super) fn names(set: CapabilitySet) -> String {
    let names: Vec<_> = set.iter_names().map(|(name, _)| format!("CAP_{name}")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::{CapabilitySet as C, Relay, kept, names};

    #[test]
    fn of_roots_what_serving_uses_is_kept() {
        let always = C::NET_BIND_SERVICE | C::DAC_READ_SEARCH;
        assert_eq!(kept(C::all(), Relay::None), always);
        assert_eq!(kept(C::all(), Relay::Loaded), always | C::NET_ADMIN);
        assert_eq!(kept(C::all(), Relay::Maps), always | C::NET_ADMIN | C::BPF);
    }

    #[test]
    fn what_stands_in_for_another_is_kept_in_its_place() {
        let own = C::DAC_OVERRIDE | C::SYS_ADMIN | C::NET_ADMIN;
        assert_eq!(kept(own, Relay::Maps), own);
        assert_eq!(kept(own, Relay::Loaded), C::DAC_OVERRIDE | C::NET_ADMIN);
    }

    #[test]
    fn nothing_comes_that_was_not_there() {
        assert_eq!(kept(C::empty(), Relay::Maps), C::empty());
        assert_eq!(names(C::empty()), "none");
        assert_eq!(names(C::NET_ADMIN | C::NET_BIND_SERVICE), "CAP_NET_BIND_SERVICE CAP_NET_ADMIN");
    }
}
