use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use super::super::board::{Asking, Board, Event, Nobody, Order, Pick, Seat};
use super::super::endpoint::Endpoint;
use super::super::health::Outcome;
use super::{address, endpoint};
use crate::config::model::{Balancing, Check, Ejection, Policy, Question};

const PICKS: usize = 10_000;

const EVERY: [Policy; 5] =
    [Policy::RoundRobin, Policy::LeastConnections, Policy::Random, Policy::SourceHash, Policy::Latency];

/// A board, its rule, and the time, which only the test moves.
struct Fixture {
    board: Board,
    rule: Balancing,
    now: Instant,
}

impl Fixture {
    fn new(policy: Policy, own: &[Endpoint], backup: &[Endpoint]) -> Self {
        let mut board = Board::default();
        let now = Instant::now();
        board.set(own, backup, now);
        let ejection = Ejection { after: 1, ..Ejection::default() };
        Self { board, rule: Balancing { policy, ejection, ..Balancing::default() }, now }
    }

    fn next(&mut self, client: IpAddr, tried: &[SocketAddr]) -> Option<(SocketAddr, Seat)> {
        let Pick { endpoint, seat, .. } = self.ask(client, tried).ok()?;
        Some((endpoint.address, seat))
    }

    fn ask(&mut self, client: IpAddr, tried: &[SocketAddr]) -> Result<Pick, Nobody> {
        self.board.next(&self.rule, Asking { client, tried, now: self.now })
    }

    /// The next for any client, and its place given back at once.
    fn pick(&mut self) -> Option<SocketAddr> {
        self.next(client(1), &[]).map(|(address, _seat)| address)
    }

    fn shares(&mut self) -> HashMap<SocketAddr, usize> {
        let mut shares = HashMap::new();
        for n in 0..PICKS {
            let (address, _seat) = self.next(client(n), &[]).unwrap();
            *shares.entry(address).or_default() += 1;
        }
        shares
    }

    fn fail(&mut self, address: SocketAddr) {
        self.board.failed(address, None, &self.rule, self.now);
    }

    fn check(&mut self, address: SocketAddr, good: bool) {
        let [send, expect] = Default::default();
        let second = Duration::from_secs(1);
        let rule = Check {
            interval: second,
            unhealthy_interval: second,
            unhealthy_timeouts: None,
            port: None,
            timeout: second,
            healthy: 1,
            unhealthy: 1,
            question: Question::Exchange { send, expect },
        };
        let outcome = if good { Outcome::Good } else { Outcome::Bad };
        self.board.checked(address, outcome, &rule, self.now);
    }
}

fn client(n: usize) -> IpAddr {
    Ipv4Addr::from(0x0a01_0000 + u32::try_from(n).unwrap()).into()
}

fn three() -> [Endpoint; 3] {
    [endpoint(1, 5), endpoint(2, 3), endpoint(3, 2)]
}

fn assert_near(shares: &HashMap<SocketAddr, usize>, expected: [usize; 3]) {
    for (n, fair) in (1..).zip(expected) {
        let share = shares[&address(n)];
        // Four standard deviations of so many draws are 2 % of all.
        assert!(share.abs_diff(fair) <= PICKS / 50, "{n}: {share} instead of {fair}: {shares:?}");
    }
}

#[test]
fn round_robin_is_exact() {
    for _ in 0..20 {
        let shares = Fixture::new(Policy::RoundRobin, &three(), &[]).shares();
        assert_eq!(shares, HashMap::from([(address(1), 5000), (address(2), 3000), (address(3), 2000)]));
    }
}

#[test]
fn processes_do_not_all_begin_with_the_same_endpoint() {
    let equal = [1, 2, 3].map(|n| endpoint(n, 1));
    let mut firsts: Vec<_> =
        (0..100).filter_map(|_| Fixture::new(Policy::RoundRobin, &equal, &[]).pick()).collect();
    firsts.sort();
    firsts.dedup();
    assert_eq!(firsts.len(), 3);
}

#[test]
fn random_goes_by_weight_where_none_is_busy() {
    // By weight as long as there is nothing to compare.
    assert_near(&Fixture::new(Policy::Random, &three(), &[]).shares(), [5000, 3000, 2000]);
}

