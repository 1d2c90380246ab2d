//! The conductor: the one thread that owns the engine and writes a clock.
//!
//! It waits for the doorbell or the next second, drains the rings with a bound, ticks, and
//! publishes. It never blocks in a tick: whoever reads its snapshots or events is slower, or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration as Pause, Instant};

use maser_kernel::event::{EventFd, Interest, Watch, wait};

use crate::clock::Clock;
use crate::discipline::memory::Memory;
use crate::engine::{Engine, SourceReport};
use crate::event::Event;
use crate::pipe::{Consumer, Producer, Publisher, Put, Take, Words};
use crate::sample::Reading;
use crate::state::State;

/// Everything the conductor owns.
pub struct Conductor<C: Clock> {
    /// Judges and steers.
    pub engine: Engine<C>,
    /// One ring for each driver.
    pub rings: Vec<Consumer<Reading>>,
    /// Rung by drivers.
    pub doorbell: Arc<EventFd>,
    /// What the world may know.
    pub state: Publisher<State>,
    /// One report for each source.
    pub sources: Vec<Publisher<SourceReport>>,
    /// What the conductor tells of itself.
    pub report: Publisher<ConductorReport>,
    /// What is worth keeping over a restart, now and then.
    pub memory: Publisher<Memory>,
    /// What is worth telling.
    pub events: Producer<Event>,
    /// Ends the thread.
    pub stop: Arc<AtomicBool>,
}

/// What the conductor tells of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConductorReport {
    /// Ticks.
    pub ticks: u64,
    /// Readings taken from the rings.
    pub readings: u64,
    /// Readings that did not fit into a ring.
    pub dropped: u64,
    /// Events that nobody fetched in time.
    pub events_dropped: u64,
}

impl<C: Clock> Conductor<C> {
    /// Conducts until stopped.
    pub fn run(mut self) {
        let mut report = ConductorReport::default();
        let mut next_tick = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            let left = next_tick.saturating_duration_since(Instant::now());
            let mut watch = [Watch::new(std::os::fd::AsFd::as_fd(&*self.doorbell), Interest::Read)];
            // An error here is no reason to stop conducting, and none to spin.
            let rung = wait(&mut watch, Some(left.min(STOP_WITHIN))).unwrap_or_else(|_| {
                std::thread::sleep(BREATH);
                0
            });
            if rung > 0 {
                self.doorbell.clear();
            } else if Instant::now() < next_tick {
                continue;
            }
            report.readings += self.drain();
            self.tick(&mut report);
            next_tick = Instant::now() + self.patience();
            // Readings carry their stamps, so a little patience costs nothing; a flood of them must
            // not take the processor, least of all at realtime priority.
            std::thread::sleep(BREATH);
        }
        self.remember();
    }

    fn remember(&mut self) {
        if let Some(memory) = self.engine.memory() {
            self.memory.publish(memory);
        }
    }

    /// How long to wait for a reading: a second, or until the leap second that comes before.
    fn patience(&self) -> Pause {
        let due = self.engine.due().map_or(TICK, |due| Pause::from_secs_f64(due.seconds()));
        TICK.min(due)
    }

    fn drain(&mut self) -> u64 {
        let mut taken = 0;
        for ring in &mut self.rings {
            // A flood on one ring must not keep the others, or the tick, waiting.
            for _ in 0..DRAIN_MAX {
                let Some(reading) = ring.pop() else { break };
                self.engine.handle(&reading);
                taken += 1;
            }
        }
        taken
    }

    fn tick(&mut self, report: &mut ConductorReport) {
        let state = self.engine.tick();
        self.state.publish(state);
        for (publisher, source) in self.sources.iter_mut().zip(self.engine.reports()) {
            publisher.publish(source);
        }
        while let Some(event) = self.engine.poll_event() {
            // The ring counts what nobody fetched.
            let _ = self.events.push(event);
        }
        if report.ticks.is_multiple_of(REMEMBER_EVERY) {
            self.remember();
        }
        report.ticks += 1;
        report.dropped = self.rings.iter().map(Consumer::dropped).sum();
        report.events_dropped = self.events.dropped() + self.engine.events_dropped();
        self.report.publish(*report);
    }
}

impl Words for ConductorReport {
    type Row = [u64; 4];

    fn put(&self, row: &mut Put<'_>) {
        row.u64(self.ticks);
        row.u64(self.readings);
        row.u64(self.dropped);
        row.u64(self.events_dropped);
    }

    fn take(row: &mut Take<'_>) -> Self {
        Self {
            ticks: row.u64(),
            readings: row.u64(),
            dropped: row.u64(),
            events_dropped: row.u64(),
        }
    }
}

/// Without news the engine still ticks once a second.
const TICK: Pause = Pause::from_secs(1);
/// Ticks.
const REMEMBER_EVERY: u64 = 64;
const STOP_WITHIN: Pause = Pause::from_millis(200);
/// At most two hundred ticks a second.
const BREATH: Pause = Pause::from_millis(5);
/// Readings taken from one ring in one tick.
const DRAIN_MAX: usize = 256;
