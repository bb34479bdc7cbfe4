//! Consistent hashing after "Maglev: A Fast and Reliable Software Network Load Balancer" (NSDI 2016), section 3.4.

use std::net::IpAddr;

/// Places of a table: the paper's, Envoy's and a prime. A hundred endpoints' shares differ by 1 % then.
pub(super) const PLACES: usize = 65_537;

/// Which endpoint has each place. Made of the same endpoints it is the same, in any process.
#[derive(Debug)]
pub(super) struct Maglev(Box<[u16]>);

impl Maglev {
    /// Fills a table with indexes into `members`, each a key that stays (the endpoint's own) and a weight;
    /// `None` when none has a weight.
    pub(super) fn new(members: &[(u64, u32)]) -> Option<Self> {
        let most = u64::from(members.iter().map(|(_, weight)| *weight).max().filter(|most| *most > 0)?);
        // In the order of their keys, so that the order of a resolver's answer does not matter.
        let mut turns: Vec<Turn> =
            (0u16..).zip(members).map(|(index, (key, weight))| Turn::new(index, *key, *weight)).collect();
        turns.sort_unstable_by_key(|turn| turn.key);
        let mut places = vec![u16::MAX; PLACES].into_boxed_slice();
        let mut taken = vec![false; PLACES];
        let mut left = PLACES;
        // The heaviest takes a place in each round, others in as many as their weight is of its.
        loop {
            for turn in &mut turns {
                turn.credit += turn.weight;
                if turn.credit < most {
                    continue;
                }
                turn.credit -= most;
                let place = turn.next_free(&taken);
                (places[place], taken[place]) = (turn.index, true);
                left -= 1;
                if left == 0 {
                    return Some(Self(places));
                }
            }
        }
    }

    /// Indexes for a client: its own first, then in an order that is its own too, until all places were told.
    pub(super) fn walk(&self, client: IpAddr) -> impl Iterator<Item = usize> {
        let hash = of_address(client);
        let (at, step) = (reduce(hash, PLACES), 1 + reduce(mix(hash), PLACES - 1));
        // A step below a prime comes by every place.
        (0..PLACES).map(move |n| usize::from(self.0[(at + n * step) % PLACES]))
    }
}

/// An endpoint while a table is filled: its own permutation of the places, and how far it is in it.
struct Turn {
    index: u16,
    key: u64,
    weight: u64,
    credit: u64,
    next: usize,
    skip: usize,
}

impl Turn {
    fn new(index: u16, key: u64, weight: u32) -> Self {
        let (next, skip) = (reduce(key, PLACES), 1 + reduce(mix(key), PLACES - 1));
        Self { index, key, weight: weight.into(), credit: 0, next, skip }
    }

    fn next_free(&mut self, taken: &[bool]) -> usize {
        loop {
            let place = self.next;
            self.next = (self.next + self.skip) % PLACES;
            if !taken[place] {
                return place;
            }
        }
    }
}

/// A number of an address that is the same in every process.
pub(super) fn of_address(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(v4) => mix(u32::from(v4).into()),
        IpAddr::V6(v6) => {
            let [high, low] = [v6.to_bits() >> 64, v6.to_bits() & u128::from(u64::MAX)]
                .map(|half| u64::try_from(half).unwrap_or_default());
            mix(mix(high) ^ low)
        }
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every bit of the number has a say in every bit.
pub(super) const fn mix(number: u64) -> u64 {
    let n = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

fn reduce(hash: u64, below: usize) -> usize {
    usize::try_from(hash % below as u64).unwrap_or_default()
}
