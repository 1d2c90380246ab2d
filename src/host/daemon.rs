//! The daemon: starts every thread from a plan, joins them with pipes, and stops them again.
//!
//! Sockets are bound first, so that a port in use is told at once. Devices are opened by their own
//! threads, which wait for what is not there yet.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration as Pause, Instant};

use maser_kernel::event::EventFd;
use maser_kernel::process;
use tracing::{info, warn};

use super::client::{self, Client};
use super::clock::{SoftwareClock, StampClock, View, precision};
use super::conductor::{Conductor, ConductorReport};
use super::drivers;
use super::kernel_clock::KernelClock;
use super::plan::{Driver, Plan};
use super::published::Published;
use super::service::{self, Door, LISTEN_MAX, Service, ServiceReport};
use super::state_file::StateFile;
use crate::clock::Clock;
use crate::discipline::memory::Memory;
use crate::engine::{Engine, SourceReport};
use crate::event::Event;
use crate::pipe::{Consumer, Publisher, Reader, ring, snapshot};
use crate::sample::Reading;
use crate::server::Clients;
use crate::state::State;
use crate::time::{LeapTable, System, Timestamp, Utc};

/// A running daemon.
pub struct Daemon {
    keeper: Option<Keeper>,
    published: Published,
    events: Consumer<Event>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// How it is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Steer the kernel's clock; else a clock in software.
    pub steer: bool,
    /// How this process sees the machine's clock.
    pub view: View,
    /// A day that has passed.
    pub pivot: Timestamp<Utc>,
}

impl Default for Options {
    fn default() -> Self {
        Self { steer: false, view: View::plain(), pivot: RELEASED }
    }
}

/// Why the daemon did not start.
#[derive(Debug)]
pub struct StartError(String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

impl From<maser_kernel::Error> for StartError {
    fn from(error: maser_kernel::Error) -> Self {
        Self(error.to_string())
    }
}

/// What the threads share while they are started.
struct Start {
    plan: Arc<Plan>,
    options: Options,
    clock: StampClock,
    doorbell: Arc<EventFd>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Daemon {
    /// Starts everything that the plan names.
    ///
    /// # Errors
    /// [`StartError`] in one sentence; nothing is left running.
    pub fn start(mut plan: Plan, options: Options) -> Result<Self, StartError> {
        let clock = StampClock::new(options.view.clone());
        let reading = clock.reading_time();
        plan.engine.precision = precision(reading);
        plan.engine.reading = reading.seconds() / 2.0;
        plan.engine.leaps =
            plan.leap_file.as_deref().and_then(|file| leap_table(file, clock.now()));
        let (listen, threads) =
            plan.serve.as_ref().map_or((Vec::new(), 0), |serve| (serve.faces(), serve.threads));
        if listen.len() > LISTEN_MAX {
            return Err(StartError(format!("more than {LISTEN_MAX} addresses to listen on")));
        }
        let doors = service::bind(&listen, threads)?;
        if plan.lock_memory
            && let Err(error) = process::lock_memory()
        {
            warn!("{error}: pages may be swapped out");
        }
        let mut start = Start {
            plan: Arc::new(plan),
            options,
            clock,
            doorbell: Arc::new(EventFd::new()?),
            stop: Arc::new(AtomicBool::new(false)),
            threads: Vec::new(),
        };
        let (publishers, sources) = start.reports();
        let (rings, places) = start.drivers(&sources)?;
        let (state, state_reader) = snapshot(State::default());
        let services = start.services(doors, &state_reader)?;
        let pipes = Pipes { rings, state, sources: publishers };
        start.conduct(pipes, Shown { state: state_reader, sources, places, services })
    }

    /// Readers of everything that is published.
    pub fn published(&self) -> &Published {
        &self.published
    }

    /// The oldest event not yet told.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop()
    }

    /// Writes down what was learned, once an hour; to be called now and then.
    pub fn keep_memory(&mut self) {
        if let Some(keeper) = &mut self.keeper
            && keeper.written.elapsed() >= KEEP_EVERY
        {
            keeper.write(&self.published.clock);
        }
    }

    /// Stops all threads and waits for them.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
        if let Some(mut keeper) = self.keeper.take() {
            keeper.write(&self.published.clock);
        }
    }
}

/// Keeps what was learned in a file.
struct Keeper {
    file: StateFile,
    memory: Reader<Memory>,
    written: Instant,
}

