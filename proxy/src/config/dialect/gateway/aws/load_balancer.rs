//! `LoadBalancerConfiguration`: what a Gateway's load balancer is to be like.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::attributes;
use super::ssl_policy;
use crate::config::dialect::fields::Fields;
use crate::config::dialect::gateway::id::Head;
use crate::config::dialect::report::Report;
use crate::config::dialect::resource::Resource;
use crate::config::dialect::words::nearest;
use crate::config::model::{Parameters, Versions};

/// One `LoadBalancerConfiguration`.
pub(super) struct LoadBalancer {
    pub(super) head: Head,
    /// Whether a Gateway's own configuration comes before that of its class, where this is the class's.
    pub(super) prefers_gateway: bool,
    pub(super) listeners: Vec<ListenerConfiguration>,
    /// Clients that are let in; `None` is not said.
    pub(super) sources: Option<Vec<IpNet>>,
    /// The `TargetGroupConfiguration` of this namespace that holds where a Service has none.
    pub(super) target_group: Option<String>,
    /// Whether a Gateway or a class refers to it.
    pub(super) is_asked: Cell<bool>,
    pub(super) report: Report,
}

/// One of its `listenerConfigurations`.
pub(super) struct ListenerConfiguration {
    /// Protocol and port: `TLS:443`.
    pub(super) key: String,
    /// ARNs and the paths of their fields, the default first.
    pub(super) certificates: Vec<(String, String)>,
    /// `None` where it has neither `sslPolicy` nor `alpnPolicy`.
    pub(super) parameters: Option<Parameters>,
    /// `tcp.idle_timeout.seconds`.
    pub(super) idle: Option<Duration>,
    /// Whether a listener has this protocol and port.
    pub(super) is_asked: Cell<bool>,
    /// The path of the whole.
    pub(super) field: String,
}

/// What a load balancer has and a sidecar has not.
const WITHOUT_EFFECT: [&str; 19] = [
    "loadBalancerName",
    "scheme",
    "ipAddressType",
    "loadBalancerSubnets",
    "loadBalancerSubnetsSelector",
    "securityGroups",
    "securityGroupPrefixes",
    "disableSecurityGroup",
    "manageBackendSecurityGroupRules",
    "enableICMP",
    "enforceSecurityGroupInboundRulesOnPrivateLinkTraffic",
    "customerOwnedIpv4Pool",
    "IPv4IPAMPoolId",
    "ipv4IPAMPoolId",
    "minimumLoadBalancerCapacity",
    "wafV2",
    "shieldConfiguration",
    "loadBalancerAttributes",
    "tags",
];

const PROTOCOLS: [&str; 6] = ["HTTP", "HTTPS", "TLS", "TCP", "UDP", "TCP_UDP"];

/// Protocols by preference, as network load balancers offer them ("ALPN policies").
const ALPN: [(&str, &[&str]); 5] = [
    ("None", &[]),
    ("HTTP1Only", &["http/1.1", "http/1.0"]),
    ("HTTP2Only", &["h2"]),
    ("HTTP2Optional", &["http/1.1", "http/1.0", "h2"]),
    ("HTTP2Preferred", &["h2", "http/1.1", "http/1.0"]),
];

const IDLE: &str = "tcp.idle_timeout.seconds";

