//! Which certificate ends a client's TLS: Hosts before TLSContexts, the best fit among Hosts first.

use std::sync::Arc;

use super::Tls;
use super::block::{At, KeyPair, SecretName};
use super::context::Context;
use super::declared::Declared;
use super::host::{Host, Link};
use super::store::Broken;
use crate::config::dialect::ambassador::listener::HostBinding;
use crate::config::model::Termination;

impl Tls<'_> {
    /// How to end TLS for `host`, a glob in lower case, behind a Listener that binds some Hosts; or why nobody
    /// can, in a sentence without its end.
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
                true => candidate.declared.termination(|| self.by_host(candidate)),
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
            match candidate.declared.termination(|| self.by_context(candidate)) {
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

    fn by_host(&self, host: &Host) -> Result<Termination, Broken> {
        let report = &host.declared.report;
        let Some((field, context)) = self.linked(host)? else {
            return self.assemble(&host.declared, &host.declared, &host.declared);
        };
        let theirs = &context.declared;
        let certificate = match (&host.declared.block.certificate, &theirs.block.certificate) {
            (None, _) => theirs,
            (Some(own), Some(other)) if own.at != other.at => {
                let message = format!(
                    "means {}, and {} {}; make them the same, or leave one out",
                    shown(&own.at),
                    theirs.label,
                    shown(&other.at)
                );
                report.discard(own.field.clone(), message);
                return Err(Broken);
            }
            (Some(_), _) => &host.declared,
        };
        let found = self.assemble(&host.declared, certificate, theirs);
        if found.is_err() && !report.failed() {
            report.discard(field, format!("{} is in error", theirs.label));
        }
        found
    }

    fn by_context(&self, context: &Context) -> Result<Termination, Broken> {
        self.assemble(&context.declared, &context.declared, &context.declared)
    }

    /// The context that a Host links to, and by which field; `HOST-context` is linked by its name alone, as in
    /// Ambassador.
    fn linked(&self, host: &Host) -> Result<Option<(String, &Context)>, Broken> {
        let report = &host.declared.report;
        if report.failed() {
            return Err(Broken);
        }
        match &host.link {
            Link::Named { field, name } => match self.contexts.find(name, report, field) {
                Ok(context) => Ok(Some((field.clone(), context))),
                Err(why) => {
                    report.discard(field.clone(), why);
                    Err(Broken)
                }
            },
            Link::Implied => {
                Ok(self.contexts.get(&host.implied_link()).map(|context| (String::new(), context)))
            }
            Link::None => Ok(None),
        }
    }

    fn asks_clients(&self, host: &Host) -> bool {
        let linked = match &host.link {
            Link::Named { name, .. } => self.contexts.get(name),
            Link::Implied => self.contexts.get(&host.implied_link()),
            Link::None => None,
        };
        host.declared.block.asks_clients()
            || linked.is_some_and(|context| context.declared.block.asks_clients())
    }

    fn assemble(
        &self,
        owner: &Declared,
        certificate: &Declared,
        rest: &Declared,
    ) -> Result<Termination, Broken> {
        // All of them, so that all that is wrong is said at once.
        let identity = certificate.identity(&self.store);
        let clients = rest.clients(&self.store);
        let Some(identity) = identity? else {
            owner.report.error("", "matches a mapping's host and has no certificate; give it a secret");
            return Err(Broken);
        };
        Ok(Termination {
            name: Arc::clone(&owner.label),
            certificates: vec![identity],
            named: Vec::new(),
            clients: clients?,
            parameters: rest.block.parameters.clone(),
        })
    }
}

fn shown(at: &At<KeyPair>) -> String {
    match at {
        At::Secret(SecretName { namespace, name }) => format!("Secret {namespace}/{name}"),
        At::File(pair) => pair.chain.display().to_string(),
    }
}

fn stopped(declared: &Declared) -> String {
    format!(
        "{} matches, asks clients for certificates and is in error, so nobody stands in for it",
        declared.label
    )
}
