use std::io::Write as _;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::process::Stat;
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::model::{
    Balancing, Config, Downstream, Families, Host, Identity, Limits, Listener, Mapping, MappingName, Matcher,
    Rate, RelayChoice, Route, Service, SocketOptions, Timeouts, Weight,
};
use crate::telemetry::names::ALL;
use crate::telemetry::{
    Attempt, CloseReason, ConnSnapshot, EndpointSnapshot, Handshake, KernelMapping, KernelStats,
    MappingUsage, Side, Telemetry,
};

fn listener() -> SocketAddr {
    "127.0.0.1:80".parse().unwrap()
}

fn config(names: &[&str]) -> Config {
    let mapping = |name: &&str| Mapping {
        name: MappingName(format!("TCPMapping default/{name}").into()),
        stats_name: (*name).into(),
        weight: Weight(1),
        service: Service { host: Host::Name("backend".into()), port: 80 },
        originate: None,
        proxy_protocol: None,
        prelude: None,
        families: Families { ipv4: true, ipv6: true },
        balancing: Balancing::default(),
        resolution: crate::config::model::Resolution::Dns,
        relay: RelayChoice::Auto,
        timeouts: Timeouts { connect: Duration::from_secs(3), idle: None, half_closed: None, max_age: None },
        limits: Limits::default(),
    };
    let mappings = names.iter().map(mapping).collect();
    let routes = vec![Route::new(Matcher::Any, Downstream::Raw, mappings)];
    Config {
        listeners: vec![Listener {
            bind: listener(),
            proxy_protocol: None,
            prelude: None,
            socket: SocketOptions::default(),
            routes,
        }],
    }
}

/// A connection of `mapping` that moved `moved` bytes each way, half of them in the kernel.
fn conn(id: u64, mapping: &str, moved: u64) -> ConnSnapshot {
    ConnSnapshot {
        id,
        listener: listener(),
        peer: "10.0.0.1:5000".parse().unwrap(),
        proxy: None,
        mapping: Some(format!("TCPMapping default/{mapping}").into()),
        stats_name: Some(mapping.into()),
        sni: None,
        tls: None,
        upstream: None,
        attempts: 1,
        upstream_tls: None,
        relay: Some("kernel"),
        fallback: None,
        bandwidth: None,
        received: moved,
        sent: moved * 2,
        received_in_kernel: moved / 2,
        sent_in_kernel: moved,
        duration_ms: 1500,
        connect_us: 400,
        routed: None,
    }
}

