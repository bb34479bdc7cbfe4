use std::time::{Duration, Instant};

use super::super::health::{Health, Outcome, Transition};
use crate::config::model::{Check, Ejection, Question};

const SECOND: Duration = Duration::from_secs(1);

fn rule() -> Ejection {
    Ejection { after: 3, after_timeouts: None, base: Some(SECOND * 10), most: SECOND * 60, share: 50 }
}

fn check() -> Check {
    let [send, expect] = Default::default();
    Check {
        interval: SECOND,
        unhealthy_interval: SECOND,
        unhealthy_timeouts: None,
        port: None,
        timeout: SECOND,
        healthy: 2,
        unhealthy: 3,
        question: Question::Exchange { send, expect },
    }
}

fn told(good: bool) -> Outcome {
    if good { Outcome::Good } else { Outcome::Bad }
}

/// Fails until it is ejected; for how long.
fn eject(health: &mut Health, now: Instant) -> Option<Duration> {
    (0..3).find_map(|_| match health.failed(false, &rule(), true, now) {
        Some(Transition::Ejected { span }) => span,
        _ => None,
    })
}

#[test]
fn failures_in_a_row_eject_and_time_returns() {
    let (mut health, now) = (Health::default(), Instant::now());
    for _ in 0..10 {
        assert_eq!(health.failed(false, &rule(), true, now), None);
        assert_eq!(health.failed(false, &rule(), true, now), None);
        health.connected(now);
    }
    assert_eq!(eject(&mut health, now), Some(SECOND * 10));
    assert_eq!(health.failed(false, &rule(), true, now), None, "once is enough");
    assert_eq!(health.settle(&rule(), now + SECOND * 9), None);
    assert!(health.ejected_until().is_some());
    assert_eq!(health.settle(&rule(), now + SECOND * 10), Some(Transition::Returned));
    assert_eq!(health.settle(&rule(), now + SECOND * 11), None, "told once");
    assert!(health.ejected_until().is_none());
}

#[test]
fn one_failure_after_the_return_ejects_for_twice_as_long_up_to_the_most() {
    let (mut health, mut now) = (Health::default(), Instant::now());
    assert_eq!(eject(&mut health, now), Some(SECOND * 10));
    for expected in [20, 40, 60, 60] {
        now += SECOND * 60;
        assert_eq!(health.settle(&rule(), now), Some(Transition::Returned));
        let span = SECOND * expected;
        assert_eq!(health.failed(false, &rule(), true, now), Some(Transition::Ejected { span: Some(span) }));
    }
}

#[test]
fn it_is_forgiven_once_it_was_well_for_as_long_as_it_was_ejected() {
    let (mut health, now) = (Health::default(), Instant::now());
    eject(&mut health, now);
    let back = now + SECOND * 10;
    health.settle(&rule(), back);
    health.connected(back + SECOND * 9);
    assert_eq!(eject(&mut health, back + SECOND * 9), Some(SECOND * 20), "too soon to be forgiven");
    let back = back + SECOND * 29;
    health.settle(&rule(), back);
    health.connected(back + SECOND * 20);
    assert_eq!(eject(&mut health, back + SECOND * 20), Some(SECOND * 10));
}

#[test]
fn nothing_is_ejected_without_room_or_where_the_rule_says_never() {
    let (mut health, now) = (Health::default(), Instant::now());
    for _ in 0..10 {
        assert_eq!(health.failed(false, &rule(), false, now), None);
        assert_eq!(health.failed(false, &Ejection { after: 0, ..rule() }, true, now), None);
    }
    assert!(
        matches!(health.failed(false, &rule(), true, now), Some(Transition::Ejected { .. })),
        "once there is room"
    );
}

#[test]
fn checks_change_their_mind_after_so_many_in_a_row() {
    let (mut health, now) = (Health::default(), Instant::now());
    let mut say = |good| health.checked(told(good), &check(), now);
    for good in [true, false, false, true, false, false] {
        assert_eq!(say(good), None);
    }
    assert_eq!(say(false), Some(Transition::Down));
    for good in [false, true, false, true] {
        assert_eq!(say(good), None);
    }
    assert_eq!(say(true), Some(Transition::Up));
    assert!(!health.is_down());
}

#[test]
fn checks_that_succeed_again_end_an_ejection() {
    let (mut health, now) = (Health::default(), Instant::now());
    eject(&mut health, now);
    for good in [false, false, false, true, true] {
        health.checked(told(good), &check(), now);
    }
    assert!(health.ejected_until().is_none());
}