#[test]
fn random_leaves_a_busy_endpoint_alone_and_hardly_ever_prefers_the_busier_of_two() {
    let mut fixture = Fixture::new(Policy::Random, &[1, 2, 3].map(|n| endpoint(n, 1)), &[]);
    let mut seats = Vec::new();
    for n in 0..PICKS {
        seats.push(fixture.next(client(n), &[]).unwrap());
    }
    let mut active = HashMap::<SocketAddr, usize>::new();
    for (address, _) in &seats {
        *active.entry(*address).or_default() += 1;
    }
    // Two choices keep the spread far below that of one, which is about a hundred.
    let (most, least) = (active.values().max().unwrap(), active.values().min().unwrap());
    assert!(most - least <= 10, "{active:?}");
}

#[test]
fn least_connections_fills_up_by_weight_and_follows_ends() {
    let mut fixture = Fixture::new(Policy::LeastConnections, &three(), &[]);
    let mut seats: Vec<_> = (0..PICKS).map(|n| fixture.next(client(n), &[]).unwrap()).collect();
    let count = |seats: &[(SocketAddr, Seat)], n| seats.iter().filter(|(a, _)| *a == address(n)).count();
    assert_eq!([1, 2, 3].map(|n| count(&seats, n)), [5000, 3000, 2000]);
    // Whose connections end gets the next ones.
    seats.retain(|(a, _)| *a != address(2));
    for n in 0..3000 {
        seats.push(fixture.next(client(n), &[]).unwrap());
    }
    assert_eq!(count(&seats, 2), 3000);
}

#[test]
fn least_connections_takes_turns_where_all_are_idle_and_equal() {
    let equal = [1, 2].map(|n| endpoint(n, 7));
    let shares = Fixture::new(Policy::LeastConnections, &equal, &[]).shares();
    assert_eq!(shares, HashMap::from([(address(1), 5000), (address(2), 5000)]));
}

#[test]
fn least_connections_counts_the_one_that_is_to_come() {
    // A connection is 1 for each unit of weight of the heavy one, and 100 for the light one.
    let own = [endpoint(1, 100), endpoint(2, 1)];
    for _ in 0..20 {
        let mut fixture = Fixture::new(Policy::LeastConnections, &own, &[]);
        let held: Vec<_> = (0..99).map(|n| fixture.next(client(n), &[]).unwrap()).collect();
        assert!(held.iter().all(|(chosen, _)| *chosen == address(1)));
    }
}

#[test]
fn source_hash_keeps_clients_and_shares_them_by_weight() {
    let mut fixture = Fixture::new(Policy::SourceHash, &three(), &[]);
    assert_near(&fixture.shares(), [5000, 3000, 2000]);
    let mut turned = three();
    turned.reverse();
    let mut other = Fixture::new(Policy::SourceHash, &turned, &[]);
    for n in 0..1000 {
        let mine = fixture.next(client(n), &[]).unwrap().0;
        assert_eq!(mine, fixture.next(client(n), &[]).unwrap().0);
        assert_eq!(mine, other.next(client(n), &[]).unwrap().0, "another process, another order");
    }
}

#[test]
fn source_hash_moves_only_the_clients_of_an_unhealthy_endpoint_and_back() {
    let mut fixture = Fixture::new(Policy::SourceHash, &[1, 2, 3, 4].map(|n| endpoint(n, 1)), &[]);
    let all = |fixture: &mut Fixture| -> Vec<_> {
        (0..1000).map(|n| fixture.next(client(n), &[]).unwrap().0).collect()
    };
    let before = all(&mut fixture);
    fixture.fail(address(2));
    let meanwhile = all(&mut fixture);
    assert!(!meanwhile.contains(&address(2)));
    assert!(before.iter().zip(&meanwhile).all(|(b, m)| *b == address(2) || b == m));
    fixture.now += Duration::from_secs(30);
    assert_eq!(all(&mut fixture), before);
}

#[test]
fn source_hash_finds_an_endpoint_too_light_for_a_place() {
    let mut fixture = Fixture::new(Policy::SourceHash, &[endpoint(1, 1), endpoint(2, 1_000_000)], &[]);
    assert_eq!(fixture.next(client(1), &[address(2)]).map(|(a, _)| a), Some(address(1)));
}

