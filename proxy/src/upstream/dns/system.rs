//! How names are looked up on this system: resolv.conf and hosts.

use std::fmt;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use hickory_resolver::config::{
    NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts, ServerOrderingStrategy,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::ProtoError;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::system_conf::parse_resolv_conf;
use hickory_resolver::{Hosts, TokioResolver};

use super::answer::{Answer, Answers};
use crate::config::model::Families;
use crate::config::settings::Names;

/// Whom the C library asks where resolv.conf names nobody.
const NOBODY_NAMED: &str = "\nnameserver 127.0.0.1\n";

/// Changes of hosts are noticed by themselves; this bounds how often it is read for nothing.
const HOSTS_TTL: Duration = Duration::from_secs(60);

/// What one version of the system's files says.
pub(super) struct System {
    resolver: Result<TokioResolver, NetError>,
    hosts: Hosts,
    search: Vec<Name>,
    /// Names with this many dots are tried as they are first.
    ndots: usize,
    prints: [Option<Print>; 2],
}

/// What tells one version of a file from the next: inode, length, and when it was written.
type Print = (u64, u64, SystemTime);

impl System {
    /// Reads the files. One that is missing or broken says nothing, as in the C library.
    pub(super) fn read(settings: &Names) -> Self {
        // Before they are read: what is written meanwhile is a change.
        let prints = prints(settings);
        let text = fs::read(&settings.resolv_conf).unwrap_or_else(|error| {
            tracing::debug!(path = ?settings.resolv_conf, %error, "no resolv.conf");
            Vec::new()
        });
        let parsed = parse_resolv_conf(&text)
            .or_else(|_nobody| parse_resolv_conf([&text[..], NOBODY_NAMED.as_bytes()].concat()));
        let (config, mut options) = parsed.unwrap_or_else(|error| {
            tracing::warn!(path = ?settings.resolv_conf, %error, "resolv.conf is not understood");
            (
                ResolverConfig::from_parts(None, Vec::new(), vec![server(([127, 0, 0, 1], 53).into())]),
                ResolverOpts::default(),
            )
        });
        let (domain, search, mut servers) = config.into_parts();
        if !settings.servers.is_empty() {
            servers = settings.servers.iter().map(|address| server(*address)).collect();
        }
        // Answers are remembered by who asked, for as long as they hold and longer when there is no other.
        options.cache_size = 0;
        // The C library counts attempts, hickory those after the first.
        options.attempts = options.attempts.saturating_sub(1);
        options.use_hosts_file = ResolveHosts::Never;
        options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
        let ndots = options.ndots;
        let search = if search.is_empty() { domain.into_iter().collect() } else { search };
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let resolver = builder.with_options(options).build();
        Self { resolver, hosts: hosts(settings), search, ndots, prints }
    }

    /// Whether the files are still those that were read.
    pub(super) fn is_current(&self, settings: &Names) -> bool {
        self.prints == prints(settings)
    }

    /// What hosts says, where it has an address of a family that is wanted: then nobody else is asked.
    pub(super) fn in_hosts(&self, name: &str, families: Families) -> Option<Answers> {
        let name = absolute(name).ok()?;
        let find = |wanted: bool, record_type| {
            let lookup = self.hosts.lookup_static_host(&Query::query(name.clone(), record_type));
            let addresses = lookup.filter(|_| wanted).map(|lookup| {
                lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect::<Vec<IpAddr>>()
            });
            match addresses.filter(|addresses| !addresses.is_empty()) {
                Some(addresses) => Answer::Addresses { addresses, ttl: HOSTS_TTL },
                None => Answer::None { ttl: HOSTS_TTL, message: "not in hosts".to_owned() },
            }
        };
        let answers =
            Answers { ipv4: find(families.ipv4, RecordType::A), ipv6: find(families.ipv6, RecordType::AAAA) };
        answers.any_address().then_some(answers)
    }

    /// The absolute names to ask for, in turn (resolv.conf(5), `search` and `ndots`).
    pub(super) fn candidates(&self, name: &str) -> Result<Vec<Name>, ProtoError> {
        let as_it_is = absolute(name)?;
        if name.ends_with('.') {
            return Ok(vec![as_it_is]);
        }
        let relative = Name::from_ascii(name)?;
        // What would be too long cannot be there.
        let mut names: Vec<Name> =
            self.search.iter().filter_map(|domain| relative.clone().append_domain(domain).ok()).collect();
        let dots = name.matches('.').count();
        let place = if dots >= self.ndots || as_it_is.is_localhost() { 0 } else { names.len() };
        names.insert(place, as_it_is);
        Ok(names)
    }

    /// Asks for the records of one type, unless nobody wants them.
    pub(super) async fn lookup(&self, name: &Name, record_type: RecordType, wanted: bool) -> Answer {
        match &self.resolver {
            _ if !wanted => Answer::Unasked,
            Ok(resolver) => Answer::of(resolver.lookup(name.clone(), record_type).await),
            Err(error) => Answer::Failed { message: error.to_string(), silence: true },
        }
    }
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System").field("search", &self.search).field("ndots", &self.ndots).finish()
    }
}

fn prints(settings: &Names) -> [Option<Print>; 2] {
    [&settings.resolv_conf, &settings.hosts].map(|path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.ino(), metadata.len(), metadata.modified().ok()?))
    })
}

fn absolute(name: &str) -> Result<Name, ProtoError> {
    let mut name = Name::from_ascii(name)?;
    name.set_fqdn(true);
    Ok(name)
}

fn server(address: SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    for connection in &mut server.connections {
        connection.port = address.port();
    }
    server
}

fn hosts(settings: &Names) -> Hosts {
    let mut hosts = Hosts::default();
    let read = fs::read(&settings.hosts).and_then(|text| hosts.read_hosts_conf(&text[..]));
    if let Err(error) = read {
        tracing::debug!(path = ?settings.hosts, %error, "no hosts");
    }
    hosts
}
