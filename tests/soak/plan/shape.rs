//! One connection's shape, from the seed and its number alone.

use std::time::Duration;

use crate::route::Route;

/// How a connection ends, and so who speaks when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Ending {
    /// Both speak at once, and each ends when it has spoken.
    Together,
    /// The same, but the client ends only when the server has.
    ClientLast,
    /// The same, but the server ends only when the client has.
    ServerLast,
    /// The client speaks once the server has ended.
    ClientAnswers,
    /// The server speaks once the client has ended.
    ServerAnswers,
    /// The client resets in the midst of it.
    ClientResets,
    /// The server does.
    ServerResets,
    /// The client closes in the midst of it, without a word.
    ClientLeaves,
    /// Nobody ends: the idle timeout does.
    Idle,
    /// The client ends without having said anything.
    Mute,
}

/// How fast one side writes or reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Most bytes of one call.
    pub(crate) chunk: usize,
    /// Bytes between pauses.
    pub(crate) every: usize,
    pub(crate) pause: Duration,
}

/// What one side does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    /// Bytes that it says, behind the tag or the greeting.
    pub(crate) says: usize,
    pub(crate) writes: Pace,
    pub(crate) reads: Pace,
}

/// A whole connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) route: Route,
    pub(crate) ending: Ending,
    pub(crate) client: Part,
    pub(crate) server: Part,
    /// Whether the client waits for the server's greeting before it speaks.
    pub(crate) waits: bool,
    /// Between the last word and a reset or a close.
    pub(crate) hold: Duration,
}

/// Largest stream: what a connection may add in either direction, and a few times more than a window's start.
const MOST: f64 = (4 << 20) as f64;

impl Shape {
    /// Of a connection of a run.
    pub(super) fn draw(rng: &mut fastrand::Rng) -> Self {
        let mut route = Route::draw(rng);
        let mut ending = match rng.u32(0..100) {
            0..24 => Ending::Together,
            24..36 => Ending::ClientLast,
            36..50 => Ending::ServerLast,
            50..60 => Ending::ClientAnswers,
            60..72 => Ending::ServerAnswers,
            72..80 => Ending::ClientResets,
            80..88 => Ending::ServerResets,
            88..94 => Ending::ClientLeaves,
            94..97 => Ending::Idle,
            _ => Ending::Mute,
        };
        // Silence ends a connection where it is meant to, and only there.
        match (ending, route) {
            (Ending::Idle, _) => route = Route::Idle,
            (_, Route::Idle) => ending = Ending::Idle,
            _ => {}
        }
        let most = if ending == Ending::Idle { 2000.0 } else { MOST };
        let hold = Duration::from_millis(if rng.bool() { 0 } else { rng.u64(0..300) });
        let breaks = matches!(ending, Ending::ClientResets | Ending::ClientLeaves | Ending::Idle);
        Self {
            route,
            ending,
            client: Part::draw(rng, most),
            server: Part::draw(rng, most),
            // Who breaks off does so once the connection is there from end to end.
            waits: breaks || rng.bool(),
            hold,
        }
    }

    /// Whether both sides say all and end in order.
    pub(crate) fn is_orderly(&self) -> bool {
        use Ending as E;
        matches!(
            self.ending,
            E::Together | E::ClientLast | E::ServerLast | E::ClientAnswers | E::ServerAnswers
        )
    }
}

impl Part {
    fn draw(rng: &mut fastrand::Rng, most: f64) -> Self {
        // As many of a few bytes as of some megabytes.
        let says = if rng.u32(0..12) == 0 { 0 } else { most.powf(rng.f64()) as usize };
        let stalls = most > 10_000.0;
        Self { says, writes: Pace::draw(rng, says, stalls), reads: Pace::draw(rng, 1 << 20, stalls) }
    }
}

impl Pace {
    fn draw(rng: &mut fastrand::Rng, len: usize, stalls: bool) -> Self {
        /// Calls of a stream, so that none takes minutes.
        const CALLS: usize = 2000;
        let chunk = [7, 1400, 16 << 10, 64 << 10, 64 << 10][rng.usize(0..5)].max(len / CALLS);
        let pause = match rng.u32(0..20) {
            _ if !stalls => 0,
            0..11 => 0,
            11..17 => rng.u64(1..100),
            17..19 => rng.u64(100..700),
            // A reader that stalls for longer than a window takes to fill.
            _ => rng.u64(700..2500),
        };
        let times = if pause > 300 { 2 } else { rng.usize(1..6) };
        Self { chunk, every: (len / times).max(1), pause: Duration::from_millis(pause) }
    }
}