#[test]
fn what_was_tried_is_not_tried_again_and_after_all_comes_nothing() {
    for policy in EVERY {
        let mut fixture = Fixture::new(policy, &three(), &[endpoint(9, 1)]);
        let mut tried = Vec::new();
        while let Some((address, _)) = fixture.next(client(7), &tried) {
            assert!(!tried.contains(&address), "{policy:?}");
            tried.push(address);
        }
        assert_eq!(tried.len(), 4, "{policy:?}");
        assert_eq!(tried[3], address(9), "{policy:?}: the backup is the last");
    }
}

#[test]
fn backups_are_used_while_no_other_is_healthy() {
    let mut fixture = Fixture::new(Policy::RoundRobin, &[endpoint(1, 1)], &[endpoint(9, 1)]);
    assert_eq!(fixture.pick(), Some(address(1)));
    fixture.check(address(1), false);
    assert_eq!(fixture.pick(), Some(address(9)));
    fixture.check(address(9), false);
    fixture.board.events.clear();
    for _ in 0..3 {
        assert_eq!(fixture.pick(), Some(address(1)), "with none healthy, its own are as good");
    }
    assert_eq!(fixture.board.events, [Event::TooFewHealthy], "told once");
    fixture.check(address(1), true);
    fixture.board.events.clear();
    for _ in 0..3 {
        assert_eq!(fixture.pick(), Some(address(1)));
    }
    assert_eq!(fixture.board.events, [Event::EnoughHealthy]);
}

#[test]
fn ejections_stop_at_their_share() {
    let mut fixture = Fixture::new(Policy::RoundRobin, &[1, 2, 3, 4].map(|n| endpoint(n, 1)), &[]);
    for n in 1..=4 {
        fixture.fail(address(n));
    }
    let left: Vec<_> = (0..100).filter_map(|_| fixture.pick()).filter(|a| *a == address(1)).collect();
    assert!(left.is_empty());
    assert_eq!(fixture.board.events.len(), 2, "half of four: {:?}", fixture.board.events);
    // Where the list shrinks around the ejected, all are used again.
    fixture.board.set(&[1, 2, 3].map(|n| endpoint(n, 1)), &[], fixture.now);
    // Two full turns: the third may have been owed some from before.
    assert!((0..6).any(|_| fixture.pick() == Some(address(1))));
}

#[test]
fn a_lone_endpoint_is_never_ejected() {
    let mut fixture = Fixture::new(Policy::RoundRobin, &[endpoint(1, 1)], &[]);
    fixture.fail(address(1));
    assert_eq!((fixture.pick(), fixture.board.events.len()), (Some(address(1)), 0));
}

#[test]
fn an_operators_word_stands_even_where_nothing_is_left() {
    let mut fixture = Fixture::new(Policy::RoundRobin, &[1, 2].map(|n| endpoint(n, 1)), &[]);
    fixture.board.member(address(1)).unwrap().order = Order::Drained;
    assert!((0..10).all(|_| fixture.pick() == Some(address(2))));
    fixture.board.member(address(2)).unwrap().reweighted = Some(0);
    assert_eq!(fixture.pick(), None);
    fixture.board.member(address(1)).unwrap().order = Order::Disabled;
    fixture.check(address(1), false);
    assert!(fixture.board.events.is_empty(), "a disabled one is not checked");
}

#[test]
fn ipv6_comes_first_and_after_a_failure_the_other_family() {
    let six = |n: u16| Endpoint::new(SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, n], 80)));
    let own = [endpoint(1, 1), endpoint(2, 1), six(1), six(2)];
    let mut fixture = Fixture::new(Policy::RoundRobin, &own, &[]);
    let mut tried = Vec::new();
    while let Some((address, _)) = fixture.next(client(1), &tried) {
        tried.push(address);
    }
    assert_eq!(tried.iter().map(SocketAddr::is_ipv6).collect::<Vec<_>>(), [true, false, true, false]);
    assert!((0..10).all(|_| fixture.pick().unwrap().is_ipv6()));
    // A family that is dead is left alone as a whole: half of all may be ejected.
    fixture.fail(six(1).address);
    fixture.fail(six(2).address);
    assert!((0..10).all(|_| fixture.pick().unwrap().is_ipv4()));
}

