//! The ways through sluice, and the configuration that offers them.

use std::fmt::Write;

use crate::harness::tls::{Ca, Leaf, secret};

/// A way through sluice: a port of its own each, from 7000 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Route {
    Kernel,
    KernelIpv6,
    /// From IPv4 to IPv6.
    Mixed,
    Splice,
    /// Two mappings that share connections by weight.
    Canary,
    Terminate,
    Reencrypt,
    Originate,
    Passthrough,
    /// The upstream is told whose connection it is.
    ProxyOut,
    /// The client says whose connection it is, and the upstream is told.
    ProxyBoth,
    /// With an idle timeout.
    Idle,
}

/// Who stands behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Upstream {
    Plain,
    /// A second one.
    Other,
    Ipv6,
    Tls,
    /// Wants a PROXY header.
    Proxied,
}

/// What may differ from one configuration to the next while every route stays served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// The serial number of the certificate that is shown to clients.
    pub(crate) certificate: u64,
    /// Of [`Route::Canary`]'s first mapping, of 100.
    weight: u32,
    /// Whether [`Upstream::Other`] stands where [`Upstream::Plain`] would.
    swapped: bool,
    /// Mappings that nobody uses.
    extra: u16,
    /// Seconds that connecting may take, of one mapping.
    connect: u32,
    /// Of a mapping that nobody uses: what the configuration in service is known by.
    pub(crate) serial: u32,
}

/// Authorities and certificates of a run.
pub(crate) struct Trust {
    pub(crate) ca: Ca,
    pub(crate) upstream: Leaf,
    /// By serial number, from 1.
    fronts: std::sync::Mutex<Vec<Leaf>>,
}

/// Where sluice's upstream answers TLS by name.
const UPSTREAM_NAME: &str = "upstream.soak";

impl Route {
    pub(crate) const ALL: [Self; 12] = [
        Self::Kernel,
        Self::KernelIpv6,
        Self::Mixed,
        Self::Splice,
        Self::Canary,
        Self::Terminate,
        Self::Reencrypt,
        Self::Originate,
        Self::Passthrough,
        Self::ProxyOut,
        Self::ProxyBoth,
        Self::Idle,
    ];

    /// One in four is the kernel's, each of the others' turn is as likely.
    pub(crate) fn draw(rng: &mut fastrand::Rng) -> Self {
        if rng.u32(0..6) == 0 { Self::Kernel } else { Self::ALL[rng.usize(0..Self::ALL.len() - 1)] }
    }

    /// Where clients connect to.
    pub(crate) fn front(self) -> String {
        let host = if self.is_ipv6() { "[::1]" } else { "127.0.0.1" };
        format!("{host}:{}", self.port())
    }

    fn port(self) -> u16 {
        7000 + self as u16
    }

    pub(crate) fn is_ipv6(self) -> bool {
        self == Self::KernelIpv6
    }

    /// The name that clients ask for in TLS.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Terminate => Some("terminate.soak"),
            Self::Reencrypt => Some("reencrypt.soak"),
            Self::Passthrough => Some(UPSTREAM_NAME),
            _ => None,
        }
    }

    /// Whether clients' TLS ends at sluice.
    pub(crate) fn terminates(self) -> bool {
        matches!(self, Self::Terminate | Self::Reencrypt)
    }

    /// Whether sluice counts the very bytes that both ends say.
    pub(crate) fn counts_words(self) -> bool {
        self != Self::Passthrough
    }

    /// Everybody who may stand behind it, whatever the configuration.
    pub(crate) fn upstreams(self) -> &'static [Upstream] {
        match self {
            Self::Kernel | Self::Canary => &[Upstream::Plain, Upstream::Other],
            Self::KernelIpv6 | Self::Mixed => &[Upstream::Ipv6],
            Self::Splice | Self::Terminate | Self::Idle => &[Upstream::Plain],
            Self::Reencrypt | Self::Originate | Self::Passthrough => &[Upstream::Tls],
            Self::ProxyOut | Self::ProxyBoth => &[Upstream::Proxied],
        }
    }

    fn mapping(self) -> Mapping {
        let mut mapping = Mapping::new(&format!("{self:?}").to_lowercase(), self.port());
        match self {
            Self::KernelIpv6 => mapping.spec.push_str("  address: \"::1\"\n"),
            Self::Splice => mapping.annotations.push("sluice.dev/relay: splice".to_owned()),
            Self::Reencrypt | Self::Originate => mapping.spec.push_str("  tls: up\n"),
            Self::Passthrough => mapping.annotations.push("sluice.dev/tls-mode: passthrough".to_owned()),
            Self::ProxyOut => mapping.annotations.push("sluice.dev/proxy-protocol: v1".to_owned()),
            Self::ProxyBoth => mapping.annotations.push("sluice.dev/proxy-protocol: v2-crc32c".to_owned()),
            Self::Idle => mapping.spec.push_str("  idle_timeout_ms: \"3000\"\n"),
            _ => {}
        }
        if let Some(name) = self.name() {
            let _ = writeln!(mapping.spec, "  host: {name}");
        }
        mapping
    }
}

