//! Which certificate ends a client's TLS: Hosts before TLSContexts, the best fit among Hosts first.

use std::sync::Arc;

use super::Tls;
use super::block::{At, KeyPair, SecretName};
use super::context::Context;
use super::declared::Declared;
use super::host::Host;
use super::store::Broken;
use crate::config::dialect::ambassador::host_binding::HostBinding;
use crate::config::model::Termination;

impl Tls<'_> {
    /// How to end TLS for `host`, a glob in lower case, behind a Listener that binds some Hosts; or why nobody can, in a sentence without its end.
    ///
    /// A resource in error makes way for the next that fits, unless it asks clients for certificates: what
    /// stands in for it might ask for none.
    pub(in crate::config::dialect::ambassador) fn terminate(
        &self,
        host: &str,
        binding: Option<&HostBinding>,
    ) -> Result<Arc<Termination>, String> {
        let mut in_error = Vec::new();
        let mut without_tls = None;
        let bound = |candidate: &&Host| {
            binding.is_none_or(|binding| binding.selects(&candidate.namespace, &candidate.labels))
        };
        let fitting = self.hosts.iter().filter(bound);
        let mut hosts: Vec<_> =
            fitting.filter_map(|candidate| Some((candidate.fit(host)?, candidate))).collect();
        // Stable: of equals the first in Ambassador's order stays first.
        hosts.sort_by_key(|(fit, _)| *fit);
        for (_, candidate) in hosts {
            let found = match candidate.has_tls() {
                true => self.by_host(candidate),
                false => {
                    without_tls = without_tls.or(Some(&candidate.declared.label));
                    continue;
                }
            };
            match found {
                Ok(found) => return Ok(found),
                Err(Broken) if self.asks_clients(candidate) => return Err(stopped(&candidate.declared)),
                Err(Broken) => in_error.push(&candidate.declared.label),
            }
        }
        for candidate in self.contexts.for_host(host) {
            match self.by_context(candidate) {
                Ok(found) => return Ok(found),
                Err(Broken) if candidate.declared.block.asks_clients() => {
                    return Err(stopped(&candidate.declared));
                }
                Err(Broken) => in_error.push(&candidate.declared.label),
            }
        }
        Err(match (in_error.as_slice(), without_tls) {
            ([first, ..], _) => format!("{first} matches {host:?} and is in error, and nobody else does"),
            ([], Some(bare)) => format!(
                "{bare} matches {host:?} and has no tlsSecret, and no TLSContext has that name among its hosts; \
                 give one of them a certificate"
            ),
            ([], None) => format!(
                "no Host matches {host:?}, and no TLSContext has that name among its hosts; declare one with a \
                 certificate, or have it passed through with sluice.dev/tls-mode: passthrough"
            ),
        })
    }

    fn by_host(&self, host: &Host) -> Result<Arc<Termination>, Broken> {
        let Some(context) = self.linked(host)? else {
            return self.assemble(&host.declared, &host.declared, &host.declared);
        };
        let own = &host.declared.block.certificate;
        let theirs = &context.declared.block.certificate;
        match (own, theirs) {
            (None, _) => self.assemble(&host.declared, &context.declared, &context.declared),
            (Some(own), Some(theirs)) if own.at != theirs.at => {
                let shown = |at: &At<KeyPair>| match at {
                    At::Secret(SecretName { namespace, name }) => format!("Secret {namespace}/{name}"),
                    At::File(pair) => pair.chain.display().to_string(),
                };
                let (own_shown, theirs_shown) = (shown(&own.at), shown(&theirs.at));
                host.declared.report.discard(
                    own.field.clone(),
                    format!(
                        "means {own_shown}, and {} {theirs_shown}; make them the same, or leave one out",
                        context.declared.label
                    ),
                );
                Err(Broken)
            }
            (Some(_), _) => self.assemble(&host.declared, &host.declared, &context.declared),
        }
    }

    fn by_context(&self, context: &Context) -> Result<Arc<Termination>, Broken> {
        self.assemble(&context.declared, &context.declared, &context.declared)
    }

    /// The context that a Host links to; `HOST-context` is linked by its name, as in Ambassador.
    fn linked(&self, host: &Host) -> Result<Option<&Context>, Broken> {
        let report = &host.declared.report;
        if report.failed() {
            return Err(Broken);
        }
        match &host.link {
            Some(link) => match self.contexts.find(&link.name, report, &link.field) {
                Ok(context) => Ok(Some(context)),
                Err(why) => {
                    report.discard(link.field.clone(), why);
                    Err(Broken)
                }
            },
            None => Ok(self.contexts.get(&host.implied_link())),
        }
    }

    fn asks_clients(&self, host: &Host) -> bool {
        let name = host.link.as_ref().map_or_else(|| host.implied_link(), |link| link.name.clone());
        let linked = self.contexts.get(&name);
        host.declared.block.asks_clients()
            || linked.is_some_and(|context| context.declared.block.asks_clients())
    }

    fn assemble(
        &self,
        owner: &Declared,
        certificate: &Declared,
        rest: &Declared,
    ) -> Result<Arc<Termination>, Broken> {
        // All of them, so that all that is wrong is said at once.
        let identity = certificate.identity(&self.store);
        let clients = rest.clients(&self.store);
        let Some(identity) = identity? else {
            owner.report.error("", "matches a mapping's host and has no certificate; give it a secret");
            return Err(Broken);
        };
        Ok(Arc::new(Termination {
            name: Arc::clone(&owner.label),
            certificates: vec![identity],
            clients: clients?,
            parameters: rest.block.parameters.clone(),
        }))
    }
}

fn stopped(declared: &Declared) -> String {
    format!(
        "{} matches, asks clients for certificates and is in error, so nobody stands in for it",
        declared.label
    )
}