impl LoadBalancer {
    pub(super) fn read(resource: &Resource<'_>, head: Head, report: Report) -> Self {
        let mut read = Self {
            head,
            prefers_gateway: false,
            listeners: Vec::new(),
            sources: None,
            target_group: None,
            is_asked: Cell::new(false),
            report,
        };
        // Kubernetes takes one without: it says nothing.
        if !resource.body.contains_key("spec") {
            return read;
        }
        if let Some(spec) = resource.spec(&read.report) {
            let report = &read.report;
            let modes = [("prefer-gateway-class", false), ("prefer-gateway", true)];
            read.prefers_gateway = spec.choice("mergingMode", &modes).unwrap_or(false);
            read.sources = sources(&spec, report);
            read.target_group = spec.child("defaultTargetGroupConfiguration").and_then(|fields| {
                let name = fields.filled("name");
                fields.warn_unknown(&[("namespace", "it is in this one's own")]);
                name
            });
            let children = spec.children("listenerConfigurations").unwrap_or_default();
            let mut listeners: Vec<ListenerConfiguration> = Vec::new();
            for fields in &children {
                let Some(listener) = ListenerConfiguration::read(fields, report) else {
                    continue;
                };
                if listeners.iter().any(|before| before.key == listener.key) {
                    let message = format!("{:?} stands twice; write it once", listener.key);
                    report.discard(fields.path("protocolPort"), message);
                }
                listeners.push(listener);
            }
            read.listeners = listeners;
            attributes::without_effect(&spec, &WITHOUT_EFFECT, report);
            spec.warn_unknown(&[]);
        }
        read
    }

    /// The configuration of a protocol and port.
    pub(super) fn listener(&self, key: &str) -> Option<&ListenerConfiguration> {
        let found = self.listeners.iter().find(|listener| listener.key == key);
        found.inspect(|listener| listener.is_asked.set(true))
    }

    /// Gives out what was found, once every Gateway has asked.
    pub(super) fn finish(self) -> Report {
        let Self { listeners, is_asked, report, .. } = self;
        if report.failed() {
            return report;
        }
        if !is_asked.get() {
            let message = "nobody refers to it: a GatewayClass does with spec.parametersRef, a Gateway with \
                           spec.infrastructure.parametersRef";
            report.info("", message);
            return report;
        }
        for listener in listeners.iter().filter(|listener| !listener.is_asked.get()) {
            let hint = match listener.key.strip_prefix("TLS:") {
                Some(port) => {
                    format!("; a listener of TLS that is passed through is TCP:{port} here, as for AWS")
                }
                None => String::new(),
            };
            let message = format!("no listener of a Gateway is {}{hint}", listener.key);
            report.warn(format!("{}.protocolPort", listener.field), message);
        }
        report
    }
}

impl ListenerConfiguration {
    fn read(fields: &Fields<'_>, report: &Report) -> Option<Self> {
        let key = fields.filled("protocolPort");
        let known = key.as_deref().and_then(|key| {
            let (protocol, port) = key.split_once(':')?;
            let is_port = port.parse::<u16>().is_ok_and(|port| port > 0) && !port.starts_with(['0', '+']);
            (PROTOCOLS.contains(&protocol) && is_port).then_some(protocol)
        });
        match &key {
            None => fields.missing("protocolPort", "say which listener is meant, such as TLS:443"),
            Some(key) if known.is_none() => {
                let message = format!(
                    "{key:?} is no PROTOCOL:PORT, such as TLS:443, of the protocols {}",
                    PROTOCOLS.join(", ")
                );
                report.discard(fields.path("protocolPort"), message);
            }
            Some(_) => {}
        }
        let certificates = certificates(fields, report);
        let mut parameters = ssl_policy(fields, report);
        if let Some(alpn) = fields.choice("alpnPolicy", &ALPN) {
            let alpn = alpn.iter().map(|protocol| Arc::from(protocol.as_bytes())).collect();
            parameters = Some(Parameters { alpn, ..parameters.unwrap_or_default() });
        }
        if let Some(mutual) = fields.child("mutualAuthentication") {
            mutual_authentication(&mutual, report);
        }
        let idle = idle(fields, known, report);
        attributes::without_effect(fields, &["targetGroupStickiness", "quicEnabled"], report);
        fields.warn_unknown(&[]);
        let field = fields.here().to_owned();
        known?;
        Some(Self { key: key?, certificates, parameters, idle, is_asked: Cell::new(false), field })
    }
}

