use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use super::bucket::{self, Bucket};
use super::{Excess, Limiter, Sources};
use crate::config::model::{Limits, Rate, SourceLimits};
use crate::counter::Counter;
use crate::telemetry::CloseReason;

const MS: u64 = 1_000_000;

fn rate(interval_ms: u64, burst: u32) -> Rate {
    Rate { interval: Duration::from_millis(interval_ms), burst: NonZeroU32::new(burst).unwrap() }
}

fn per_source(connections: u32, rate: Option<Rate>) -> SourceLimits {
    SourceLimits { connections: NonZeroU32::new(connections), rate }
}

fn ip(address: &str) -> IpAddr {
    address.parse().unwrap()
}

#[test]
fn a_bucket_gives_its_burst_and_then_its_rate() {
    let (bucket, rate) = (Bucket::default(), rate(10, 3));
    let at = |ms: u64| bucket.take(&rate, ms * MS);
    assert_eq!([0, 0, 0, 0].map(at), [true, true, true, false], "the burst, and no more");
    assert_eq!([9, 10, 10, 19, 20].map(at), [false, true, false, false, true], "one every interval");
    assert_eq!([1000, 1000, 1000, 1000].map(at), [true, true, true, false], "never more than the burst");
}

#[test]
fn over_a_long_time_a_bucket_gives_exactly_its_rate() {
    let (bucket, rate) = (Bucket::default(), rate(10, 5));
    let given = (0..100_000).filter(|tenth| bucket.take(&rate, tenth * MS / 10)).count();
    assert_eq!(given, 5 + 999, "10 s of one each 10 ms, after a burst of 5");
}

#[test]
fn a_reload_changes_a_buckets_rate_and_keeps_what_was_taken() {
    let (slow, fast) = (rate(60_000, 1), rate(10, 2));
    let full_at = bucket::take(0, &slow, 0).unwrap();
    assert_eq!(bucket::take(full_at, &slow, MS), None);
    assert_eq!(bucket::take(full_at, &fast, MS), None, "empty, and not to be refilled by a reload");
    assert!(bucket::take(full_at, &fast, 60_000 * MS).is_some(), "at the fast rate");
    let slow_at = bucket::take(full_at, &slow, 60_000 * MS);
    assert!(slow_at.is_some(), "at the slow one");
}

#[test]
fn a_bucket_survives_the_end_of_time() {
    let longest = Rate { interval: Duration::MAX, burst: NonZeroU32::MAX };
    assert_eq!(bucket::take(u64::MAX, &longest, u64::MAX), None);
    assert!(bucket::take(0, &longest, 0).is_some());
}

#[test]
fn places_are_exact_however_many_ask_at_once() {
    const MOST: u32 = 7;
    let (counter, inside, worst) = (Counter::default(), AtomicU32::new(0), AtomicU32::new(0));
    let taken: u32 = thread::scope(|scope| {
        let ask = || {
            let mut taken = 0;
            for _ in 0..20_000 {
                let Some(place) = counter.take(Some(MOST)) else { continue };
                worst.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::yield_now();
                inside.fetch_sub(1, Ordering::SeqCst);
                drop(place);
                taken += 1;
            }
            taken
        };
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert!(taken > 0 && worst.into_inner() <= MOST);
    assert_eq!(counter.taken(), 0, "every place is given back");
    let held: Vec<_> = (0..MOST).map(|_| counter.take(Some(MOST)).unwrap()).collect();
    assert!(counter.take(Some(MOST)).is_none() && counter.take(None).is_some());
    drop(held);
    assert!(counter.take(Some(0)).is_none(), "0 lets none through");
}

#[test]
fn each_client_has_its_own_seats() {
    let (sources, limits) = (Arc::new(Sources::default()), per_source(2, None));
    let take = |address: &str| sources.take(ip(address), &limits);
    let _held = [take("10.0.0.1").unwrap(), take("10.0.0.1").unwrap(), take("10.0.0.2").unwrap()];
    assert_eq!(take("10.0.0.1").unwrap_err(), Excess::Connections);
    assert_eq!(take("::ffff:10.0.0.1").unwrap_err(), Excess::Connections, "the same, in another notation");
    let mut host = vec![take("2001:db8:0:1::1").unwrap(), take("2001:db8:0:1:ffff::2").unwrap()];
    assert_eq!(take("2001:db8:0:1:9:9:9:9").unwrap_err(), Excess::Connections, "a /64 is one client");
    let neighbour = take("2001:db8:0:2::1").unwrap();
    host.pop();
    host.push(take("2001:db8:0:1::3").unwrap());
    assert_eq!(sources.known(), 4);
    drop((neighbour, host));
    assert_eq!(sources.known(), 2, "who has nothing is forgotten");
}

#[test]
fn nothing_is_remembered_where_nothing_is_limited() {
    let sources = Arc::new(Sources::default());
    assert!(sources.take(ip("10.0.0.1"), &SourceLimits::default()).unwrap().is_none());
    assert_eq!(sources.known(), 0);
}

#[test]
fn a_flood_of_addresses_takes_bounded_memory_and_frees_no_one_of_a_limit_in_use() {
    let sources = Arc::new(Sources::default());
    let limits = per_source(1, Some(rate(3_600_000, 1)));
    let held = sources.take(ip("192.0.2.1"), &limits).unwrap();
    let mut worst = 0;
    for n in 0..400_000_u32 {
        drop(sources.take(IpAddr::V4((0x0a00_0000 + n).into()), &limits));
        worst = worst.max(sources.known());
    }
    assert!(worst <= 2 << 16, "{worst} clients remembered");
    assert_eq!(sources.take(ip("192.0.2.1"), &limits).unwrap_err(), Excess::Connections);
    drop(held);
}

#[test]
fn a_client_over_its_own_limit_takes_nothing_from_others() {
    let limits = Limits {
        rate: Some(rate(3_600_000, 2)),
        source: per_source(0, Some(rate(3_600_000, 1))),
        ..Limits::default()
    };
    let limiter = Limiter::default();
    let admit = |address: &str| limiter.admit(&limits, ip(address)).map(drop);
    assert_eq!(admit("10.0.0.1"), Ok(()));
    for _ in 0..10 {
        assert_eq!(admit("10.0.0.1"), Err(CloseReason::SourceRate));
    }
    assert_eq!(admit("10.0.0.2"), Ok(()), "one token is left for it");
    assert_eq!(admit("10.0.0.3"), Err(CloseReason::ConnectionRate));
}

#[test]
fn a_connection_that_may_not_be_dialled_gives_its_place_back() {
    let limits = Limits { connections: Some(2), pending: Some(1), ..Limits::default() };
    let limiter = Limiter::default();
    let [connection, pending] = limiter.connect(&limits).unwrap();
    assert_eq!(limiter.connect(&limits).unwrap_err(), CloseReason::MaxPending);
    assert_eq!(limiter.usage().connections, 1);
    drop(pending);
    let second = limiter.connect(&limits).unwrap();
    assert_eq!(limiter.connect(&limits).unwrap_err(), CloseReason::MaxConnections);
    assert_eq!(limiter.admit(&limits, ip("10.0.0.1")).unwrap_err(), CloseReason::MaxConnections);
    drop((connection, second));
    let usage = limiter.usage();
    assert_eq!((usage.connections, usage.pending, usage.sources), (0, 0, 0));
}
