use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use super::datapath::conclusion;
use super::pair::{Event, Events, Mailbox, PairEnd, Token};

/// What the pair that has the mailbox finds in it.
fn found(mailbox: &Mailbox) -> Events {
    match mailbox.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(events) => events,
        Poll::Pending => Events::default(),
    }
}

#[test]
fn word_for_a_pair_is_not_left_to_the_next_one() {
    let mailbox = Mailbox::default();
    let fin = Events::one(PairEnd::Upstream, Event::PeerClosed);
    let first = mailbox.move_in();
    mailbox.post_to(first, fin);
    assert_eq!(found(&mailbox), fin);
    assert_eq!(found(&mailbox), Events::default());
    mailbox.post_to(first, fin);
    let second = mailbox.move_in();
    assert_eq!(found(&mailbox), Events::default(), "not taken in time");
    mailbox.post_to(first, fin);
    assert_eq!(found(&mailbox), Events::default(), "too late");
    mailbox.post(Events::NUDGE);
    mailbox.post_to(second, fin);
    let both = found(&mailbox);
    assert!(both.has_nudge() && both.has(PairEnd::Upstream, Event::PeerClosed));
}

/// To be run under miri too, which interleaves threads and reorders memory as it likes.
#[test]
fn word_left_while_its_reader_falls_asleep_wakes_it() {
    let mailbox = Mailbox::default();
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    for _ in 0..20 {
        let before = mailbox.move_in();
        let now = mailbox.move_in();
        let fin = Events::one(PairEnd::Upstream, Event::PeerClosed);
        thread::scope(|scope| {
            scope.spawn(|| mailbox.post_to(before, Events::one(PairEnd::Downstream, Event::PeerClosed)));
            scope.spawn(|| mailbox.post_to(now, fin));
            let events = loop {
                match mailbox.poll(&mut Context::from_waker(&waker)) {
                    Poll::Ready(events) => break events,
                    Poll::Pending => thread::park(),
                }
            };
            assert_eq!(events, fin);
        });
    }
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[test]
fn tokens_tell_slot_and_pair() {
    for token in
        [Token { tenant: 0, slot: 0 }, Token { tenant: 7, slot: 9 }, Token { tenant: u32::MAX, slot: 1 }]
    {
        assert_eq!(Token::from(u64::from(token)), token);
        assert_ne!(u64::from(token), super::reactor::RING_TOKEN);
    }
}

#[test]
fn of_what_the_verifier_says_the_conclusion_is_kept() {
    let log = "0: R1=ctx() R10=fp0\n137: (55) if r1 != 0x0 goto pc+23\nThe sequence of 8193 jumps is too complex.\n\
               verification time 869316 usec\nstack depth 80\nprocessed 120532 insns (limit 1000000)\n\n";
    assert_eq!(conclusion(log), Some("The sequence of 8193 jumps is too complex."));
    assert_eq!(conclusion(""), None);
}
