//! `sk_skb/stream_verdict`: what becomes of each segment that a source received.

use core::ptr::{addr_of, addr_of_mut};

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::sk_action::{SK_DROP, SK_PASS};
use aya_ebpf::helpers::generated::{bpf_get_smp_processor_id, bpf_get_socket_cookie};
use aya_ebpf::macros::stream_verdict;
use aya_ebpf::programs::SkBuffContext;
use aya_log_ebpf::debug;
use proxy_common::{FLAG_LOG, FLAG_PASS, KernelLane, LaneKey, SEGMENT_CHARGE, STARTED, UserLane};

use crate::maps::{CPUS, EVENTS, KERNEL_LANES, LANES, MAPPING_COUNTERS, MAPPINGS, SOCKETS, USER_LANES};

/// Redirects a segment to the lane's destination while credit lasts and nothing that came
/// before it is still on its way through the agent; else hands it to the agent.
#[stream_verdict]
fn relay(ctx: SkBuffContext) -> u32 {
    verdict(&ctx, false)
}

/// The same, and tells of each verdict where the mapping wants that.
///
/// A program of its own, which few load: without CAP_PERFMON older kernels (6.1, seen) refuse it, since their
/// verifier also goes where a processor would by misprediction, past the end of the record that is written.
#[stream_verdict]
fn relay_and_tell(ctx: SkBuffContext) -> u32 {
    verdict(&ctx, true)
}

#[inline(always)]
fn verdict(ctx: &SkBuffContext, tells: bool) -> u32 {
    let len = u64::from(ctx.len());
    // A bare FIN arrives as an empty segment; redirecting it would put EPIPE on the destination.
    if len == 0 {
        return SK_DROP;
    }
    // SAFETY: the context is the one this program was called with.
    let cookie = unsafe { bpf_get_socket_cookie(ctx.as_ptr()) };
    // SAFETY: the agent never changes an entry, and deletes it only once both sockets are closed.
    let Some(&LaneKey { peer, slot, mapping }) = (unsafe { LANES.get(cookie) }) else {
        return SK_PASS;
    };
    let (Some(kernel), Some(user)) = (KERNEL_LANES.get_ptr_mut(slot), USER_LANES.get_ptr(slot)) else {
        return SK_PASS;
    };
    let lane = Lane { kernel, user, slot };
    let Some(len) = lane.fresh(ctx, len) else {
        lane.give_up(len);
        return SK_PASS;
    };
    // What is left is a FIN, as bare as one that came alone.
    if len == 0 {
        return SK_DROP;
    }
    let flags = MAPPINGS.get(mapping).map_or(0, |m| m.flags);

    let redirected =
        flags & FLAG_PASS == 0 && lane.is_open() && SOCKETS.redirect_skb(ctx, peer, 0) == i64::from(SK_PASS);
    if redirected {
        lane.charge(len);
        count(mapping, slot, len);
    } else {
        lane.pass(len);
    }
    if tells && flags & FLAG_LOG != 0 {
        debug!(ctx, "slot {}: {} bytes, redirected {}", slot, len, u8::from(redirected));
    }
    SK_PASS
}

/// A lane as the verdict sees it. Plain stores suffice: the source's socket lock makes this the
/// only writer of `kernel`, and the agent the only writer of `user`; volatile keeps each access
/// a single one.
struct Lane {
    kernel: *mut KernelLane,
    user: *const UserLane,
    slot: u32,
}

impl Lane {
    /// Whether the kernel path may take the next segment.
    #[inline(always)]
    fn is_open(&self) -> bool {
        read(self.passed()) == read(self.done()) && read(self.charged()) < read(self.limit())
    }

    /// Cuts off what an earlier segment brought already; the length of what is new, which is 0 where that is a FIN
    /// alone. `None` when the segment does not fit the ones before it.
    ///
    /// A retransmission may overlap what was received: a sender that probes a shut window sends a
    /// part of a segment, and later the whole of it. recv(2) skips that part; tcp_read_skb, which
    /// feeds this program, hands it out again (as of Linux 7.3), and then counts it as read twice.
    #[inline(always)]
    fn fresh(&self, ctx: &SkBuffContext, len: u64) -> Option<u64> {
        // skb->cb still is TCP's control block, which begins with the segment's sequence number:
        // nothing clears it for sk_skb programs.
        let seq = ctx.skb.cb()[0];
        let before = read(self.next());
        let mut len = low(len);
        if before & STARTED != 0 {
            let overlap = low(before).wrapping_sub(seq);
            if overlap != 0 {
                if overlap > len || !cut(ctx, overlap) {
                    return None;
                }
                len -= overlap;
                write(self.trimmed(), read(self.trimmed()) + u64::from(overlap));
                write(self.next(), STARTED | u64::from(low(before).wrapping_add(len)));
                return Some(len.into());
            }
        }
        write(self.next(), STARTED | u64::from(seq.wrapping_add(len)));
        Some(len.into())
    }

    /// Has the agent reset the connection: better no byte than a wrong one.
    #[inline(always)]
    fn give_up(&self, len: u64) {
        write(self.broken(), 1);
        self.pass(len);
    }

