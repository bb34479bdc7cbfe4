//! A run as it is meant, wholly from its seed: every connection's shape and every disturbance.

mod schedule;
mod shape;

pub(crate) use schedule::{Birth, Disturbance, Step};
pub(crate) use shape::{Ending, Pace, Part, Shape};

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::route::{Config, Route};

/// The tag that begins every stream of a client: the connection's number, and proof that it is meant.
pub(crate) const TAG: usize = 16;

/// What a server answers the tag with, where its client waits for that.
pub(crate) const GREETING: &[u8] = b"!";

/// What all of a run follows from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// Every connection has the shape of this one, and nothing is disturbed.
    pub(crate) only: Option<u64>,
}

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Client,
    Server,
}

impl Plan {
    /// A connection's shape.
    pub(crate) fn shape(&self, number: u64) -> Shape {
        Shape::draw(&mut self.rng(0, self.only.unwrap_or(number)))
    }

    /// What the bytes follow from that one side of a connection says.
    pub(crate) fn words(&self, number: u64, who: Who) -> u64 {
        self.rng(1 + who as u64, number).u64(..)
    }

    /// The tag of a connection.
    pub(crate) fn tag(&self, number: u64) -> [u8; TAG] {
        let mut tag = [0; TAG];
        tag[..8].copy_from_slice(&number.to_le_bytes());
        tag[8..].copy_from_slice(&self.rng(3, number).u64(..).to_le_bytes());
        tag
    }

    /// Whose tag it is.
    pub(crate) fn number_of(&self, tag: [u8; TAG]) -> Option<u64> {
        let [a, b, c, d, e, f, g, h, ..] = tag;
        let number = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        (self.tag(number) == tag).then_some(number)
    }

    /// What the first sluice is started with.
    pub(crate) fn birth(&self) -> Birth {
        Birth::draw(&mut self.rng(4, 0))
    }

    /// What happens in a round, in order and without an end; `replace` where processes may be replaced, too.
    pub(crate) fn steps(
        &self,
        round: u64,
        config: &Config,
        replace: bool,
    ) -> impl Iterator<Item = Step> + use<> {
        let (mut rng, mut kinds, mut config) = (self.rng(5, round), Vec::new(), config.clone());
        let quiet = self.only.is_some();
        std::iter::from_fn(move || (!quiet).then(|| Step::draw(&mut rng, &mut kinds, &mut config, replace)))
    }

    /// Independent of all other purposes and numbers.
    fn rng(&self, purpose: u64, number: u64) -> fastrand::Rng {
        let mut rng = fastrand::Rng::with_seed(self.seed);
        for part in [purpose, number] {
            let mixed = rng.u64(..) ^ part.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            rng = fastrand::Rng::with_seed(mixed);
        }
        rng
    }
}

/// Where a connection comes from: an address that no other of four million has, so that the access log tells
/// which one it is about.
pub(crate) fn source(number: u64, route: Route) -> IpAddr {
    let [.., a, b, c] = number.to_be_bytes();
    match route.is_ipv6() {
        false => Ipv4Addr::new(127, 64 | (a & 63), b, c).into(),
        true => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, u16::from(a & 63), u16::from_be_bytes([b, c])).into(),
    }
}

/// The number of the connection that comes from there, as far as an address can tell.
pub(crate) fn number_at(source: IpAddr) -> Option<u64> {
    let [a, b, c] = match source {
        IpAddr::V4(v4) => match v4.octets() {
            [127, a @ 64..128, b, c] => [a & 63, b, c],
            _ => return None,
        },
        IpAddr::V6(v6) => match v6.octets() {
            [0xfd, .., a, b, c] => [a, b, c],
            _ => return None,
        },
    };
    Some(u64::from_be_bytes([0, 0, 0, 0, 0, a, b, c]))
}
