//! One connection's account for a sink of its route, in the words of Kong's stream log (`kong.log.serialize`), which
//! those read who take such lines already.

use std::net::{IpAddr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::{Map, Value};

use super::super::{CloseReason, ConnSnapshot, Routed};

/// What Kong has, and our own under one key that Kong has not.
#[derive(Serialize)]
struct Account<'a> {
    /// Of these first: should one be called like one below, readers take the latter.
    #[serde(flatten)]
    about: &'a Map<String, Value>,
    client_ip: IpAddr,
    /// Milliseconds since 1970.
    started_at: u64,
    session: Session<'a>,
    upstream: Bytes,
    latencies: Latencies,
    tries: Vec<Try>,
    sluice: Own<'a>,
}

#[derive(Serialize)]
struct Session<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<Tls<'a>>,
    #[serde(flatten)]
    bytes: Bytes,
    status: u16,
    server_port: u16,
}

#[derive(Serialize)]
struct Tls<'a> {
    version: &'a str,
    cipher: &'a str,
    /// nginx' `$ssl_client_verify`.
    client_verify: &'static str,
}

/// From and to whom it stands for.
#[derive(Serialize)]
struct Bytes {
    received: u64,
    sent: u64,
}

/// In milliseconds.
#[derive(Serialize)]
struct Latencies {
    kong: u64,
    session: u64,
}

#[derive(Serialize)]
struct Try {
    ip: IpAddr,
    port: u16,
    /// Known of the first alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    balancer_start: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
}

#[derive(Serialize)]
struct Own<'a> {
    id: u64,
    mapping: Option<&'a str>,
    listener: SocketAddr,
    peer: SocketAddr,
    proxy: Option<SocketAddr>,
    sni: Option<&'a str>,
    alpn: Option<&'a str>,
    client_subject: Option<&'a str>,
    upstream: Option<SocketAddr>,
    upstream_tls_version: Option<&'a str>,
    upstream_tls_cipher: Option<&'a str>,
    relay: Option<&'a str>,
    connect_us: u64,
    reason: &'static str,
    side: &'static str,
}

/// The account, without an end of line.
pub(in super::super) fn account(conn: &ConnSnapshot, routed: &Routed, reason: CloseReason) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let started_at = u64::try_from(now.as_millis()).unwrap_or(u64::MAX).saturating_sub(conn.duration_ms);
    let (tls, upstream_tls) = (conn.tls.as_deref(), conn.upstream_tls.as_deref());
    let account = Account {
        about: &routed.logs.about,
        client_ip: conn.peer.ip(),
        started_at,
        session: Session {
            tls: tls.map(|tls| Tls {
                version: tls.version,
                cipher: &tls.cipher,
                client_verify: if tls.subject.is_some() { "SUCCESS" } else { "NONE" },
            }),
            bytes: Bytes { received: conn.received, sent: conn.sent },
            status: status(reason, conn.relay.is_some()),
            server_port: conn.listener.port(),
        },
        upstream: Bytes { received: conn.sent, sent: conn.received },
        latencies: Latencies { kong: routed.after_us / 1000, session: conn.duration_ms },
        tries: tries(conn, routed, started_at + routed.after_us / 1000),
        sluice: Own {
            id: conn.id,
            mapping: conn.mapping.as_deref(),
            listener: conn.listener,
            peer: conn.peer,
            proxy: conn.proxy,
            sni: conn.sni.as_deref(),
            alpn: tls.and_then(|tls| tls.alpn.as_deref()),
            client_subject: tls.and_then(|tls| tls.subject.as_deref()),
            upstream: conn.upstream,
            upstream_tls_version: upstream_tls.map(|tls| tls.version),
            upstream_tls_cipher: upstream_tls.map(|tls| &*tls.cipher),
            relay: conn.relay,
            connect_us: conn.connect_us,
            reason: reason.as_str(),
            side: reason.side().as_str(),
        },
    };
    // Nothing in it can fail to be written: keys are text, and numbers are whole.
    serde_json::to_string(&account).unwrap_or_default()
}

fn tries(conn: &ConnSnapshot, routed: &Routed, began: u64) -> Vec<Try> {
    let entry = |(index, tried): (usize, &SocketAddr)| Try {
        ip: tried.ip(),
        port: tried.port(),
        balancer_start: (index == 0).then_some(began),
        state: (conn.upstream != Some(*tried)).then_some("failed"),
    };
    routed.tried.iter().enumerate().map(entry).collect()
}