#[test]
fn one_that_comes_back_starts_slowly() {
    let mut fixture = Fixture::new(Policy::RoundRobin, &[1, 2].map(|n| endpoint(n, 1)), &[]);
    fixture.rule.slow_start = Duration::from_secs(100);
    assert_eq!(fixture.shares()[&address(1)], PICKS / 2, "at first all have their full share");
    fixture.check(address(1), false);
    fixture.check(address(1), true);
    for (after, share) in [(0, 1.0 / 11.0), (25, 0.25 / 1.25), (25, 0.5 / 1.5), (50, 0.5)] {
        fixture.now += Duration::from_secs(after);
        let expected = PICKS as f64 * share;
        let got = fixture.shares()[&address(1)];
        assert!((got as f64 - expected).abs() < 3.0, "{got} instead of {expected}");
    }
}

#[test]
fn what_is_known_stays_with_the_address_and_goes_with_it() {
    let mut fixture = Fixture::new(Policy::RoundRobin, &[1, 2, 3].map(|n| endpoint(n, 1)), &[]);
    fixture.board.member(address(1)).unwrap().order = Order::Drained;
    let (_, seat) = fixture.next(client(1), &[address(3)]).unwrap();
    fixture.board.set(&[2, 1].map(|n| endpoint(n, 7)), &[endpoint(4, 1)], fixture.now);
    let kept = fixture.board.member(address(2)).unwrap();
    assert_eq!((kept.active.load(std::sync::atomic::Ordering::Relaxed), kept.weight()), (1, 7));
    drop(seat);
    assert!((0..10).all(|_| fixture.pick() == Some(address(2))), "1 is drained, 4 a backup");
    fixture.board.set(&[endpoint(2, 1)], &[], fixture.now);
    fixture.board.set(&[1, 2].map(|n| endpoint(n, 1)), &[], fixture.now);
    assert!((0..2).any(|_| fixture.pick() == Some(address(1))), "gone and come back, it is new");
}

/// Of the second of two targets.
fn second(n: u8) -> Endpoint {
    Endpoint { target: 1, ..endpoint(n, 1) }
}

#[test]
fn families_are_two_ways_to_one_target_and_not_to_two() {
    let six = Endpoint { address: SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, 2], 80)), ..second(2) };
    // One target of IPv4 alone, one of both.
    let mut fixture = Fixture::new(Policy::RoundRobin, &[endpoint(1, 1), second(2), six], &[]);
    let shares = fixture.shares();
    assert_eq!(shares, HashMap::from([(address(1), PICKS / 2), (six.address, PICKS / 2)]));
    // The other family comes in where the first fails, and is waited for after it alone.
    assert_eq!(fixture.board.left(&fixture.rule, &[six.address]), (2, true));
    assert_eq!(fixture.board.left(&fixture.rule, &[address(1)]), (2, false));
    fixture.check(six.address, false);
    let shares = fixture.shares();
    assert_eq!(shares, HashMap::from([(address(1), PICKS / 2), (address(2), PICKS / 2)]));
}

#[test]
fn whom_a_connection_is_for_says_of_which_target_it_is() {
    let mut fixture = Fixture::new(Policy::RoundRobin, &[endpoint(1, 0), second(2)], &[]);
    let picked = fixture.ask(client(1), &[]).unwrap();
    assert_eq!((picked.endpoint, picked.backup), (second(2), false));
}

#[test]
fn the_faster_of_two_is_taken_until_what_is_known_has_faded() {
    let mut fixture = Fixture::new(Policy::Latency, &[1, 2].map(|n| endpoint(n, 1)), &[]);
    let ms = Duration::from_millis;
    fixture.board.connected(address(1), ms(1), fixture.now);
    assert!((0..20).all(|_| fixture.pick() == Some(address(2))), "nothing is known of it yet");
    let under_way = fixture.next(client(1), &[]).unwrap();
    assert!((0..20).all(|_| fixture.pick() == Some(address(1))), "its first connection is not made yet");
    drop(under_way);
    fixture.board.connected(address(2), ms(100), fixture.now);
    assert!((0..20).all(|_| fixture.pick() == Some(address(1))));
    // A hundred times as much is e^4.6: 46 s of 10 s decay, while the other is told again.
    for (seconds, taken) in [(45, address(1)), (2, address(2))] {
        fixture.now += Duration::from_secs(seconds);
        fixture.board.connected(address(1), ms(1), fixture.now);
        assert!((0..20).all(|_| fixture.pick() == Some(taken)), "after {seconds} s more");
    }
    // What came to nothing took at least as long.
    fixture.board.failed(address(2), Some(ms(500)), &Balancing::default(), fixture.now);
    assert!((0..20).all(|_| fixture.pick() == Some(address(1))));
}

