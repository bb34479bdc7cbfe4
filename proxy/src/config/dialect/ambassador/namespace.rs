//! In which namespace a service name without one is looked up.

use crate::config::dialect::report::Report;
use crate::config::model::Host;

/// Appends the mapping's namespace where a bare name would be looked up in Ambassador's.
///
/// The documentation says Ambassador's namespace; the code has always taken the mapping's, and running
/// installations depend on that.
pub(super) fn qualify(
    host: Host,
    mapping: &str,
    own: &str,
    use_own: bool,
    field: &str,
    report: &Report,
) -> Host {
    let Host::Name(name) = &host else {
        return host;
    };
    if mapping == own || use_own || name.contains('.') || &**name == "localhost" {
        return host;
    }
    let qualified = format!("{name}.{mapping}");
    let message = format!(
        "{name:?} is taken for {qualified:?}, in the mapping's namespace; Ambassador's documentation says \
         \"{name}.{own}\": write the one you mean"
    );
    report.info(field, message);
    Host::Name(qualified.into())
}