/// What nginx' stream module answers for `$status`: 200 for whatever was relayed, however it ended.
fn status(reason: CloseReason, relayed: bool) -> u16 {
    use CloseReason as R;
    match reason {
        R::Integrity | R::Internal => 500,
        _ if relayed => 200,
        R::Denied => 403,
        R::ProxyHeaderTimeout
        | R::ProxyHeaderIncomplete
        | R::ProxyHeaderMissing
        | R::ProxyHeaderMalformed
        | R::ProxyHeaderTooLong
        | R::HelloTimeout
        | R::HelloIncomplete
        | R::HelloMalformed
        | R::HelloTooLong
        | R::NotTls
        | R::CancelInClear
        | R::UnknownName
        | R::HandshakeTimeout
        | R::HandshakeFailed
        | R::ClientCertificate
        | R::DownstreamReset
        | R::DownstreamTimeout
        | R::DownstreamTls
        | R::DownstreamTruncated => 400,
        R::ConnectFailed
        | R::ConnectTimeout
        | R::UpstreamReset
        | R::UpstreamTimeout
        | R::UpstreamRefusedTls
        | R::UpstreamHandshakeTimeout
        | R::UpstreamHandshakeFailed
        | R::UpstreamCertificate
        | R::UpstreamTls
        | R::UpstreamTruncated => 502,
        R::NoUpstream
        | R::ResolveFailed
        | R::HandshakeOverflow
        | R::MaxConnections
        | R::MaxPending
        | R::ConnectionRate
        | R::SourceConnections
        | R::SourceRate
        | R::Drained => 503,
        R::NoRoute | R::NoLocalPort | R::Overflow => 500,
        R::Finished | R::IdleTimeout | R::HalfClosedTimeout | R::MaxAge => 200,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::model::RouteLogs;
    use crate::telemetry::TlsFacts;

    fn conn() -> ConnSnapshot {
        let tls = TlsFacts {
            version: "TLSv1.3",
            cipher: "TLS_AES_128_GCM_SHA256".into(),
            alpn: None,
            subject: Some("CN=alice".to_owned()),
            common_name: None,
            resumed: false,
        };
        ConnSnapshot {
            id: 7,
            listener: "127.0.0.1:12345".parse().unwrap(),
            peer: "10.0.0.1:5000".parse().unwrap(),
            proxy: None,
            mapping: Some("TCPMapping default/pay".into()),
            stats_name: Some("pay".into()),
            sni: Some("pay.example.com".into()),
            tls: Some(tls.into()),
            upstream: Some("10.0.0.9:80".parse().unwrap()),
            attempts: 2,
            upstream_tls: None,
            relay: Some("tls"),
            fallback: None,
            bandwidth: None,
            received: 99,
            sent: 100,
            received_in_kernel: 0,
            sent_in_kernel: 0,
            duration_ms: 2123,
            connect_us: 840,
            routed: None,
        }
    }

    /// Kong's spec/01-unit/10-log_serializer_spec.lua, as far as bytes are the same on both sides.
    #[test]
    fn an_account_has_kongs_keys() {
        let about = serde_json::json!({ "route": { "id": "r" }, "service": { "name": "s" } });
        let Value::Object(about) = about else { panic!("{about}") };
        let tried = ["10.0.0.8:80", "10.0.0.9:80"].map(|address| address.parse().unwrap()).to_vec();
        let routed = Routed { logs: Arc::new(RouteLogs { sinks: Vec::new(), about }), after_us: 4200, tried };
        let line = account(&conn(), &routed, CloseReason::Finished);
        let mut line: Value = serde_json::from_str(&line).unwrap();
        let started = line["started_at"].as_u64().unwrap();
        let own = line.as_object_mut().unwrap().remove("sluice").unwrap();
        assert_eq!((&own["sni"], &own["reason"]), (&"pay.example.com".into(), &"finished".into()));
        let expected = serde_json::json!({
            "client_ip": "10.0.0.1",
            "started_at": started,
            "session": {
                "tls": {
                    "version": "TLSv1.3", "cipher": "TLS_AES_128_GCM_SHA256", "client_verify": "SUCCESS",
                },
                "received": 99, "sent": 100, "status": 200, "server_port": 12345,
            },
            "upstream": { "received": 100, "sent": 99 },
            "latencies": { "kong": 4, "session": 2123 },
            "tries": [
                { "ip": "10.0.0.8", "port": 80, "balancer_start": started + 4, "state": "failed" },
                { "ip": "10.0.0.9", "port": 80 },
            ],
            "route": { "id": "r" },
            "service": { "name": "s" },
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn statuses_are_nginx_own() {
        for (reason, relayed, expected) in [
            (CloseReason::Finished, true, 200),
            (CloseReason::UpstreamReset, true, 200),
            (CloseReason::UpstreamReset, false, 502),
            (CloseReason::IdleTimeout, true, 200),
            (CloseReason::HandshakeFailed, false, 400),
            (CloseReason::Denied, false, 403),
            (CloseReason::ConnectTimeout, false, 502),
            (CloseReason::NoUpstream, false, 503),
            (CloseReason::SourceRate, false, 503),
            (CloseReason::Integrity, true, 500),
        ] {
            assert_eq!(status(reason, relayed), expected, "{reason:?}");
        }
        for reason in CloseReason::ALL {
            assert!([200, 400, 403, 500, 502, 503].contains(&status(reason, false)), "{reason:?}");
        }
    }
}