    /// Counts a redirected segment, and calls the agent when credit runs low.
    #[inline(always)]
    fn charge(&self, len: u64) {
        // SAFETY: the verifier proved the pointer when the map lookup succeeded.
        let redirected = unsafe { addr_of_mut!((*self.kernel).redirected) };
        write(redirected, read(redirected) + len);
        let before = read(self.charged());
        let after = before + len + SEGMENT_CHARGE;
        write(self.charged(), after);
        let early = read(self.early());
        if before < early && after >= early {
            self.call_agent();
        }
    }

    /// Counts a segment that stays with the agent, and calls it: it may have seen
    /// `done == passed` a moment before, so every such segment calls.
    #[inline(always)]
    fn pass(&self, len: u64) {
        write(self.passed(), read(self.passed()) + len);
        self.call_agent();
    }

    #[inline(always)]
    fn call_agent(&self) {
        if EVENTS.output::<u32>(self.slot, 0).is_ok() {
            return;
        }
        // SAFETY: no argument, no effect.
        let cpu = unsafe { bpf_get_smp_processor_id() };
        if let Some(counters) = CPUS.get_ptr_mut(cpu) {
            // SAFETY: this CPU's own value; verdicts run with bottom halves off.
            let lost = unsafe { addr_of_mut!((*counters).lost) };
            write(lost, read(lost) + 1);
        }
    }

    #[inline(always)]
    fn passed(&self) -> *mut u64 {
        // SAFETY: the verifier proved the pointer when the map lookup succeeded.
        unsafe { addr_of_mut!((*self.kernel).passed) }
    }

    #[inline(always)]
    fn charged(&self) -> *mut u64 {
        // SAFETY: the verifier proved the pointer when the map lookup succeeded.
        unsafe { addr_of_mut!((*self.kernel).charged) }
    }

    #[inline(always)]
    fn next(&self) -> *mut u64 {
        // SAFETY: the verifier proved the pointer when the map lookup succeeded.
        unsafe { addr_of_mut!((*self.kernel).next) }
    }

    #[inline(always)]
    fn trimmed(&self) -> *mut u64 {
        // SAFETY: the verifier proved the pointer when the map lookup succeeded.
        unsafe { addr_of_mut!((*self.kernel).trimmed) }
    }

    #[inline(always)]
    fn broken(&self) -> *mut u64 {
        // SAFETY: the verifier proved the pointer when the map lookup succeeded.
        unsafe { addr_of_mut!((*self.kernel).broken) }
    }

    #[inline(always)]
    fn done(&self) -> *const u64 {
        // SAFETY: the verifier proved the pointer when the map lookup succeeded.
        unsafe { addr_of!((*self.user).done) }
    }

    #[inline(always)]
    fn limit(&self) -> *const u64 {
        // SAFETY: the verifier proved the pointer when the map lookup succeeded.
        unsafe { addr_of!((*self.user).limit) }
    }

    #[inline(always)]
    fn early(&self) -> *const u64 {
        // SAFETY: the verifier proved the pointer when the map lookup succeeded.
        unsafe { addr_of!((*self.user).early) }
    }
}

/// Most that one call of bpf_skb_adjust_room takes off.
const CUT: u32 = 0xfff;

/// The same statements 64 times, one behind the other.
macro_rules! sixty_four_times {
    ($step:block) => {
        four_times!({ four_times!({ four_times!($step) }) })
    };
}

macro_rules! four_times {
    ($step:block) => {{
        $step
        $step
        $step
        $step
    }};
}

/// Takes `bytes` off a segment's front.
///
/// No loop: without CAP_PERFMON the verifier also goes where a processor would by misprediction, past the end of a
/// loop that it has just counted out, until it gives up ("the sequence of 8193 jumps is too complex").
#[inline(always)]
fn cut(ctx: &SkBuffContext, bytes: u32) -> bool {
    let mut left = bytes;
    // A segment is at most 64 KiB, but coalesced ones may be longer; what is beyond this fails.
    sixty_four_times!({
        let now = if left > CUT { CUT } else { left };
        if ctx.skb.adjust_room(-now.cast_signed(), 0, 0).is_err() {
            return false;
        }
        left -= now;
        if left == 0 {
            return true;
        }
    });
    false
}

#[inline(always)]
fn count(mapping: u32, slot: u32, len: u64) {
    if let Some(counters) = MAPPING_COUNTERS.get_ptr_mut(mapping) {
        // SAFETY: this CPU's own value; verdicts run with bottom halves off, so nothing else
        // on this CPU writes it meanwhile.
        unsafe {
            if slot & 1 == 0 {
                (*counters).received += len;
            } else {
                (*counters).sent += len;
            }
            (*counters).segments += 1;
        }
    }
}

/// The lower half: a sequence number, or a segment's length.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is asked for")]
fn low(value: u64) -> u32 {
    value as u32
}

#[inline(always)]
fn read(field: *const u64) -> u64 {
    // SAFETY: fields of map values, proven by the verifier.
    unsafe { field.read_volatile() }
}

#[inline(always)]
fn write(field: *mut u64, value: u64) {
    // SAFETY: fields of map values, proven by the verifier.
    unsafe { field.write_volatile(value) }
}
