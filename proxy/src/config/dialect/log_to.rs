//! Sinks of accounts of connections, as URLs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use thiserror::Error;

use crate::config::model::{
    Authorities, Host, LogDestination, LogMethod, LogQueue, LogRequest, LogSink, NameSent, NamesChecked,
    Origination, Parameters, Service, Verification,
};

/// Kong's for tcp-log, and its http-log's.
const TIMEOUT: Duration = Duration::from_secs(10);
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Why a URL is no sink.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum UrlError {
    #[error(
        "{0:?} is none of tcp://HOST:PORT, tls://HOST:PORT, file:///PATH, http://HOST/PATH and https://HOST/PATH"
    )]
    Unknown(String),
    #[error("{0:?} has no host; write {1}://HOST:PORT")]
    NoHost(String, String),
    #[error("{0:?} has no port; write {1}://HOST:PORT")]
    NoPort(String, String),
    #[error("{0:?} has a path, which lines over TCP have no place for; leave it out")]
    Path(String),
    // Not repeated: it is a secret.
    #[error("has a user name or a password before the host, which would be shown in /config; leave it out")]
    User,
    #[error("{0:?} has no absolute path; write file:///PATH")]
    Relative(String),
}

/// The server that a URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) tls: bool,
    pub(super) service: Service,
    /// Path and query.
    pub(super) path: Arc<str>,
}

/// Reads the URL of a sink.
pub(super) fn sink(url: &str) -> Result<LogSink, UrlError> {
    let unknown = || UrlError::Unknown(url.to_owned());
    let (scheme, rest) = url.split_once("://").ok_or_else(unknown)?;
    let destination = match scheme.to_ascii_lowercase().as_str() {
        "tcp" | "tls" => {
            let Server { tls, service, path } = server(url)?;
            if path.len() > 1 {
                return Err(UrlError::Path(url.to_owned()));
            }
            let tls = tls.then(|| originate(url));
            LogDestination::Tcp { service, tls, keepalive: KEEPALIVE }
        }
        "file" if rest.starts_with('/') && !rest.ends_with('/') => {
            // Opened anew it may be moved away, as logrotate does.
            LogDestination::File { path: PathBuf::from(rest), reopen: true }
        }
        "file" => return Err(UrlError::Relative(url.to_owned())),
        "http" | "https" => {
            let Server { tls, service, path } = server(url)?;
            LogDestination::Http(Arc::new(LogRequest {
                method: LogMethod::Post,
                service,
                tls: tls.then(|| originate(url)),
                path,
                headers: Vec::new(),
                content_type: "application/json".into(),
                keepalive: KEEPALIVE,
            }))
        }
        _ => return Err(unknown()),
    };
    Ok(LogSink { name: url.into(), destination, timeout: TIMEOUT, queue: LogQueue::default() })
}

