use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::super::pool::Checked;
use super::schedule::Schedule;
use crate::config::model::{Check, Host, Question};

fn check(healthy_seconds: u64, unhealthy_seconds: u64) -> Check {
    let [send, expect] = Default::default();
    Check {
        interval: Duration::from_secs(healthy_seconds),
        unhealthy_interval: Duration::from_secs(unhealthy_seconds),
        timeout: Duration::from_secs(1),
        healthy: 1,
        unhealthy: 1,
        unhealthy_timeouts: None,
        port: None,
        question: Question::Exchange { send, expect },
    }
}

fn endpoint(n: u8, healthy: bool) -> Checked {
    let address = SocketAddr::from(([10, 0, 0, n], 80));
    Checked { address, host: Host::Ip(address.ip()), healthy }
}

/// Who is asked by a schedule that looks once a second, each answering at once: seconds, and the last number of
/// the address.
fn asked(check: &Check, seconds: u64, all: impl Fn(u64) -> Vec<Checked>) -> Vec<(u64, u8)> {
    let (mut schedule, begun) = (Schedule::default(), Instant::now());
    let mut asked = Vec::new();
    for second in 0..seconds {
        let (due, next) = schedule.due(check, all(second), begun + Duration::from_secs(second));
        assert!(next > begun + Duration::from_secs(second));
        for endpoint in due {
            schedule.answered(endpoint.address);
            let SocketAddr::V4(address) = endpoint.address else { panic!() };
            asked.push((second, address.ip().octets()[3]));
        }
    }
    asked
}

#[test]
fn the_healthy_and_the_unhealthy_have_intervals_of_their_own() {
    let all = |_| vec![endpoint(1, true), endpoint(2, false)];
    // Up to a tenth late, so a second more here.
    assert_eq!(asked(&check(10, 3), 8, all), [(0, 1), (0, 2), (4, 2)]);
    assert_eq!(asked(&check(10, 0), 12, all), [(0, 1), (11, 1)]);
    assert_eq!(asked(&check(0, 3), 5, all), [(0, 2), (4, 2)]);
    assert_eq!(asked(&check(0, 0), 100, all), []);
}

#[test]
fn one_that_becomes_unhealthy_or_joins_is_asked_by_its_new_interval() {
    let all = |second| vec![endpoint(1, second < 5)];
    assert_eq!(asked(&check(100, 2), 9, all), [(0, 1), (5, 1), (8, 1)]);
    let joins = |second| {
        if second < 3 { vec![endpoint(1, true)] } else { vec![endpoint(1, true), endpoint(2, true)] }
    };
    assert_eq!(asked(&check(50, 50), 9, joins), [(0, 1), (3, 2)]);
}

#[test]
fn one_that_has_not_answered_is_not_asked_again() {
    let (mut schedule, begun) = (Schedule::default(), Instant::now());
    let rule = check(1, 1);
    let due = |schedule: &mut Schedule, second| {
        schedule.due(&rule, vec![endpoint(1, true)], begun + Duration::from_secs(second)).0.len()
    };
    assert_eq!((due(&mut schedule, 0), due(&mut schedule, 5)), (1, 0));
    schedule.answered(endpoint(1, true).address);
    assert_eq!((due(&mut schedule, 6), due(&mut schedule, 7)), (1, 0));
}

#[test]
fn it_looks_again_when_the_first_is_due_and_at_the_shortest_interval_at_the_latest() {
    let (mut schedule, begun) = (Schedule::default(), Instant::now());
    let rule = check(30, 5);
    let mut next = |second| {
        let now = begun + Duration::from_secs(second);
        let (due, next) = schedule.due(&rule, vec![endpoint(1, true)], now);
        due.iter().for_each(|endpoint| schedule.answered(endpoint.address));
        next.duration_since(begun).as_secs()
    };
    assert_eq!((next(0), next(5)), (5, 10));
    let due = next(29);
    assert!((30..33).contains(&due), "{due}");
}