/// The value of one sample, written as in the exposition; `None` where there is none.
fn sample(telemetry: &Telemetry, series: &str) -> Option<f64> {
    let text = telemetry.metrics();
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

/// A telemetry whose list of open connections is in the test's hands.
fn with_live() -> (Telemetry, Arc<Mutex<Vec<ConnSnapshot>>>) {
    let telemetry = Telemetry::default();
    let live: Arc<Mutex<Vec<ConnSnapshot>>> = Arc::default();
    let source = Arc::clone(&live);
    telemetry.connections(move || source.lock().unwrap().clone());
    (telemetry, live)
}

const RECEIVED_USER: &str = r#"sluice_bytes_total{direction="received",mapping="pay",path="userspace"}"#;

#[test]
fn a_scripted_day_gives_exactly_these_samples() {
    let telemetry = Telemetry::default();
    let warning = Diagnostic {
        severity: Severity::Warning,
        file: "a.yaml".into(),
        document: 1,
        resource: String::new(),
        field: String::new(),
        message: "odd".into(),
        discarded: false,
    };
    telemetry.config_loaded(&config(&["pay", "web"]), std::slice::from_ref(&warning));
    telemetry.config_loaded(&config(&["pay", "web"]), &[Diagnostic { severity: Severity::Error, ..warning }]);
    telemetry.listening(listener(), 4);
    telemetry.accepted(listener());
    telemetry.accepted(listener());
    telemetry.accept_error(listener(), "no_descriptors");
    telemetry.refused("total");
    let (one, mut two) = (conn(1, "pay", 100), conn(2, "pay", 10));
    two.relay = Some("splice");
    for conn in [&one, &two] {
        telemetry.opened(conn);
        telemetry.relayed(conn);
    }
    telemetry.fell_back("urgent");
    telemetry.closed(&one, CloseReason::Integrity);

    let (version, features) =
        (env!("CARGO_PKG_VERSION"), if cfg!(feature = "ebpf") { "ebpf" } else { "none" });
    let build = format!("sluice_build_info{{features=\"{features}\",version=\"{version}\"}}");
    for (series, value) in [
        (build.as_str(), 1.0),
        (r#"sluice_listener_sockets{listener="127.0.0.1:80"}"#, 4.0),
        (r#"sluice_accepted_total{listener="127.0.0.1:80"}"#, 2.0),
        (r#"sluice_accept_errors_total{listener="127.0.0.1:80",reason="no_descriptors"}"#, 1.0),
        (r#"sluice_refused_total{limit="total"}"#, 1.0),
        (r#"sluice_connections_active{listener="127.0.0.1:80"}"#, 1.0),
        (r#"sluice_connections_total{mapping="pay",relay="kernel"}"#, 1.0),
        (r#"sluice_connections_total{mapping="pay",relay="splice"}"#, 1.0),
        (r#"sluice_connections_total{mapping="web",relay="splice"}"#, 0.0),
        (r#"sluice_closed_total{mapping="pay",reason="integrity",side="proxy"}"#, 1.0),
        (r#"sluice_closed_total{mapping="web",reason="upstream_reset",side="upstream"}"#, 0.0),
        (r#"sluice_bytes_total{direction="received",mapping="pay",path="kernel"}"#, 50.0),
        (RECEIVED_USER, 50.0),
        (r#"sluice_bytes_total{direction="sent",mapping="pay",path="kernel"}"#, 100.0),
        (r#"sluice_bytes_total{direction="sent",mapping="web",path="kernel"}"#, 0.0),
        (r#"sluice_connection_duration_seconds_bucket{mapping="pay",le="1"}"#, 0.0),
        (r#"sluice_connection_duration_seconds_bucket{mapping="pay",le="10"}"#, 1.0),
        (r#"sluice_connection_duration_seconds_sum{mapping="pay"}"#, 1.5),
        (r#"sluice_connect_duration_seconds_bucket{mapping="pay",le="0.0005"}"#, 2.0),
        (r#"sluice_relay_fallbacks_total{reason="urgent"}"#, 1.0),
        (r#"sluice_config_reloads_total{result="success"}"#, 1.0),
        (r#"sluice_config_reloads_total{result="partial"}"#, 1.0),
        (r#"sluice_config_diagnostics{severity="warning"}"#, 0.0),
        (r#"sluice_config_diagnostics{severity="error"}"#, 1.0),
        ("sluice_listeners", 1.0),
        ("sluice_mappings", 2.0),
        ("sluice_kernel_integrity_failures_total", 1.0),
        ("sluice_access_log_lines_lost_total", 0.0),
        ("sluice_log_lines_lost_total", 0.0),
    ] {
        assert_eq!(sample(&telemetry, series), Some(value), "{series}\n{}", telemetry.metrics());
    }
    for present in [
        "sluice_config_last_reload_success_timestamp_seconds",
        "process_open_fds",
        "process_max_fds",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
    ] {
        assert!(sample(&telemetry, present) > Some(0.0), "{present}");
    }
    assert!(!telemetry.metrics().contains("10.0.0.1"), "a peer's address is no label");
}

#[test]
fn handshakes_are_counted_by_side_and_outcome() {
    let telemetry = Telemetry::default();
    let series = |result| format!(r#"sluice_tls_handshakes_total{{result="{result}",side="downstream"}}"#);
    assert_eq!(sample(&telemetry, &series("failed")), Some(0.0), "there before its first event");
    let took = Duration::from_millis(2);
    for how in [Handshake::Full, Handshake::Resumed, Handshake::Resumed, Handshake::Failed] {
        telemetry.handshake(Side::Downstream, how, took);
    }
    for (result, count) in [("full", 1.0), ("resumed", 2.0), ("failed", 1.0)] {
        assert_eq!(sample(&telemetry, &series(result)), Some(count), "{result}");
    }
    let duration = r#"sluice_tls_handshake_duration_seconds_count{side="downstream"}"#;
    assert_eq!(sample(&telemetry, duration), Some(3.0), "of those that succeeded");
}

#[test]
fn certificates_in_service_tell_their_end() {
    let telemetry = Telemetry::default();
    let identity = crate::config::model::fixtures::Authority::new().identity(Default::default());
    let identity = Identity { source: "Secret default/pay".into(), expires: 4_000_000_000, ..identity };
    let mut config = config(&["pay"]);
    config.listeners[0].routes[0].downstream =
        Downstream::Terminate(crate::config::model::fixtures::termination(identity).into());
    let series = r#"sluice_certificate_expiry_timestamp_seconds{source="Secret default/pay"}"#;
    telemetry.config_loaded(&config, &[]);
    assert_eq!(sample(&telemetry, series), Some(4e9));
    telemetry.config_loaded(&self::config(&["pay"]), &[]);
    assert_eq!(sample(&telemetry, series), None, "it is in service no more");
}

#[test]
fn what_closed_at_no_mapping_is_counted_as_none() {
    let telemetry = Telemetry::default();
    let stray = ConnSnapshot { mapping: None, stats_name: None, relay: None, ..conn(1, "pay", 0) };
    telemetry.opened(&stray);
    telemetry.closed(&stray, CloseReason::NoRoute);
    let series = r#"sluice_closed_total{mapping="none",reason="no_route",side="proxy"}"#;
    assert_eq!(sample(&telemetry, series), Some(1.0));
    assert_eq!(sample(&telemetry, series), Some(1.0), "no scrape removes it");
}

#[test]
fn bytes_of_open_connections_count_and_never_go_backwards() {
    let (telemetry, live) = with_live();
    telemetry.config_loaded(&config(&["pay"]), &[]);
    *live.lock().unwrap() = vec![conn(1, "pay", 100), conn(2, "pay", 40)];
    assert_eq!(sample(&telemetry, RECEIVED_USER), Some(70.0));

    // Between the tracker's list and the ledger: in neither.
    live.lock().unwrap().remove(0);
    assert_eq!(sample(&telemetry, RECEIVED_USER), Some(70.0));

    telemetry.closed(&conn(1, "pay", 160), CloseReason::Finished);
    assert_eq!(sample(&telemetry, RECEIVED_USER), Some(100.0));

    *live.lock().unwrap() = vec![conn(2, "pay", 60)];
    assert_eq!(sample(&telemetry, RECEIVED_USER), Some(110.0));
}

#[test]
fn a_connection_that_closes_while_it_is_listed_counts_once() {
    let telemetry = Telemetry::default();
    let closer = telemetry.clone();
    telemetry.connections(move || {
        let open = vec![conn(1, "pay", 100), conn(2, "pay", 10)];
        closer.closed(&conn(1, "pay", 120), CloseReason::Finished);
        open
    });
    // Each scrape closes the first once more: 60 of it, and 5 of the second that stays open.
    assert_eq!(sample(&telemetry, RECEIVED_USER), Some(65.0));
    assert_eq!(sample(&telemetry, RECEIVED_USER), Some(125.0));
}

#[test]
fn series_of_a_removed_mapping_go_with_its_last_connection() {
    let (telemetry, live) = with_live();
    telemetry.config_loaded(&config(&["pay", "web"]), &[]);
    let last = conn(1, "pay", 100);
    telemetry.relayed(&last);
    *live.lock().unwrap() = vec![last.clone()];

    telemetry.config_loaded(&config(&["web"]), &[]);
    assert_eq!(sample(&telemetry, RECEIVED_USER), Some(50.0));
    assert_eq!(sample(&telemetry, RECEIVED_USER), Some(50.0), "its connection is still open");

    live.lock().unwrap().clear();
    telemetry.closed(&last, CloseReason::Finished);
    assert_eq!(sample(&telemetry, RECEIVED_USER), Some(50.0), "the last word is told once");
    let text = telemetry.metrics();
    assert!(!text.contains("\"pay\""), "{text}");
    assert!(text.contains("\"web\""), "{text}");
}

#[test]
fn series_of_a_removed_listener_go_when_it_is_idle() {
    let telemetry = Telemetry::default();
    telemetry.config_loaded(&config(&["pay"]), &[]);
    let open = conn(1, "pay", 1);
    telemetry.opened(&open);
    telemetry.accept_error(listener(), "aborted");
    telemetry.config_loaded(&Config::default(), &[]);
    let active = r#"sluice_connections_active{listener="127.0.0.1:80"}"#;
    assert_eq!((sample(&telemetry, active), sample(&telemetry, active)), (Some(1.0), Some(1.0)));
    telemetry.closed(&open, CloseReason::Finished);
    assert_eq!(sample(&telemetry, active), Some(0.0));
    assert!(!telemetry.metrics().contains("127.0.0.1:80"));
}

#[test]
fn the_kernel_tells_its_numbers_at_the_scrape() {
    struct Kernel;
    impl KernelStats for Kernel {
        fn pairs(&self) -> u64 {
            3
        }
        fn budget_used(&self) -> u64 {
            1 << 20
        }
        fn budget_limit(&self) -> u64 {
            1 << 30
        }
        fn events_lost(&self) -> u64 {
            7
        }
        fn mappings(&self) -> Vec<KernelMapping> {
            let pay = KernelMapping { label: "pay".into(), received: 10, sent: 20, segments: 3 };
            vec![KernelMapping { label: "gone".into(), ..pay.clone() }, pay]
        }
    }
    let telemetry = Telemetry::default();
    telemetry.kernel(Arc::new(Kernel));
    telemetry.config_loaded(&config(&["pay"]), &[]);
    assert_eq!(sample(&telemetry, r#"sluice_kernel_redirected_segments_total{mapping="gone"}"#), None);
    for (series, value) in [
        (r#"sluice_kernel_redirected_bytes_total{direction="received",mapping="pay"}"#, 10.0),
        (r#"sluice_kernel_redirected_bytes_total{direction="sent",mapping="pay"}"#, 20.0),
        (r#"sluice_kernel_redirected_segments_total{mapping="pay"}"#, 3.0),
        ("sluice_kernel_pairs", 3.0),
        (r#"sluice_kernel_budget_bytes{state="used"}"#, 1_048_576.0),
        (r#"sluice_kernel_budget_bytes{state="limit"}"#, 1_073_741_824.0),
        ("sluice_kernel_events_lost_total", 7.0),
        ("sluice_kernel_events_lost_total", 7.0),
    ] {
        assert_eq!(sample(&telemetry, series), Some(value), "{series}");
    }
}

#[test]
fn mappings_tell_what_they_have_in_use_and_may_have() {
    let limits = Limits {
        connections: Some(5),
        rate: Some(Rate { interval: Duration::from_secs(2), burst: NonZeroU32::MIN }),
        ..Limits::default()
    };
    let usage = |label: &str, limits| MappingUsage {
        label: label.into(),
        connections: 3,
        pending: 1,
        sources: 2,
        limits,
    };
    let now = Arc::new(Mutex::new(vec![
        usage("pay", limits),
        usage("pay", limits),
        usage("free", Limits::default()),
    ]));
    let telemetry = Telemetry::default();
    let source = Arc::clone(&now);
    telemetry.mappings(move || source.lock().unwrap().clone());
    for _ in 0..2 {
        for (series, value) in [
            (r#"sluice_mapping_connections{mapping="pay"}"#, Some(6.0)),
            (r#"sluice_mapping_pending_connections{mapping="free"}"#, Some(1.0)),
            (r#"sluice_mapping_sources{mapping="free"}"#, Some(2.0)),
            (r#"sluice_mapping_limit{limit="max_connections",mapping="pay"}"#, Some(10.0)),
            (r#"sluice_mapping_limit{limit="connection_rate",mapping="pay"}"#, Some(1.0)),
            (r#"sluice_mapping_limit{limit="bandwidth",mapping="pay"}"#, None),
            (r#"sluice_mapping_limit{limit="max_connections",mapping="free"}"#, None),
        ] {
            assert_eq!(sample(&telemetry, series), value, "{series}");
        }
    }
    now.lock().unwrap().clear();
    assert!(!telemetry.metrics().contains("sluice_mapping_connections{"), "those out of service are gone");
}

#[test]
#[expect(clippy::print_stdout, reason = "a test that skips says why")]
fn promtool_finds_no_fault() {
    let telemetry = Telemetry::default();
    telemetry.config_loaded(&config(&["odd \"name\"\n\\"]), &[]);
    let open = conn(1, "pay", 100);
    telemetry.accept_error(listener(), "aborted");
    telemetry.refused("total");
    telemetry.relayed(&open);
    telemetry.fell_back("urgent");
    telemetry.closed(&open, CloseReason::Finished);
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = promtool else {
        println!("skipped: promtool is not installed");
        return;
    };
    promtool.stdin.take().unwrap().write_all(telemetry.metrics().as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn names_follow_the_rules() {
    for metric in ALL {
        let name = metric.name;
        assert!(name.starts_with("sluice_") || name.starts_with("process_"), "{name}");
        assert!(metric.help.ends_with('.'), "{name}: {}", metric.help);
        assert_eq!(ALL.iter().filter(|m| m.name == name).count(), 1, "{name}");
        assert!(!metric.labels.iter().any(|l| ["peer", "sni", "upstream"].contains(l)), "{name}");
    }
}

#[test]
fn proc_stat_is_read_past_any_command_name() {
    let text = "7 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 200 100 0 0 20 0 4 0 5000 8192 3 0";
    let expected = Stat { cpu_ticks: 300, start_ticks: 5000, virtual_bytes: 8192, resident_pages: 3 };
    assert_eq!(Stat::parse(text), Some(expected));
    for end in 0..text.len() - 2 {
        assert_eq!(Stat::parse(&text[..end]), None, "{end}");
    }
}

#[test]
fn attempts_and_checks_are_counted_from_zero_and_go_with_their_mapping() {
    let telemetry = Telemetry::default();
    telemetry.config_loaded(&config(&["pay"]), &[]);
    let refused = r#"sluice_connect_attempts_total{mapping="pay",result="refused"}"#;
    let failed = r#"sluice_endpoint_checks_total{mapping="pay",result="failure"}"#;
    let ejected = r#"sluice_endpoint_ejections_total{mapping="pay"}"#;
    // In one scrape.
    let all = |telemetry: &Telemetry| {
        let text = telemetry.metrics();
        let value = |series: &str| {
            text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse::<f64>().ok())
        };
        [refused, failed, ejected].map(value)
    };
    assert_eq!(all(&telemetry), [Some(0.0); 3]);
    telemetry.attempted("pay", Attempt::Refused);
    telemetry.attempted("pay", Attempt::Connected);
    telemetry.checked("pay", false);
    telemetry.checked("pay", true);
    telemetry.ejected("pay");
    assert_eq!(all(&telemetry), [Some(1.0); 3]);
    telemetry.config_loaded(&config(&["web"]), &[]);
    assert_eq!(all(&telemetry), [Some(1.0); 3], "the last word is told once");
    assert_eq!(all(&telemetry), [None; 3]);
}

#[test]
fn endpoints_have_series_while_they_are_in_service() {
    let telemetry = Telemetry::default();
    let endpoint = |n: u8, state| EndpointSnapshot {
        mapping: "TCPMapping default/pay".into(),
        stats_name: "pay".into(),
        endpoint: ([10, 0, 0, n], 80).into(),
        backup: false,
        state,
        weight: 1,
        grown_percent: 100,
        active: 3,
        service: "pay:80".into(),
        timeouts: 0,
        connect_us: None,
        failures: 0,
        ejected_ms: None,
    };
    let listed = Arc::new(Mutex::new(vec![endpoint(1, "up"), endpoint(2, "ejected"), endpoint(2, "down")]));
    let source = Arc::clone(&listed);
    telemetry.endpoints(move || source.lock().unwrap().clone());
    let up =
        |n| sample(&telemetry, &format!(r#"sluice_endpoint_up{{endpoint="10.0.0.{n}:80",mapping="pay"}}"#));
    let active = |n| {
        let series =
            format!(r#"sluice_endpoint_connections_active{{endpoint="10.0.0.{n}:80",mapping="pay"}}"#);
        sample(&telemetry, &series)
    };
    assert_eq!([up(1), up(2), active(1), active(2)], [1.0, 0.0, 3.0, 6.0].map(Some));
    listed.lock().unwrap().remove(0);
    assert_eq!([up(1), up(2), active(1)], [None, Some(0.0), None]);
}
