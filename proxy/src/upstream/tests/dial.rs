use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;

use super::super::{Dialer, Pool, Resolver};
use crate::config::model::{
    Balancing, Families, Host, Limits, Mapping, MappingName, RelayChoice, Resolution, Service, SourceAddress,
    Timeouts, Weight,
};
use crate::config::settings::Names;
use crate::telemetry::Telemetry;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn mapping(service: SocketAddr, balancing: Balancing) -> Mapping {
    Mapping {
        name: MappingName("TCPMapping default/pay".into()),
        stats_name: "pay".into(),
        weight: Weight(1),
        service: Service { host: Host::Ip(service.ip()), port: service.port() },
        resolution: Resolution::Dns,
        originate: None,
        proxy_protocol: None,
        prelude: None,
        families: Families { ipv4: true, ipv6: true },
        balancing,
        relay: RelayChoice::Auto,
        timeouts: Timeouts { connect: Duration::from_secs(3), idle: None, half_closed: None, max_age: None },
        limits: Limits::default(),
    }
}

fn dialer() -> Dialer {
    Dialer::new(Resolver::new(&Names::default()), Telemetry::default())
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn service(address: SocketAddr) -> Service {
    Service { host: Host::Ip(address.ip()), port: address.port() }
}

#[tokio::test]
async fn a_refusal_is_retried_on_the_next_endpoint_within_the_budget() {
    let (_listener, up) = listener().await;
    let (gone, refusing) = listener().await;
    drop(gone);
    let dialer = dialer();
    for (attempts, reached) in [(1, None), (2, Some(up))] {
        let balancing = Balancing { attempts, backup: Some(service(up)), ..Balancing::default() };
        let pool = Pool::new(&mapping(refusing, balancing), None);
        let dialled = dialer.dial(&pool, CLIENT, Duration::from_secs(3)).await;
        assert_eq!(dialled.tried.len(), usize::try_from(attempts).unwrap());
        assert_eq!(dialled.result.ok().map(|connected| connected.address), reached);
    }
}

#[tokio::test]
async fn connections_come_from_the_source_address() {
    let (listener, up) = listener().await;
    let source = SourceAddress { ipv4: Some(Ipv4Addr::new(127, 0, 0, 77)), ipv6: None };
    let pool = Pool::new(&mapping(up, Balancing { source, ..Balancing::default() }), None);
    let dialled = dialer().dial(&pool, CLIENT, Duration::from_secs(3)).await;
    assert_eq!(dialled.tried.len(), 1);
    let _connected = dialled.result.unwrap();
    let (_, peer) = listener.accept().await.unwrap();
    assert_eq!(peer.ip(), Ipv4Addr::new(127, 0, 0, 77));
}

#[tokio::test]
async fn a_source_address_that_is_not_ours_blames_no_endpoint() {
    let (_listener, up) = listener().await;
    let source = SourceAddress { ipv4: Some(Ipv4Addr::new(192, 0, 2, 1)), ipv6: None };
    let balancing = Balancing { source, backup: Some(service(up)), ..Balancing::default() };
    let (_other, own) = listener().await;
    let pool = Pool::new(&mapping(own, balancing), None);
    let dialled = dialer().dial(&pool, CLIENT, Duration::from_secs(3)).await;
    assert_eq!(dialled.tried.len(), 1, "the next endpoint would fare no better");
    let error = dialled.result.unwrap_err().to_string();
    assert!(error.starts_with("192.0.2.1 is not to connect from: "), "{error}");
}

#[tokio::test]
async fn a_reload_keeps_the_pool_where_nothing_changed_and_the_counts_where_something_did() {
    let (_listener, up) = listener().await;
    let dialer = dialer();
    let first = Pool::new(&mapping(up, Balancing::default()), None);
    let connected = dialer.dial(&first, CLIENT, Duration::from_secs(3)).await.result.unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &Pool::new(&mapping(up, Balancing::default()), Some(&first))));
    let heavier = Mapping { weight: Weight(50), ..mapping(up, Balancing::default()) };
    assert!(std::sync::Arc::ptr_eq(&first, &Pool::new(&heavier, Some(&first))), "on another address, say");
    let second = Pool::new(&mapping(up, Balancing { attempts: 9, ..Balancing::default() }), Some(&first));
    assert_eq!(second.snapshots(dialer.telemetry())[0].active, 1);
    drop(connected);
    assert_eq!(second.snapshots(dialer.telemetry())[0].active, 0);
}
