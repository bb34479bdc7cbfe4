//! The parameters of a request.

use hyper::StatusCode;

use super::answer::Refusal;

/// Parameters that the endpoint knows, decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what stands after `?`. Parameters not in `known` are refused, not ignored: a
    /// misspelt one would otherwise do something else than was meant.
    pub(super) fn parse(query: Option<&str>, known: &[&str]) -> Result<Self, Refusal> {
        let pairs = query.unwrap_or("").split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (decode(name), decode(value)) {
                (Some(name), Some(value)) if known.contains(&name.as_str()) => Ok((name, value)),
                (Some(name), Some(_)) if known.is_empty() => {
                    Err(bad(format!("parameter `{name}`: this path takes none")))
                }
                (Some(name), Some(_)) => {
                    Err(bad(format!("parameter `{name}` is unknown; there are {}", known.join(", "))))
                }
                _ => Err(bad(format!("`{pair}` is not percent-encoded UTF-8"))),
            }
        });
        let mut query = Self(Vec::new());
        for pair in pairs {
            let (name, value) = pair?;
            if query.get(&name).is_some() {
                return Err(bad(format!("parameter `{name}` stands there twice")));
            }
            query.0.push((name, value));
        }
        Ok(query)
    }

    /// A parameter's value.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// A parameter is missing or not what it may be.
pub(super) fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, message)
}

/// `application/x-www-form-urlencoded`, as browsers and `curl --data-urlencode -G` write it.
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |b: Option<u8>| char::from(b?).to_digit(16).and_then(|d| u8::try_from(d).ok());
                digit(bytes.next())? << 4 | digit(bytes.next())?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}
