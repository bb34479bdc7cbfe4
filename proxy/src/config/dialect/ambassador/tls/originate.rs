//! How TLS towards an upstream is begun.

use std::sync::Arc;

use super::Tls;
use crate::config::dialect::names;
use crate::config::dialect::report::Report;
use crate::config::model::{Host, NameSent, Origination, SanPattern, Verification};
use crate::config::settings::UpstreamTlsVerify;

/// What a mapping asks of the TLS to its upstream.
pub(in crate::config::dialect::ambassador) struct Wanted<'a> {
    /// The name of a `TLSContext`.
    pub(in crate::config::dialect::ambassador) context: Option<&'a str>,
    /// The field that says that TLS is wanted.
    pub(in crate::config::dialect::ambassador) field: String,
    pub(in crate::config::dialect::ambassador) host: &'a Host,
    /// Names to look for in the upstream's certificate.
    pub(in crate::config::dialect::ambassador) names: Vec<SanPattern>,
}

impl Tls<'_> {
    /// The origination, or `None` where the report says why not.
    pub(in crate::config::dialect::ambassador) fn originate(
        &self,
        wanted: Wanted<'_>,
        report: &Report,
    ) -> Option<Arc<Origination>> {
        let Wanted { context, field, host, names } = wanted;
        let mut origination = Origination {
            name: report.resource().into(),
            identity: None,
            server_name: server_name(host),
            verification: Verification::None,
            parameters: Default::default(),
        };
        let mut trust = None;
        if let Some(name) = context {
            let declared = match self.contexts.find(name, report, &field) {
                Ok(context) => &context.declared,
                Err(why) => {
                    report.discard(field, why);
                    return None;
                }
            };
            let (Ok(identity), Ok(found)) = (declared.identity(&self.store), declared.trust(&self.store))
            else {
                report.discard(field, format!("{} is in error", declared.label));
                return None;
            };
            origination.name = Arc::clone(&declared.label);
            origination.identity = identity;
            origination.parameters = declared.block.parameters.clone();
            if let Some(sni) = &declared.block.sni {
                origination.server_name = NameSent::Fixed(Arc::clone(sni));
            }
            trust = found;
        }
        origination.verification = match trust {
            Some(trust) => Verification::Chain { trust, names, depth: None },
            None if !names.is_empty() => {
                report.discard(
                    "metadata.annotations.sluice.dev/upstream-sans",
                    "checks names in a certificate that no authority vouches for; give a TLSContext with ca_secret",
                );
                return None;
            }
            None => self.by_setting(&field, report),
        };
        Some(self.shared(origination))
    }

    /// The same for every mapping that asks the same: authorities are large, and many may share them.
    fn shared(&self, origination: Origination) -> Arc<Origination> {
        let mut known = self.originations.borrow_mut();
        let key = (Arc::clone(&origination.name), origination.server_name.clone());
        let alike = known.entry(key).or_default();
        if let Some(same) = alike.iter().find(|known| ***known == origination) {
            return Arc::clone(same);
        }
        let origination = Arc::new(origination);
        alike.push(Arc::clone(&origination));
        origination
    }

    fn by_setting(&self, field: &str, report: &Report) -> Verification {
        if self.settings.upstream_tls_verify == UpstreamTlsVerify::System {
            return Verification::System;
        }
        if !report.failed() && !self.unverified_said.replace(true) {
            report.warn(
                field,
                "the upstream's certificate is not verified, as in Ambassador (said once for all mappings); \
                 give a TLSContext with ca_secret, or set upstream-tls-verify: system",
            );
        }
        Verification::None
    }
}

/// What the upstream is asked for unless a context says otherwise; addresses are never sent (RFC 6066).
fn server_name(host: &Host) -> NameSent {
    let name = match host {
        Host::Name(name) => names::server_name(name),
        Host::Ip(_) => None,
    };
    name.map_or(NameSent::Nothing, NameSent::Fixed)
}
