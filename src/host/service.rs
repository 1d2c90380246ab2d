//! A service thread: recvmmsg → [`respond`](crate::server::respond) → sendmmsg, nothing else.
//!
//! Each thread owns its sockets, its memory of clients and its counters. It reads the published
//! state once a batch; it neither locks, allocates nor logs. T2 is the kernel's receive stamp, T3 is
//! read just before the batch is sent.

use crate::pipe::{Put, Take, Words};
use crate::server::{Counters, Outcome};

/// What one service thread tells of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceReport {
    /// What became of its requests.
    pub counters: Counters,
    /// Clients it remembers.
    pub clients: u64,
    /// Datagrams that the kernel dropped because the thread was too slow.
    pub overflowed: u64,
    /// Replies that the kernel would not send.
    pub unsent: u64,
}

impl Words for ServiceReport {
    type Row = [u64; Outcome::COUNT + 4];

    fn put(&self, row: &mut Put<'_>) {
        self.counters.iter().for_each(|(_, count)| row.u64(count));
        row.u64(self.counters.unstamped);
        row.u64(self.clients);
        row.u64(self.overflowed);
        row.u64(self.unsent);
    }

    fn take(row: &mut Take<'_>) -> Self {
        Self {
            counters: Counters::from_counts(core::array::from_fn(|_| row.u64()), row.u64()),
            clients: row.u64(),
            overflowed: row.u64(),
            unsent: row.u64(),
        }
    }
}
