use std::time::{Duration, Instant};

use super::super::latency::Latency;

#[test]
fn peaks_count_at_once_and_what_is_better_as_time_passes() {
    let (mut latency, begun) = (Latency::default(), Instant::now());
    let told = |latency: &mut Latency, ms: u64, after: u64| {
        let now = begun + Duration::from_secs(after);
        latency.took(Duration::from_millis(ms), now);
        (latency.at(now).unwrap() * 1000.0).round()
    };
    assert_eq!(latency.at(begun), None);
    assert_eq!(told(&mut latency, 10, 0), 10.0);
    assert_eq!(told(&mut latency, 1000, 0), 1000.0);
    assert_eq!(told(&mut latency, 10, 0), 1000.0, "no time has passed");
    // 1/e of the former and the rest of the new one.
    assert_eq!(told(&mut latency, 100, 10), 431.0);
    let later = begun + Duration::from_secs(20);
    assert_eq!((latency.at(later).unwrap() * 1000.0).round(), 159.0, "it fades");
    assert_eq!(told(&mut latency, 160, 20), 160.0, "more than what is left of it");
}
