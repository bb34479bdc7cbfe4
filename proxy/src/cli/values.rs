//! How values are written in flags, environment and settings file, each with its rule.

use std::fmt;
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use serde::de::{self, Deserialize, Deserializer};
use tracing_subscriber::EnvFilter;

use crate::config::{CertificateMap, LabelSelector};

/// Why a text is not the value it should be; Display ends with the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(String);

/// A duration of `MIN` to `MAX` milliseconds: `250ms`, `30s`, `1h 30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span<const MIN: u64, const MAX: u64>(pub Duration);

/// A value, or `none` where doing without is a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrNone<T>(pub Option<T>);

/// A number of bytes of `MIN` to `MAX`: `4096`, `256KiB`, `1.5GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size<const MIN: u64, const MAX: u64>(pub u64);

/// A whole number of `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole<const MIN: u32, const MAX: u32>(pub u32);

/// When the access log has lines, besides those that come at intervals: `close`, `open`, both, or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessLogWhen {
    /// At close.
    pub close: bool,
    /// At open.
    pub open: bool,
}

/// A tracing filter in which every directive is well-formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(pub String);

/// DNS servers, with commas: addresses, with a port where it is not 53.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Servers(pub Vec<SocketAddr>);

/// A Kubernetes label selector that parses; empty selects everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector(pub String);

/// Certificates by ARN; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificates(pub CertificateMap);

/// One IP address or several with commas between them, none twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses(pub Vec<IpAddr>);

/// Names of controllers (Gateway API, `controllerName`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controllers(pub Vec<String>);

impl<const MIN: u64, const MAX: u64> FromStr for Span<MIN, MAX> {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let span = humantime::parse_duration(text)
            .map_err(|e| ValueError(format!("{e}; write a duration such as 250ms, 30s or 5m")))?;
        let (least, most) = (Duration::from_millis(MIN), Duration::from_millis(MAX));
        if (least..=most).contains(&span) {
            return Ok(Self(span));
        }
        let [least, most] = [least, most].map(humantime::format_duration);
        Err(ValueError(format!("not between {least} and {most}")))
    }
}

impl<T: FromStr<Err: fmt::Display>> FromStr for OrNone<T> {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "none" => Ok(Self(None)),
            text => match text.parse() {
                Ok(value) => Ok(Self(Some(value))),
                Err(error) => Err(ValueError(format!("{error}, or none"))),
            },
        }
    }
}

impl<const MIN: u64, const MAX: u64> FromStr for Size<MIN, MAX> {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let size: ByteSize =
            text.parse().map_err(|e| ValueError(format!("{e}; write a size such as 256KiB or 4MiB")))?;
        if (MIN..=MAX).contains(&size.as_u64()) {
            return Ok(Self(size.as_u64()));
        }
        let [least, most] = [MIN, MAX].map(in_bytes);
        Err(ValueError(format!("not between {least} and {most}")))
    }
}

impl<const MIN: u32, const MAX: u32> FromStr for Whole<MIN, MAX> {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text.parse() {
            Ok(number) if (MIN..=MAX).contains(&number) => Ok(Self(number)),
            _ => Err(ValueError(format!("not a whole number from {MIN} to {MAX}"))),
        }
    }
}

impl FromStr for AccessLogWhen {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let mut when = Self { close: false, open: false };
        if text == "none" {
            return Ok(when);
        }
        for word in text.split(',') {
            match word.trim() {
                "close" => when.close = true,
                "open" => when.open = true,
                other => {
                    return Err(ValueError(format!("{other:?} is neither close nor open; or none alone")));
                }
            }
        }
        Ok(when)
    }
}

impl FromStr for Filter {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        EnvFilter::try_new(text)
            .map_err(|e| ValueError(format!("{e}; write info, or sluice::relay=debug")))?;
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Servers {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let server = |word: &str| {
            let word = word.trim();
            let bare = || word.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
            word.parse::<SocketAddr>().or_else(|_no_port| bare()).map_err(|_no_address| {
                ValueError(format!(
                    "{word:?} is no address; write 10.0.0.53 or [fd00::53]:5353, with commas between"
                ))
            })
        };
        text.split(',').map(server).collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Selector {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let parsed: Result<LabelSelector, _> = text.parse();
        parsed.map_err(|e| ValueError(format!("{e}; write app=db,tier!=cache")))?;
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Controllers {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let controller = |word: &str| {
            let word = word.trim();
            let is_name =
                word.split_once('/').is_some_and(|(domain, path)| !domain.is_empty() && !path.is_empty());
            if is_name && !word.contains(char::is_whitespace) {
                return Ok(word.to_owned());
            }
            Err(ValueError(format!(
                "{word:?} is no domain with a path; write sluice.dev/gateway, with commas between"
            )))
        };
        text.split(',').map(controller).collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Certificates {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let map: CertificateMap = text.parse().map_err(|error| ValueError(format!("{error}")))?;
        if map.is_empty() {
            return Err(ValueError("names no certificate; write ARN=SECRET".to_owned()));
        }
        Ok(Self(map))
    }
}

impl FromStr for Addresses {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let mut addresses = Vec::new();
        for word in text.split(',').map(str::trim) {
            let address: IpAddr = word.parse().map_err(|e| {
                ValueError(format!("{e} in {word:?}; write 0.0.0.0, ::, or 0.0.0.0,:: for both families"))
            })?;
            // A mapped address could not be bound: listeners of IPv6 are IPv6 only.
            let address = address.to_canonical();
            if addresses.contains(&address) {
                return Err(ValueError(format!("{address} stands there twice")));
            }
            addresses.push(address);
        }
        Ok(Self(addresses))
    }
}

/// A size as an operator writes it, exact.
pub(super) fn in_bytes(bytes: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes >= 1 << shift && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    format!("{bytes}B")
}

/// Reads a value of a settings file as its flag would read it; numbers stand for their digits.
fn from_text<'de, T: FromStr<Err: fmt::Display>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    struct Text<T>(PhantomData<T>);

    impl<T: FromStr<Err: fmt::Display>> de::Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text or a number")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(|e| E::custom(format!("{text:?}: {e}")))
        }

        fn visit_bool<E: de::Error>(self, truth: bool) -> Result<T, E> {
            self.visit_str(&truth.to_string())
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }
    }

    from.deserialize_any(Text(PhantomData))
}

/// Flags and file share one grammar: `Deserialize` is `FromStr`.
macro_rules! read_like_a_flag {
    ($([$($generics:tt)*] $name:ty;)*) => {
        $(impl<'de, $($generics)*> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from_text(from)
            }
        })*
    };
}

read_like_a_flag! {
    [const MIN: u64, const MAX: u64] Span<MIN, MAX>;
    [const MIN: u64, const MAX: u64] Size<MIN, MAX>;
    [const MIN: u32, const MAX: u32] Whole<MIN, MAX>;
    [T: FromStr<Err: fmt::Display>] OrNone<T>;
    [] AccessLogWhen;
    [] Filter;
    [] Selector;
    [] Servers;
    [] Addresses;
    [] Controllers;
    [] Certificates;
}
