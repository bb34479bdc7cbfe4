//! Which local certificates stand for those that a cloud keeps: its names for them, and where they are here.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Certificates by their ARN (Amazon Resource Name), none twice, in the order in which they were written.
///
/// Written one a line, or with semicolons between: `ARN=SECRET`, `ARN=NAMESPACE/SECRET`, or
/// `ARN=CHAIN.pem,KEY.pem`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateMap(Vec<(String, CertificatePlace)>);

/// Where a certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificatePlace {
    /// In a Secret of the configuration.
    Secret {
        /// `None` is that of whoever refers to the certificate.
        namespace: Option<String>,
        /// Its name there.
        name: String,
    },
    /// In two files, PEM.
    Files {
        /// The certificate, and those that vouch for it.
        chain: PathBuf,
        /// The private key.
        key: PathBuf,
    },
}

/// Why a text is no [`CertificateMap`]; ends with the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateMapError {
    /// No `=`, or nothing on one of its sides.
    #[error("{0:?} is not ARN=PLACE; {FORMS}")]
    Shape(String),
    /// What stands before `=` does not begin as ARNs do.
    #[error("{0:?} is no ARN, which begins with \"arn:\"; copy it from the listener's defaultCertificate")]
    Arn(String),
    /// Neither a Secret nor two files.
    #[error("{0:?} names neither a Secret nor two files; {FORMS}")]
    Place(String),
    /// One certificate cannot be in two places.
    #[error("{0} stands there twice; keep one of them")]
    Twice(String),
}

const FORMS: &str = "write ARN=SECRET, ARN=NAMESPACE/SECRET or ARN=CHAIN.pem,KEY.pem";

impl CertificateMap {
    /// Where the certificate of this ARN is.
    #[must_use]
    pub fn get(&self, arn: &str) -> Option<&CertificatePlace> {
        self.iter().find(|(known, _)| *known == arn).map(|(_, place)| place)
    }

    /// Every ARN and its place, in the order in which they were written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &CertificatePlace)> {
        self.0.iter().map(|(arn, place)| (arn.as_str(), place))
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for CertificateMap {
    type Err = CertificateMapError;

    fn from_str(text: &str) -> Result<Self, CertificateMapError> {
        let mut map = Self::default();
        for entry in text.split([';', '\n']).map(str::trim).filter(|entry| !entry.is_empty()) {
            let shape = || CertificateMapError::Shape(entry.to_owned());
            let (arn, place) = entry.split_once('=').ok_or_else(shape)?;
            let (arn, place) = (arn.trim(), place.trim());
            if arn.is_empty() || place.is_empty() {
                return Err(shape());
            }
            if !arn.starts_with("arn:") {
                return Err(CertificateMapError::Arn(arn.to_owned()));
            }
            if map.get(arn).is_some() {
                return Err(CertificateMapError::Twice(arn.to_owned()));
            }
            map.0.push((arn.to_owned(), place.parse()?));
        }
        Ok(map)
    }
}

impl FromStr for CertificatePlace {
    type Err = CertificateMapError;

    fn from_str(text: &str) -> Result<Self, CertificateMapError> {
        let parts: Vec<_> = text.split(',').map(str::trim).collect();
        match parts[..] {
            [chain, key] if !chain.is_empty() && !key.is_empty() => {
                Ok(Self::Files { chain: chain.into(), key: key.into() })
            }
            [secret] => {
                let (namespace, name) = match secret.split_once('/') {
                    Some((namespace, name)) => (Some(namespace.to_owned()), name),
                    None => (None, secret),
                };
                let named = |part: &str| !part.is_empty() && !part.contains('/');
                if named(name) && namespace.as_deref().is_none_or(named) {
                    return Ok(Self::Secret { namespace, name: name.to_owned() });
                }
                Err(CertificateMapError::Place(text.to_owned()))
            }
            _ => Err(CertificateMapError::Place(text.to_owned())),
        }
    }
}

impl fmt::Display for CertificateMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (arn, place)) in self.iter().enumerate() {
            write!(f, "{}{arn}={place}", if index == 0 { "" } else { ";" })?;
        }
        Ok(())
    }
}

impl fmt::Display for CertificatePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret { namespace: Some(namespace), name } => write!(f, "{namespace}/{name}"),
            Self::Secret { namespace: None, name } => f.write_str(name),
            Self::Files { chain, key } => write!(f, "{},{}", chain.display(), key.display()),
        }
    }
}
