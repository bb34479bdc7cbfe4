use super::*;
use crate::config::model::fixtures::{origination, termination, vouched};
use crate::config::model::{
    Balancing, Config, Downstream, Families, Limits, Listener, Mapping, MappingName, Matcher, NamePattern,
    RelayChoice, Route, Service, SocketOptions, Timeouts, Trust, Verification, Weight,
};
use crate::tls::Contexts;

fn config(termination: Termination, origination: Origination) -> Config {
    let second = std::time::Duration::from_secs(1);
    let mapping = Mapping {
        name: MappingName("m".into()),
        stats_name: "m".into(),
        weight: Weight(1),
        service: Service { host: Host::Name("svc".into()), port: 443 },
        originate: Some(Arc::new(origination)),
        proxy_protocol: None,
        prelude: None,
        families: Families { ipv4: true, ipv6: true },
        balancing: Balancing::default(),
        resolution: crate::config::model::Resolution::Dns,
        relay: RelayChoice::Auto,
        timeouts: Timeouts { connect: second, idle: None, half_closed: None, max_age: None },
        limits: Limits::default(),
    };
    let matcher = Matcher::Tls { name: NamePattern::Everything, alpn: Vec::new() };
    let downstream = Downstream::Terminate(Arc::new(termination));
    let routes = vec![Route::new(matcher, downstream, vec![mapping])];
    Config {
        listeners: vec![Listener {
            bind: "127.0.0.1:1".parse().unwrap(),
            proxy_protocol: None,
            prelude: None,
            socket: SocketOptions::default(),
            routes,
        }],
    }
}

fn declared(config: &Config) -> (&Arc<Termination>, &Arc<Origination>) {
    let route = &config.listeners[0].routes[0];
    let Downstream::Terminate(termination) = &route.downstream else { panic!("it terminates") };
    (termination, route.mappings[0].originate.as_ref().unwrap())
}

#[test]
fn what_is_declared_alike_is_kept_over_reloads_and_nothing_else() {
    let ca = Authority::new();
    let (identity, trust) = (ca.identity(Wish::default()), ca.trust());
    let chain = || vouched(trust.clone());
    let before = config(termination(identity.clone()), origination(chain()));
    let (first, errors) = Contexts::prepare(&before, None);
    assert!(errors.is_empty(), "{errors:?}");

    let same = config(termination(identity), origination(chain()));
    let (second, _) = Contexts::prepare(&same, Some(&first));
    let ((t1, o1), (t2, o2)) = (declared(&before), declared(&same));
    assert!(!Arc::ptr_eq(t1, t2));
    assert!(Arc::ptr_eq(&first.terminator(t1).unwrap(), &second.terminator(t2).unwrap()));
    assert!(Arc::ptr_eq(&first.originator(o1).unwrap(), &second.originator(o2).unwrap()));

    let renewed = config(termination(ca.identity(Wish::default())), origination(Verification::None));
    let (third, _) = Contexts::prepare(&renewed, Some(&second));
    let (t3, o3) = declared(&renewed);
    assert!(!Arc::ptr_eq(&second.terminator(t2).unwrap(), &third.terminator(t3).unwrap()));
    assert!(!Arc::ptr_eq(&second.originator(o2).unwrap(), &third.originator(o3).unwrap()));
    assert!(third.terminator(t2).is_none(), "what is declared no more is gone");
}

#[test]
fn what_cannot_be_built_is_told_by_name_and_left_out() {
    let ca = Authority::new();
    let broken = Trust { roots: vec![vec![1, 2, 3].into()], ..ca.trust() };
    let chain = vouched(broken);
    let config = config(termination(ca.identity(Wish::default())), origination(chain));
    let (contexts, errors) = Contexts::prepare(&config, None);
    let told: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "TCPMapping default/pay: an authority cannot be used: TrailingData(SignedData); what needs it is not served"
        ]
    );
    let (termination, origination) = declared(&config);
    assert!(contexts.terminator(termination).is_some() && contexts.originator(origination).is_none());
}