/// The URL that means this sink; `None` where it asks for more than a URL can say.
pub(super) fn url(sink: &LogSink) -> Option<String> {
    let scheme = |tls: bool, of: [&'static str; 2]| of[usize::from(tls)];
    let url = match &sink.destination {
        LogDestination::Tcp { service, tls, .. } => {
            format!("{}://{service}", scheme(tls.is_some(), ["tcp", "tls"]))
        }
        LogDestination::File { path, .. } => format!("file://{}", path.display()),
        LogDestination::Http(request) => {
            let LogRequest { service, tls, path, .. } = &**request;
            format!("{}://{service}{path}", scheme(tls.is_some(), ["http", "https"]))
        }
    };
    let mut read = self::sink(&url).ok()?;
    // What each is called is nothing that it does.
    read.name = Arc::clone(&sink.name);
    rename(&mut read.destination, &sink.destination);
    (read == *sink).then_some(url)
}

/// Gives the TLS that a URL begins the name that the sink's own has.
fn rename(read: &mut LogDestination, own: &LogDestination) {
    let named = |tls: &mut Option<Arc<Origination>>, own: &Option<Arc<Origination>>| {
        if let (Some(tls), Some(own)) = (tls, own) {
            Arc::make_mut(tls).name = Arc::clone(&own.name);
        }
    };
    match (read, own) {
        (LogDestination::Tcp { tls, .. }, LogDestination::Tcp { tls: own, .. }) => named(tls, own),
        (LogDestination::Http(request), LogDestination::Http(own)) => {
            named(&mut Arc::make_mut(request).tls, &own.tls);
        }
        _ => {}
    }
}

/// Reads a URL with a host: of HTTP's schemes the port has a default.
pub(super) fn server(url: &str) -> Result<Server, UrlError> {
    let unknown = || UrlError::Unknown(url.to_owned());
    let uri: Uri = url.parse().map_err(|_invalid| unknown())?;
    let scheme = uri.scheme_str().ok_or_else(unknown)?.to_ascii_lowercase();
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(UrlError::User);
    }
    let host = uri.host().map(|host| host.trim_start_matches('[').trim_end_matches(']')).unwrap_or_default();
    if host.is_empty() {
        return Err(UrlError::NoHost(url.to_owned(), scheme));
    }
    let default = match scheme.as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    let port = uri.port_u16().filter(|port| *port > 0).or(default);
    let port = port.ok_or_else(|| UrlError::NoPort(url.to_owned(), scheme.clone()))?;
    let host = host.parse().map_or_else(|_| Host::Name(host.to_ascii_lowercase().into()), Host::Ip);
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).into();
    Ok(Server { tls: matches!(scheme.as_str(), "https" | "tls"), service: Service { host, port }, path })
}

/// TLS as browsers begin it.
fn originate(url: &str) -> Arc<Origination> {
    Arc::new(Origination {
        name: url.into(),
        identity: None,
        server_name: NameSent::Host,
        verification: Verification::Chain {
            authorities: Authorities::System,
            names: NamesChecked::Sent,
            depth: None,
        },
        parameters: Parameters::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_sinks() {
        for (url, kind, service) in [
            ("tcp://logs:9000", "tcp", "logs:9000"),
            ("TLS://Logs.example.com:6514", "tcp", "logs.example.com:6514"),
            ("tcp://[2001:db8::1]:9000/", "tcp", "[2001:db8::1]:9000"),
            ("http://logs/in?x=1", "http", "logs:80"),
            ("https://192.0.2.1", "http", "192.0.2.1:443"),
        ] {
            let LogSink { destination, .. } = sink(url).unwrap();
            assert_eq!(destination.as_str(), kind, "{url}");
            let (to, tls) = match &destination {
                LogDestination::Tcp { service, tls, .. } => (service, tls.is_some()),
                LogDestination::Http(request) => (&request.service, request.tls.is_some()),
                LogDestination::File { .. } => panic!("{url}"),
            };
            assert_eq!(to.to_string(), service, "{url}");
            assert_eq!(tls, url.to_ascii_lowercase().starts_with("tls") || url.starts_with("https"), "{url}");
        }
        let LogDestination::Http(request) = sink("http://logs/in?x=1").unwrap().destination else { panic!() };
        assert_eq!(&*request.path, "/in?x=1");
        let file = LogDestination::File { path: "/var/log/a.log".into(), reopen: true };
        assert_eq!(sink("file:///var/log/a.log").unwrap().destination, file);
    }

    #[test]
    fn what_is_no_sink_is_told_apart() {
        let error = |url: &str| sink(url).unwrap_err();
        for url in ["logs:9000", "udp://logs:9000", "tcp://a b:1", "http://"] {
            assert!(matches!(error(url), UrlError::Unknown(_)), "{url}: {}", error(url));
        }
        for (url, word) in [
            ("tcp://logs", "no port"),
            ("tcp://logs:0", "no port"),
            ("tcp://logs:9000/x", "has a path"),
            ("file://x/y.log", "absolute path"),
            ("file:///", "absolute path"),
            ("tcp://:9000", "no host"),
        ] {
            assert!(error(url).to_string().contains(word), "{url}: {}", error(url));
        }
        let secret = error("https://me:hush@logs/").to_string();
        assert!(!secret.contains("hush"), "{secret}");
    }
}