fn certificates(fields: &Fields<'_>, report: &Report) -> Vec<(String, String)> {
    let default = fields.filled("defaultCertificate").map(|arn| (arn, fields.path("defaultCertificate")));
    let others = fields.texts("certificates").unwrap_or_default().into_iter().enumerate();
    let others = others.map(|(place, arn)| (arn, format!("{}[{place}]", fields.path("certificates"))));
    let mut certificates: Vec<(String, String)> = Vec::new();
    for (arn, field) in default.into_iter().chain(others) {
        let arn = arn.trim().to_owned();
        if !arn.starts_with("arn:") {
            let message = format!("{arn:?} is no ARN, such as arn:aws:acm:REGION:ACCOUNT:certificate/ID");
            report.discard(field, message);
        } else if !certificates.iter().any(|(known, _)| *known == arn) {
            certificates.push((arn, field));
        }
    }
    certificates
}

fn ssl_policy(fields: &Fields<'_>, report: &Report) -> Option<Parameters> {
    let (name, field) = (fields.filled("sslPolicy")?, fields.path("sslPolicy"));
    let Some(policy) = ssl_policy::find(name.trim()) else {
        let known = ssl_policy::names();
        let known: Vec<_> = known.iter().map(String::as_str).collect();
        let hint = match nearest(&name, &known) {
            Some(near) => format!("did you mean {near:?}?"),
            None => "AWS' documentation of network load balancers lists them".to_owned(),
        };
        report.discard(field, format!("{name:?} is no security policy that sluice knows; {hint}"));
        return None;
    };
    if policy.lets_old {
        let message =
            "also lets in clients of TLS 1.0 and 1.1; sluice speaks TLS 1.2 and 1.3, and turns them away";
        report.info(&field, message);
    }
    if policy.is_fips {
        report.info(&field, "is one of FIPS 140; sluice's cryptography has not been validated for that");
    }
    if policy.parameters.versions == (Versions { tls12: false, tls13: false }) {
        report.discard(field, "leaves no version of TLS that sluice speaks");
    }
    Some(policy.parameters)
}

/// Only application load balancers ask clients for certificates; on others AWS ignores it without a word.
fn mutual_authentication(fields: &Fields<'_>, report: &Report) {
    let mode = fields.choice("mode", &[("off", false), ("passthrough", true), ("verify", true)]);
    fields.ignore(&["trustStore", "ignoreClientCertificateExpiry", "advertiseTrustStoreCaNames"]);
    fields.warn_unknown(&[]);
    if mode == Some(true) {
        let message = "is ignored, as network load balancers ignore it: no client is asked for a certificate; name its \
                       authorities in the Gateway's spec.tls.frontend";
        report.error(fields.path("mode"), message);
    }
}

fn idle(fields: &Fields<'_>, protocol: Option<&str>, report: &Report) -> Option<Duration> {
    const RANGE: std::ops::RangeInclusive<u64> = 60..=6000;
    let mut idle = None;
    for (key, value, field) in attributes::pairs(fields, "listenerAttributes", report) {
        if key != IDLE {
            report.warn(field, attributes::unknown(&key, &[IDLE]));
            continue;
        }
        match value.trim().parse().ok().filter(|seconds| RANGE.contains(seconds)) {
            // AWS refuses it there; the time is fixed.
            Some(_) if protocol == Some("TLS") => {
                report.warn(field, "is for TCP; TLS has 350 s, which AWS lets nobody change: it is ignored");
            }
            Some(seconds) => idle = Some(Duration::from_secs(seconds)),
            None => report.discard(field, format!("{value:?} is not a number of seconds from 60 to 6000")),
        }
    }
    idle
}

fn sources(spec: &Fields<'_>, report: &Report) -> Option<Vec<IpNet>> {
    let mut networks = Vec::new();
    for text in spec.texts("sourceRanges")? {
        match text.trim().parse::<IpNet>() {
            Ok(network) => networks.push(network.trunc()),
            Err(_) => report
                .discard(spec.path("sourceRanges"), format!("{text:?} is no network, such as 10.0.0.0/8")),
        }
    }
    Some(networks)
}
