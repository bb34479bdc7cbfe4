//! Which certificates the clients of a route are shown, of all that its termination has.

use crate::config::model::{CertificateName, Certificates, NamePattern, Termination};

/// Those for every name that a route takes; `None` where they differ among these names.
pub(in crate::config::dialect) fn shown<'a>(
    termination: &'a Termination,
    name: &NamePattern,
) -> Option<&'a Certificates> {
    let Termination { certificates, named, .. } = termination;
    match name {
        NamePattern::Exact(name) => Some(for_name(termination, name)),
        NamePattern::Suffix(suffix) => {
            let is_within = |other: &CertificateName| match other {
                CertificateName::Exact(name) => name.ends_with(&**suffix),
                CertificateName::Before(own) => own.ends_with(&**suffix),
                CertificateName::Behind(_) => true,
            };
            (!named.iter().any(|(other, _)| is_within(other))).then_some(certificates)
        }
        NamePattern::Prefix(_) | NamePattern::Everything => named.is_empty().then_some(certificates),
    }
}

/// As `tls::certificates` chooses: the name itself, then `*.x`, then `x.*`.
fn for_name<'a>(termination: &'a Termination, name: &str) -> &'a Certificates {
    let before = name.find('.').map(|dot| &name[dot..]);
    let behind = name.rfind('.').map(|dot| &name[..=dot]);
    let is = [
        |own: &CertificateName, [name, ..]: [Option<&str>; 3]| matches!(own, CertificateName::Exact(own) if Some(&**own) == name),
        |own: &CertificateName, [_, before, _]: [Option<&str>; 3]| matches!(own, CertificateName::Before(own) if Some(&**own) == before),
        |own: &CertificateName, [.., behind]: [Option<&str>; 3]| matches!(own, CertificateName::Behind(own) if Some(&**own) == behind),
    ];
    let parts = [Some(name), before, behind];
    let found = is.iter().find_map(|is| termination.named.iter().find(|(own, _)| is(own, parts)));
    found.map_or(&termination.certificates, |(_, certificates)| certificates)
}
