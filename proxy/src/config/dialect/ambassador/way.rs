//! What a mapping makes of TLS: which clients it takes, where TLS ends, and where it begins again.

use std::net::SocketAddr;
use std::sync::Arc;

use super::host_glob;
use super::listener;
use super::mapping::Context;
use super::overrides::TlsOverrides;
use super::spec::{Spec, Tls};
use super::tls::Wanted;
use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;
use crate::config::model::{Downstream, Host, Matcher, NameSent, Origination, Prelude, ProxySources};

/// The clients' side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) matcher: Matcher,
    pub(super) downstream: Downstream,
    /// Whose connections begin with a PROXY header.
    pub(super) proxy_protocol: Option<ProxySources>,
    /// What clients say before their TLS.
    pub(super) prelude: Option<Prelude>,
}

/// What goes into the reading of either side.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) spec: &'a Spec,
    pub(super) overrides: &'a TlsOverrides,
    pub(super) fields: &'a Fields<'a>,
    pub(super) context: &'a Context<'a>,
    pub(super) report: &'a Report,
}

impl Terms<'_> {
    /// Finds fault with annotations that ask for what cannot be, or for nothing.
    pub(super) fn check(&self) {
        let Terms { spec, overrides, report, .. } = self;
        let paths = &overrides.paths;
        let terminates = spec.host.is_some() && !overrides.passthrough;
        if let (Some(path), None) = (&paths.mode, &spec.host) {
            let message = "needs a host to go by; give one, \"*\" for any, or leave the annotation out: a mapping \
                           without host passes every byte on, TLS included";
            report.discard(path, message);
        }
        if let (Some(path), true) = (&paths.mode, overrides.passthrough && self.originates()) {
            let message = "passes the clients' own TLS on, so none can begin here; leave out tls and https://, or \
                           the annotation";
            report.discard(path, message);
        }
        match &paths.alpn {
            Some(path) if terminates || spec.host.is_none() => report.discard(
                path,
                "chooses among clients whose TLS is passed through; give sluice.dev/tls-mode: passthrough and a \
                 host, or alpn_protocols to the TLSContext that terminates",
            ),
            Some(path) if overrides.alpn.is_empty() => {
                report.discard(path, "names no protocol; give some, such as h2,http/1.1");
            }
            _ => {}
        }
        if let (Some(path), None, false) = (&paths.starttls, &spec.host, self.originates()) {
            let message = "is about TLS, which this mapping neither ends, looks at nor begins; give a host, or \
                           service: https://…";
            report.discard(path, message);
        }
        if let (Some(path), false) = (&paths.sans, self.originates()) {
            report.discard(
                path,
                "checks the upstream's certificate, and no TLS begins here; give tls: a TLSContext",
            );
        }
        if let (Some(path), false) = (&paths.depth, self.originates()) {
            report.discard(
                path,
                "bounds the chain of the upstream's certificate, and no TLS begins here; give tls: a TLSContext",
            );
        }
        match &paths.sni {
            Some(path) if !self.originates() => report.discard(
                path,
                "is the name that the upstream is asked for, and no TLS begins here; give service: https://…, or \
                 tls: a TLSContext",
            ),
            Some(path) if overrides.server_name == Some(NameSent::Client) && spec.host.is_none() => report
                .discard(
                    path,
                    "is \"client\", and without a host no client's name is looked at; give one, \"*\" for any",
                ),
            _ => {}
        }
    }

    /// The clients' side on an address; the report says why not.
    pub(super) fn way(&self, bind: SocketAddr) -> Option<Way> {
        let Terms { spec, overrides, fields, context, report } = self;
        let side = match (&spec.host, overrides.passthrough) {
            (None, _) => listener::Downstream::Untouched,
            (Some(_), true) => listener::Downstream::PassedThrough,
            (Some(_), false) => listener::Downstream::Terminated,
        };
        if let Some(obstacle) = context.stacks.obstacle(bind, side) {
            report.discard(fields.path("port"), obstacle);
        } else if let Some(displaced) = context.stacks.displaced(bind, side) {
            report.warn(fields.path("port"), displaced);
        }
        let proxy_protocol = context.stacks.proxy_protocol(bind).cloned();
        let Some(host) = &spec.host else {
            return Some(Way {
                matcher: Matcher::Any,
                downstream: Downstream::Raw,
                proxy_protocol,
                prelude: None,
            });
        };
        let (host, name) = match host_glob::parse(host) {
            Ok(parsed) => parsed,
            Err(error) => {
                report.discard(fields.path("host"), error);
                return None;
            }
        };
        let downstream = if overrides.passthrough { Downstream::Raw } else { self.terminate(&host, bind)? };
        let matcher = Matcher::Tls { name, alpn: overrides.alpn.clone() };
        Some(Way { matcher, downstream, proxy_protocol, prelude: overrides.prelude })
    }

    /// What the upstream wants to hear before TLS begins, ours or the clients' own.
    pub(super) fn upstream_prelude(&self) -> Option<Prelude> {
        let tls_goes_on = self.originates() || self.overrides.passthrough;
        self.overrides.prelude.filter(|_| tls_goes_on)
    }

    /// TLS towards the upstream. `None` where none is wanted, or where the report says why not.
    pub(super) fn originate(&self, host: Option<&Host>) -> Option<Arc<Origination>> {
        let Terms { spec, overrides, fields, context, report } = self;
        let wanted = |context, field| Wanted { context, field, host, overrides };
        let wanted = match &spec.tls {
            Some(Tls::Context(name)) => wanted(Some(name), fields.path("tls")),
            Some(Tls::On) => wanted(None, fields.path("tls")),
            None if self.originates() => wanted(None, fields.path("service")),
            None => return None,
        };
        context.tls.originate(wanted, report)
    }

    /// Whether TLS begins here.
    pub(super) fn originates(&self) -> bool {
        self.spec.tls.is_some() || self.spec.service.as_ref().is_some_and(|upstream| upstream.tls)
    }

    fn terminate(&self, host: &str, bind: SocketAddr) -> Option<Downstream> {
        match self.context.tls.terminate(host, self.context.stacks.binding(bind)) {
            Ok(termination) => Some(Downstream::Terminate(termination)),
            Err(why) => {
                self.report.discard(self.fields.path("host"), why);
                None
            }
        }
    }
}