#[test]
fn a_share_grows_from_a_tenth_to_the_whole() {
    let now = Instant::now();
    let mut health = Health::joining(now);
    let span = SECOND * 100;
    for (after, share) in [(0, 100), (5, 100), (25, 250), (99, 990), (100, 1000)] {
        assert_eq!(health.share(span, now + SECOND * after), share, "after {after} s");
    }
    assert_eq!(health.share(span, now), 1000, "it is over for good");
    assert_eq!(Health::joining(now).share(Duration::ZERO, now), 1000);
    assert_eq!(Health::default().share(span, now), 1000);
}

#[test]
fn without_an_end_an_ejection_ends_with_checks_or_by_an_operator_alone() {
    let now = Instant::now();
    let for_good = Ejection { base: None, ..rule() };
    let eject = |health: &mut Health| {
        (0..3).find_map(|_| health.failed(false, &for_good, true, now)).expect("it is ejected")
    };
    let mut health = Health::default();
    for _ in 0..9 {
        assert_eq!(health.checked(Outcome::Good, &check(), now), None);
    }
    assert_eq!(eject(&mut health), Transition::Ejected { span: None });
    assert_eq!(health.settle(&for_good, now + SECOND * 1_000_000), None);
    assert!(health.is_ejected() && health.ejected_until().is_none());
    // What succeeded before says nothing, nor does a connection that was under way.
    health.connected(now);
    assert_eq!(health.checked(Outcome::Good, &check(), now), None);
    assert_eq!(health.checked(Outcome::Good, &check(), now), Some(Transition::Up));
    assert!(!health.is_ejected());

    eject(&mut health);
    for _ in 0..9 {
        assert_eq!(health.checked(Outcome::Good, &Check { healthy: 0, ..check() }, now), None, "0 is never");
    }
    health.enabled(now);
    assert!(!health.is_ejected());
    eject(&mut health);
    assert_eq!(
        health.settle(&rule(), now),
        Some(Transition::Returned),
        "a rule that has an end, after a reload"
    );
}

#[test]
fn timeouts_are_counted_apart_where_that_is_wanted() {
    let now = Instant::now();
    let apart = |after, after_timeouts| Ejection { after, after_timeouts, ..rule() };
    let (failure, timeout) = (false, true);
    let cases: [(Ejection, &[bool], bool); 8] = [
        (apart(2, None), &[failure, timeout], true),
        (apart(2, Some(2)), &[failure, timeout], false),
        (apart(2, Some(2)), &[failure, timeout, timeout], true),
        (apart(2, Some(2)), &[timeout, failure, failure], true),
        (apart(2, Some(1)), &[timeout], true),
        (apart(2, Some(0)), &[timeout, timeout, timeout], false),
        (apart(0, Some(2)), &[failure, failure, failure], false),
        (apart(0, Some(2)), &[timeout, timeout], true),
    ];
    for (rule, attempts, ejected) in cases {
        let mut health = Health::default();
        for late in attempts {
            health.failed(*late, &rule, true, now);
        }
        assert_eq!(health.is_ejected(), ejected, "{rule:?} {attempts:?}");
    }
    let mut health = Health::default();
    for _ in 0..9 {
        assert_eq!(health.failed(true, &apart(0, Some(2)), true, now), None);
        health.connected(now);
    }
}

#[test]
fn checks_that_were_late_are_counted_apart_where_that_is_wanted() {
    use Outcome::{Bad, Late};
    let now = Instant::now();
    let cases: [(u32, Option<u32>, &[Outcome], bool); 6] = [
        (2, None, &[Bad, Late], true),
        (2, Some(2), &[Bad, Late], false),
        (2, Some(2), &[Late, Bad, Late], true),
        (2, Some(0), &[Late, Late, Late, Bad], false),
        (0, Some(2), &[Bad, Bad, Bad, Late], false),
        (0, Some(2), &[Late, Late], true),
    ];
    for (unhealthy, unhealthy_timeouts, outcomes, down) in cases {
        let mut health = Health::default();
        for outcome in outcomes {
            health.checked(*outcome, &Check { unhealthy, unhealthy_timeouts, ..check() }, now);
        }
        assert_eq!(health.is_down(), down, "{unhealthy} {unhealthy_timeouts:?} {outcomes:?}");
    }
}
