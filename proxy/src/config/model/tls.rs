//! TLS in the model: certificates that have been proven, and what a handshake may agree on.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, NamedGroup};

/// A certificate chain and its private key, proven to belong together.
#[derive(Clone)]
pub struct Identity {
    /// Where it came from, for people: `Secret default/pay`, or the path of its chain.
    pub source: Arc<str>,
    /// As rustls wants it.
    pub key: Arc<CertifiedKey>,
    /// As it was read, to be written again on demand: rustls does not give a key back.
    pub private_key: PrivateKey,
    /// When the first of the chain's certificates ends, in seconds since 1970 (RFC 5280, `notAfter`).
    pub expires: i64,
}

/// A private key that nobody sees by accident.
#[derive(Clone)]
pub struct PrivateKey(Arc<PrivateKeyDer<'static>>);

impl PrivateKey {
    /// Keeps a key.
    #[must_use]
    pub fn new(der: PrivateKeyDer<'static>) -> Self {
        Self(Arc::new(der))
    }

    /// The key itself.
    #[must_use]
    pub fn der(&self) -> &PrivateKeyDer<'static> {
        &self.0
    }
}

impl PartialEq for Identity {
    // The same public key has the same private one.
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source && self.key.cert == other.key.cert
    }
}

impl Eq for Identity {}

impl fmt::Debug for Identity {
    // Never the key, whatever rustls chooses to print of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("source", &self.source)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// How a listener ends its clients' TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Termination {
    /// Who declared it: `TLSContext default/pay`, `Host default/pay`.
    pub name: Arc<str>,
    /// At least one: for every name that is not among the named, and for clients that name none.
    pub certificates: Certificates,
    /// Others for some names: the exact one comes first, then a wildcard, and `x.*` behind `*.x`.
    pub named: Vec<(CertificateName, Certificates)>,
    /// What is asked of clients.
    pub clients: ClientCertificates,
    /// What a handshake may agree on.
    pub parameters: Parameters,
}

impl Termination {
    /// Every certificate that it may show.
    pub fn identities(&self) -> impl Iterator<Item = &Identity> {
        let named = self.named.iter().flat_map(|(_, certificates)| certificates);
        self.certificates.iter().chain(named)
    }
}

/// One certificate, or several with different key types, of which the client's offer chooses.
pub type Certificates = Vec<Identity>;

/// For which names (SNI) a certificate is shown, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CertificateName {
    /// This one.
    Exact(Arc<str>),
    /// One label before this suffix, which begins with a dot: `*.example.com`.
    Before(Arc<str>),
    /// One label behind this prefix, which ends with a dot: `example.*`.
    Behind(Arc<str>),
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Before(suffix) => write!(f, "*{suffix}"),
            Self::Behind(prefix) => write!(f, "{prefix}*"),
        }
    }
}

/// What is asked of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientCertificates {
    /// None is asked for.
    Ignored,
    /// Asked for; one that is sent must be good.
    Verified(Trust),
    /// A client without a good one is refused.
    Required(Trust),
}

/// Who may sign a peer's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// Where it came from, for people.
    pub source: Arc<str>,
    /// At least one.
    pub roots: Vec<CertificateDer<'static>>,
    /// What they have revoked; only the chain's last link is looked up, and one of an authority that has
    /// no list here is accepted.
    pub revoked: Vec<CertificateRevocationListDer<'static>>,
}

/// TLS towards an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origination {
    /// Who declared it: `TLSContext default/pay`, or the mapping itself.
    pub name: Arc<str>,
    /// Shown to an upstream that asks.
    pub identity: Option<Identity>,
    /// The name sent (SNI).
    pub server_name: NameSent,
    /// What is asked of the upstream's certificate.
    pub verification: Verification,
    /// What a handshake may agree on.
    pub parameters: Parameters,
}

/// Which name is sent to an upstream (SNI).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NameSent {
    /// None.
    Nothing,
    /// This one.
    Fixed(ServerName),
    /// The host of the service; none where that is an address.
    Host,
    /// The one that the client asked for; where it asked for none, as [`Self::Host`].
    Client,
}

/// A DNS name in lower case that rustls accepts as SNI.
pub type ServerName = Arc<str>;

/// What is asked of an upstream's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// Nothing: any certificate will do.
    None,
    /// A chain to somebody who is trusted.
    Chain {
        /// Who may have signed it.
        authorities: Authorities,
        /// Which names it must have.
        names: NamesChecked,
        /// How many certificates may be between the upstream's own and the root's, as OpenSSL counts them
        /// (`X509_VERIFY_PARAM_set_depth`); `None` is as many as webpki takes.
        depth: Option<u8>,
    },
}

/// Who may have signed an upstream's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorities {
    /// One of those that the system trusts.
    System,
    /// One of these.
    Given(Trust),
}

/// Which names an upstream's certificate must have among its subjectAltNames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamesChecked {
    /// None in particular.
    Any,
    /// The one that is sent; where none is, the host as it is dialled, be it a name or an address.
    Sent,
    /// One of these, of which there is at least one.
    OneOf(Vec<SanPattern>),
}

/// A name to look for among a certificate's (`sluice.dev/upstream-sans`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SanPattern {
    /// A DNS name, compared as RFC 6125 says: a wildcard in the certificate stands for one label.
    Dns(Arc<str>),
    /// A URI, compared byte by byte: SPIFFE identities.
    Uri(Arc<str>),
    /// An address.
    Ip(std::net::IpAddr),
}

/// What a handshake may agree on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters {
    /// At least one is on.
    pub versions: Versions,
    /// TLS 1.2 suites allowed, in order of preference; `None` means all that rustls has.
    /// TLS 1.3's are always all on, as with Envoy.
    pub ciphers: Option<Vec<CipherSuite>>,
    /// Key exchange groups allowed, in order of preference; `None` means all that rustls has.
    pub groups: Option<Vec<NamedGroup>>,
    /// Application protocols in order of preference (RFC 7301); empty leaves ALPN out.
    pub alpn: Vec<Arc<[u8]>>,
}

/// Versions of the protocol that rustls has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// RFC 5246.
    pub tls12: bool,
    /// RFC 8446.
    pub tls13: bool,
}

impl Default for Versions {
    fn default() -> Self {
        Self { tls12: true, tls13: true }
    }
}