#[test]
fn a_heavier_endpoint_may_be_as_much_slower() {
    let mut fixture = Fixture::new(Policy::Latency, &[endpoint(1, 3), endpoint(2, 1)], &[]);
    fixture.board.connected(address(1), Duration::from_millis(29), fixture.now);
    fixture.board.connected(address(2), Duration::from_millis(10), fixture.now);
    assert!((0..20).all(|_| fixture.pick() == Some(address(1))));
    fixture.board.connected(address(1), Duration::from_millis(31), fixture.now);
    assert!((0..20).all(|_| fixture.pick() == Some(address(2))));
}

#[test]
fn among_three_weights_have_their_say_over_who_is_compared() {
    let mut fixture = Fixture::new(Policy::Latency, &three(), &[]);
    // As slow as they are heavy: nothing to choose by, so that the first drawn is taken.
    for endpoint in three() {
        let took = Duration::from_secs(endpoint.weight.into());
        fixture.board.connected(endpoint.address, took, fixture.now);
    }
    assert_near(&fixture.shares(), [5000, 3000, 2000]);
}

#[test]
fn a_quorum_refuses_connections_and_never_takes_the_unhealthy() {
    let mut fixture = Fixture::new(Policy::RoundRobin, &three(), &[]);
    fixture.rule.quorum = Some(50);
    assert!(fixture.pick().is_some());
    fixture.check(address(3), false);
    fixture.board.events.clear();
    let mut tried = Vec::new();
    while let Some((address, _)) = fixture.next(client(1), &tried) {
        tried.push(address);
    }
    tried.sort();
    assert_eq!(tried, [address(1), address(2)], "80 % are healthy");
    assert_eq!(fixture.ask(client(1), &tried).unwrap_err(), Nobody::Left);
    fixture.check(address(2), false);
    fixture.board.events.clear();
    assert_eq!(fixture.ask(client(1), &[]).unwrap_err(), Nobody::Quorum, "50 % are not more than 50 %");
    assert_eq!(fixture.ask(client(1), &[]).unwrap_err(), Nobody::Quorum);
    assert_eq!(fixture.board.events, [Event::TooFewHealthy], "told once");
    fixture.rule.quorum = Some(49);
    assert_eq!(fixture.pick(), Some(address(1)));
    assert_eq!(fixture.board.events.last(), Some(&Event::EnoughHealthy));
    fixture.check(address(1), false);
    fixture.rule.quorum = Some(0);
    assert_eq!(fixture.ask(client(1), &[]).unwrap_err(), Nobody::Quorum);
    fixture.rule.quorum = None;
    assert!(fixture.pick().is_some());
}

#[test]
fn a_quorum_is_each_services_own_and_knows_only_who_takes_connections() {
    let mut fixture = Fixture::new(Policy::RoundRobin, &[1, 2].map(|n| endpoint(n, 1)), &[endpoint(9, 1)]);
    fixture.rule.quorum = Some(50);
    fixture.check(address(1), false);
    assert!((0..4).all(|_| fixture.pick() == Some(address(9))), "the backup has its own");
    fixture.board.member(address(1)).unwrap().order = Order::Drained;
    assert!((0..4).all(|_| fixture.pick() == Some(address(2))), "who is drained does not count");
    fixture.board.member(address(2)).unwrap().order = Order::Drained;
    fixture.board.member(address(9)).unwrap().order = Order::Drained;
    assert_eq!(fixture.ask(client(1), &[]).unwrap_err(), Nobody::Left, "operators drained all");
}

#[test]
fn who_has_no_weight_is_not_checked() {
    let mut fixture = Fixture::new(Policy::RoundRobin, &[endpoint(1, 0), endpoint(2, 1)], &[]);
    fixture.check(address(1), false);
    assert!(fixture.board.events.is_empty());
    assert!(!fixture.board.members()[0].is_checked() && fixture.board.members()[1].is_checked());
}
