//! How TLS towards an upstream is begun.

use std::sync::Arc;

use super::Tls;
use crate::config::dialect::ambassador::overrides::TlsOverrides;
use crate::config::dialect::names;
use crate::config::dialect::report::Report;
use crate::config::model::{Authorities, Host, NameSent, NamesChecked, Origination, Trust, Verification};
use crate::config::settings::UpstreamTlsVerify;

/// What a mapping asks of the TLS to its upstream.
pub(in crate::config::dialect::ambassador) struct Wanted<'a> {
    /// The name of a `TLSContext`.
    pub(in crate::config::dialect::ambassador) context: Option<&'a str>,
    /// The field that says that TLS is wanted.
    pub(in crate::config::dialect::ambassador) field: String,
    /// Where the service is; `None` is in several places, each sent its own name.
    pub(in crate::config::dialect::ambassador) host: Option<&'a Host>,
    /// What its annotations say.
    pub(in crate::config::dialect::ambassador) overrides: &'a TlsOverrides,
}

impl Tls<'_> {
    /// The origination, or `None` where the report says why not.
    pub(in crate::config::dialect::ambassador) fn originate(
        &self,
        wanted: Wanted<'_>,
        report: &Report,
    ) -> Option<Arc<Origination>> {
        let Wanted { context, field, host, overrides } = wanted;
        let mut origination = Origination {
            name: report.resource().into(),
            identity: None,
            server_name: host.map_or(NameSent::Host, server_name),
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
        if let Some(server_name) = &overrides.server_name {
            origination.server_name = server_name.clone();
        }
        origination.verification = self.verification(trust, overrides, &field, report)?;
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

    /// What is asked of the upstream's certificate, or `None` where the report says why that cannot be.
    fn verification(
        &self,
        trust: Option<Trust>,
        overrides: &TlsOverrides,
        field: &str,
        report: &Report,
    ) -> Option<Verification> {
        let TlsOverrides { sans, depth, paths, .. } = overrides;
        let (authorities, unnamed) = match trust {
            Some(trust) => (Authorities::Given(trust), NamesChecked::Any),
            None if self.settings.upstream_tls_verify == UpstreamTlsVerify::System => {
                (Authorities::System, NamesChecked::Sent)
            }
            None => {
                let asks = [(&paths.sans, "checks names in"), (&paths.depth, "bounds the chain of")];
                if let Some((path, what)) = asks.iter().find_map(|(path, what)| Some((path.as_ref()?, what)))
                {
                    let message = format!(
                        "{what} a certificate that no authority vouches for; give a TLSContext with ca_secret, or set \
                         upstream-tls-verify: system"
                    );
                    report.discard(path, message);
                    return None;
                }
                self.tell_unverified(field, report);
                return Some(Verification::None);
            }
        };
        let names = if sans.is_empty() { unnamed } else { NamesChecked::OneOf(sans.clone()) };
        Some(Verification::Chain { authorities, names, depth: *depth })
    }

    fn tell_unverified(&self, field: &str, report: &Report) {
        if !report.failed() && !self.unverified_said.replace(true) {
            report.warn(
                field,
                "the upstream's certificate is not verified, as in Ambassador (said once for all mappings); \
                 give a TLSContext with ca_secret, or set upstream-tls-verify: system",
            );
        }
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