impl Keeper {
    fn write(&mut self, clock: &StampClock) {
        self.written = Instant::now();
        let Some(memory) = self.memory.read_if_newer() else { return };
        let now = clock.now().read_as();
        if let Err(error) = self.file.save(&memory, now) {
            warn!("{}: {error}; what was learned is not kept", self.file.path().display());
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}

impl Start {
    /// A report for each source, as it is before anything was heard.
    fn reports(&self) -> (Vec<Publisher<SourceReport>>, Vec<Reader<SourceReport>>) {
        let clock = SoftwareClock::new(self.clock.clone());
        let engine = Engine::new(self.plan.engine.clone(), clock);
        engine.reports().map(snapshot).unzip()
    }

    /// A thread for each driver, and one for all servers.
    fn drivers(&mut self, reports: &[Reader<SourceReport>]) -> Result<Driven, StartError> {
        let plan = Arc::clone(&self.plan);
        let (mut rings, mut places, mut posts) = (Vec::new(), Vec::new(), Vec::new());
        for ((driver, source), id) in plan.drivers.iter().zip(&plan.engine.sources).zip(0u8..) {
            let (producer, consumer) = ring(RING);
            rings.push(consumer);
            if let Driver::Server { address, port, association } = driver {
                let (place, reader) = snapshot(client::Place::default());
                places.push(Some(reader));
                posts.push(client::Post {
                    source: crate::sample::SourceId(id),
                    name: source.name.clone(),
                    host: address.clone(),
                    port: *port,
                    plan: *association,
                    ring: producer,
                    report: reports[usize::from(id)].clone(),
                    place,
                });
                continue;
            }
            places.push(None);
            let post = drivers::Post {
                source: crate::sample::SourceId(id),
                name: source.name.clone(),
                clock: self.clock.clone(),
                ring: producer,
                doorbell: Arc::clone(&self.doorbell),
                stop: Arc::clone(&self.stop),
                pivot: self.options.pivot,
            };
            let driver = driver.clone();
            self.spawn(&format!("source-{id}"), move || drivers::run(&driver, post))?;
        }
        if !posts.is_empty() {
            let (doorbell, stop) = (Arc::clone(&self.doorbell), Arc::clone(&self.stop));
            let client = Client::new(posts, self.clock.clone(), doorbell, stop);
            let client = client.map_err(StartError)?;
            self.spawn("client", move || client.run())?;
        }
        Ok((rings, places))
    }

    fn services(
        &mut self,
        doors: Vec<Vec<Door>>,
        state: &Reader<State>,
    ) -> Result<Vec<Reader<ServiceReport>>, StartError> {
        let plan = Arc::clone(&self.plan);
        let Some(serve) = &plan.serve else { return Ok(Vec::new()) };
        let policy = Arc::new(serve.policy.clone());
        let mut readers = Vec::new();
        for (index, doors) in doors.into_iter().enumerate() {
            let (report, reader) = snapshot(ServiceReport::default());
            readers.push(reader);
            let service = Service::new(
                doors,
                service::Post {
                    clock: self.clock.clone(),
                    state: state.clone(),
                    policy: Arc::clone(&policy),
                    clients: Clients::new(serve.clients, secret()),
                    report,
                    stop: Arc::clone(&self.stop),
                },
            );
            self.spawn(&format!("serve-{index}"), move || service.run())?;
        }
        Ok(readers)
    }

    fn conduct(mut self, pipes: Pipes, shown: Shown) -> Result<Daemon, StartError> {
        let (report, conductor) = snapshot(ConductorReport::default());
        let (events, events_consumer) = ring(EVENTS);
        let (doorbell, stop) = (Arc::clone(&self.doorbell), Arc::clone(&self.stop));
        let Pipes { rings, state, sources } = pipes;
        let (memory, remembered) = snapshot(Memory::default());
        let parts = Parts { rings, doorbell, state, sources, report, memory, events, stop };
        let names = self.plan.engine.sources.iter().map(|source| source.name.clone()).collect();
        let file = self.plan.state_file.clone().map(|path| StateFile::new(path, names));
        if self.options.steer {
            let clock = KernelClock::new(self.clock.clone())
                .map_err(|error| StartError(error.to_string()))?;
            let conductor = parts.conductor(self.engine(clock, file.as_ref()));
            self.spawn("conductor", move || conductor.run())?;
        } else {
            let clock = SoftwareClock::new(self.clock.clone());
            let conductor = parts.conductor(self.engine(clock, file.as_ref()));
            self.spawn("conductor", move || conductor.run())?;
        }
        let keeper = file.map(|file| Keeper { file, memory: remembered, written: Instant::now() });
        let Shown { state, sources, places, services } = shown;
        let published = Published {
            state,
            sources,
            places,
            conductor,
            services,
            clock: self.clock,
            plan: self.plan,
        };
        Ok(Daemon {
            keeper,
            published,
            events: events_consumer,
            stop: self.stop,
            threads: self.threads,
        })
    }

    /// An engine that knows what the last one learned.
    fn engine<C: Clock>(&self, clock: C, file: Option<&StateFile>) -> Engine<C> {
        let mut engine = Engine::new(self.plan.engine.clone(), clock);
        let Some(file) = file else { return engine };
        let path = file.path().display();
        match file.load(self.clock.now().read_as()) {
            Ok(None) => info!("{path}: not there yet; the oscillator is learned anew"),
            Ok(Some(memory)) => {
                let (rate, sigma) = (memory.frequency.ppm(), memory.frequency_sigma * 1e6);
                info!("{path}: the oscillator runs {rate:+.4} ± {sigma:.4} ppm");
                engine.recall(&memory);
            }
            Err(error) => warn!("{path}: {error}; the oscillator is learned anew"),
        }
        engine
    }

    fn spawn(
        &mut self,
        name: &str,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<(), StartError> {
        let priority = self.plan.realtime_priority;
        let thread = Builder::new().name(format!("maser-{name}")).spawn(move || {
            if let Some(priority) = priority
                && let Err(error) = process::set_fifo(priority)
            {
                warn!("{error}: this thread runs without realtime priority");
            }
            work();
        });
        match thread {
            Ok(thread) => {
                self.threads.push(thread);
                Ok(())
            }
            Err(error) => {
                self.stop.store(true, Ordering::Relaxed);
                Err(StartError(format!("thread maser-{name}: {error}")))
            }
        }
    }
}

/// Rings of readings, and where each server is asked.
type Driven = (Vec<Consumer<Reading>>, Vec<Option<Reader<client::Place>>>);

/// The conductor's ends.
struct Pipes {
    rings: Vec<Consumer<Reading>>,
    state: Publisher<State>,
    sources: Vec<Publisher<SourceReport>>,
}

/// The ends of those who report.
struct Shown {
    state: Reader<State>,
    sources: Vec<Reader<SourceReport>>,
    places: Vec<Option<Reader<client::Place>>>,
    services: Vec<Reader<ServiceReport>>,
}

/// The conductor's pipes, before it is known which clock it steers.
struct Parts {
    rings: Vec<Consumer<Reading>>,
    doorbell: Arc<EventFd>,
    state: Publisher<State>,
    sources: Vec<Publisher<SourceReport>>,
    report: Publisher<ConductorReport>,
    memory: Publisher<Memory>,
    events: crate::pipe::Producer<Event>,
    stop: Arc<AtomicBool>,
}

impl Parts {
    fn conductor<C: Clock>(self, engine: Engine<C>) -> Conductor<C> {
        let Self { rings, doorbell, state, sources, report, memory, events, stop } = self;
        Conductor { engine, rings, doorbell, state, sources, report, memory, events, stop }
    }
}

/// The table of leap seconds. One that is missing, damaged or expired is said, and stops nothing.
fn leap_table(file: &Path, now: Timestamp<System>) -> Option<LeapTable> {
    let bytes = std::fs::read(file).map_err(|error| error.to_string());
    let table = bytes.and_then(|bytes| LeapTable::read(&bytes).map_err(|e| e.to_string()));
    match table {
        Ok(table) => {
            let now = now.read_as();
            match table.expires() {
                Some(expires) if expires <= now => {
                    warn!("{}: expired on {expires}; leaps are taken from sources", file.display());
                }
                Some(_) => {}
                None => info!(
                    "{}: tells no expiry; of leaps that it does not have sources tell",
                    file.display()
                ),
            }
            Some(table)
        }
        Err(error) => {
            warn!("{}: {error}; leaps are taken from sources", file.display());
            None
        }
    }
}

/// A key that nobody outside knows, against chosen collisions in the client table. The standard
/// library seeds its own hash tables from the kernel; two of those hashes are the key.
fn secret() -> [u64; 2] {
    use std::hash::{BuildHasher, RandomState};
    core::array::from_fn(|index| RandomState::new().hash_one(index))
}

/// Readings waiting for the conductor: at ten a second a quarter of a minute's standstill.
const RING: usize = 256;
/// What was learned is written so often.
const KEEP_EVERY: Pause = Pause::from_secs(3600);
/// Events waiting to be told.
const EVENTS: usize = 1024;
/// No receiver's date lies before this program's: 2026-01-01T00:00:00Z.
const RELEASED: Timestamp<Utc> = Timestamp::from_seconds(1_767_225_600);
