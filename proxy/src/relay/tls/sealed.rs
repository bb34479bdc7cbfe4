//! How much cleartext a peer can read of what was sent to it: nothing of a record that is not whole.

use std::collections::VecDeque;

/// Records for which room is kept: a batch of full ones.
const KEPT: usize = 8;

/// The records in one output. Both counts are bytes since the relay began.
#[derive(Debug, Default)]
pub(super) struct Sealed {
    records: VecDeque<Record>,
    delivered: u64,
}

#[derive(Debug)]
struct Record {
    /// What is sent once its last byte is.
    until: u64,
    /// The cleartext that is delivered then.
    cleartext: u64,
}

impl Sealed {
    /// A record was appended.
    pub(super) fn push(&mut self, until: u64, cleartext: u64) {
        self.records.push_back(Record { until, cleartext });
    }

    /// Everything before `sent` is sent.
    pub(super) fn advance(&mut self, sent: u64) {
        while let Some(record) = self.records.pop_front_if(|record| record.until <= sent) {
            self.delivered = record.cleartext;
        }
        if self.records.is_empty() {
            self.records.shrink_to(KEPT);
        }
    }

    /// Cleartext in records that were sent whole.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }
}