impl Upstream {
    pub(crate) const ALL: [Self; 5] = [Self::Plain, Self::Other, Self::Ipv6, Self::Tls, Self::Proxied];

    /// Where it listens.
    pub(crate) fn address(self) -> String {
        let host = if self == Self::Ipv6 { "[::1]" } else { "127.0.0.1" };
        format!("{host}:{}", 8100 + self as u16)
    }
}

/// One mapping's document.
struct Mapping {
    name: String,
    port: u16,
    annotations: Vec<String>,
    spec: String,
}

impl Mapping {
    fn new(name: &str, port: u16) -> Self {
        Self { name: name.to_owned(), port, annotations: Vec::new(), spec: String::new() }
    }

    fn document(&self, to: Upstream) -> String {
        let Self { name, port, annotations, spec } = self;
        let (annotations, service) = (annotations.join(", "), to.address());
        format!(
            "---\napiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\n\
             metadata: {{name: {name}, annotations: {{{annotations}}}}}\n\
             spec:\n  port: {port}\n  service: \"{service}\"\n{spec}"
        )
    }
}

impl Config {
    /// What a run begins and ends with.
    pub(crate) fn new() -> Self {
        Self { certificate: 1, weight: 70, swapped: false, extra: 0, connect: 30, serial: 0 }
    }

    /// The same again, but for what never goes back.
    pub(crate) fn calm(&self) -> Self {
        Self { certificate: self.certificate, serial: self.serial, ..Self::new() }
    }

    /// The name that it is known by.
    pub(crate) fn marker(&self) -> String {
        format!("marker-{}-end", self.serial)
    }

    /// Changes one thing.
    pub(crate) fn change(&mut self, rng: &mut fastrand::Rng) {
        match rng.u32(0..6) {
            0 | 1 => self.certificate += 1,
            2 => self.weight = rng.u32(0..=100),
            3 => self.swapped = !self.swapped,
            4 => self.extra = if self.extra > 0 { 0 } else { rng.u16(1..40) },
            _ => self.connect = rng.u32(20..60),
        }
    }

    /// As documents.
    pub(crate) fn yaml(&self, trust: &Trust) -> String {
        let mut yaml = trust.documents(self.certificate);
        yaml.push_str(
            "---\napiVersion: getambassador.io/v3alpha1\nkind: Listener\nmetadata: {name: proxied}\n",
        );
        let _ = writeln!(yaml, "spec: {{port: {}, protocolStack: [PROXY, TCP]}}", Route::ProxyBoth.port());
        for route in Route::ALL {
            let mut mapping = route.mapping();
            match route {
                Route::Canary => {
                    let mut second = Mapping::new("canary-second", mapping.port);
                    let _ = writeln!(mapping.spec, "  weight: {}", self.weight);
                    let _ = writeln!(second.spec, "  weight: {}", 100 - self.weight);
                    yaml.push_str(&second.document(Upstream::Other));
                    yaml.push_str(&mapping.document(Upstream::Plain));
                }
                Route::Kernel if self.swapped => yaml.push_str(&mapping.document(Upstream::Other)),
                Route::Mixed => {
                    let annotation = format!("sluice.dev/connect-timeout-ms: '{}000'", self.connect);
                    mapping.annotations.push(annotation);
                    yaml.push_str(&mapping.document(Upstream::Ipv6));
                }
                _ => yaml.push_str(&mapping.document(route.upstreams()[0])),
            }
        }
        yaml.push_str(&Mapping::new(&self.marker(), 7499).document(Upstream::Plain));
        for n in 0..self.extra {
            yaml.push_str(&Mapping::new(&format!("extra-{n}"), 7500 + n).document(Upstream::Plain));
        }
        yaml
    }
}

impl Trust {
    pub(crate) fn new() -> Self {
        let ca = Ca::new();
        let upstream = ca.leaf(&[UPSTREAM_NAME]);
        Self { ca, upstream, fronts: std::sync::Mutex::default() }
    }

    fn documents(&self, certificate: u64) -> String {
        let mut fronts = self.fronts.lock().unwrap();
        while (fronts.len() as u64) < certificate {
            let names = ["terminate.soak", "reencrypt.soak"];
            let next = self.ca.leaf_numbered(fronts.len() as u64 + 1, &names);
            fronts.push(next);
        }
        let context = |name: &str, spec: &str| {
            format!(
                "---\napiVersion: getambassador.io/v3alpha1\nkind: TLSContext\nmetadata: {{name: {name}}}\nspec:\n{spec}"
            )
        };
        [
            fronts[certificate as usize - 1].secret("front"),
            context("front", "  hosts: [terminate.soak, reencrypt.soak]\n  secret: front\n"),
            secret("ca", &[("ca.crt", &self.ca.pem)]),
            context("up", &format!("  ca_secret: ca\n  sni: {UPSTREAM_NAME}\n")),
        ]
        .concat()
    }
}
