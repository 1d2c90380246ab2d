//! Replies that were sent and whose transmit stamps come back over the error queue.
//!
//! The kernel stamps a datagram as it hands it to the driver, mostly before sending returns. So the
//! queue is read right after a batch with such replies; a stamp that comes later wakes the thread by
//! itself. A stamp that never comes costs nothing: its place is taken by a later reply.

use maser_kernel::socket::{Arena, Notice, Outbox, Outcome as Sending, Stage, TimestampingSocket};

use super::clock::StampClock;
use crate::server::{Clients, Departure};

/// The replies of one socket that wait for their stamps.
#[derive(Debug)]
pub(super) struct Departures {
    /// By the last bits of the id under which the stamp comes back.
    awaited: Box<[Option<(u32, Departure)>; AWAITED_MAX]>,
}

impl Departures {
    pub(super) fn new() -> Self {
        Self { awaited: Box::new([const { None }; AWAITED_MAX]) }
    }

    /// Takes the ids under which the stamps of a batch just sent come back; true if there are any.
    pub(super) fn expect(
        &mut self,
        outbox: &Outbox,
        departures: impl Iterator<Item = Option<Departure>>,
    ) -> bool {
        let mut any = false;
        for (outcome, departure) in outbox.outcomes().zip(departures) {
            if let (Sending::Sent { id: Some(id) }, Some(departure)) = (outcome, departure) {
                self.awaited[place(id)] = Some((id, departure));
                any = true;
            }
        }
        any
    }

    /// Empties the error queue and tells the clients' memory when their replies left.
    pub(super) fn collect(
        &mut self,
        socket: &TimestampingSocket,
        reports: &mut Arena,
        clock: &StampClock,
        clients: &mut Clients,
    ) {
        for _ in 0..BATCHES_MAX {
            let Ok(count) = socket.receive_errors(reports) else { return };
            for notice in reports.notices() {
                let Notice::Stamp(report) = notice else { continue };
                let (Stage::Sent, Some(stamp)) = (report.stage, report.stamps.software) else {
                    continue;
                };
                let awaited = &mut self.awaited[place(report.id)];
                if let Some((_, departure)) = awaited.take_if(|(id, _)| *id == report.id) {
                    clients.note_sent(&departure, clock.stamp(stamp));
                }
            }
            if count < reports.slots() {
                return;
            }
        }
    }
}

const fn place(id: u32) -> usize {
    id as usize % AWAITED_MAX
}

/// Replies of one socket that may wait; two full batches. A power of two, so that ids wrap evenly.
const AWAITED_MAX: usize = 64;
/// Reads of the queue in one go: more than the queue of a few batches fills.
const BATCHES_MAX: usize = 8;
