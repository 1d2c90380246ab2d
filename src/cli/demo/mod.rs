//! `maser demo`: a whole stratum-1 appliance on this machine, without hardware or privileges.
//!
//! ```text
//!   receiver model ──pty, SOCK or SHM──► the daemon's own drivers … server ──► any client
//!         │                                              │
//!      machine ◄──────────── judge ◄──── published state ┘
//! ```
//!
//! The machine's clock is wrong; true time is the host's. The daemon in the middle is the one that
//! runs on an appliance, with nothing exchanged but the view of its clock.

mod judge;
mod machine;
mod receiver;
mod summary;
mod view;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration as Pause, Instant};

use maser_kernel::serial::Pty;
use maser_kernel::shm::{Create, Segment};

use self::judge::{Figures, Judge};
use self::machine::Machine;
use self::receiver::{Model, Pulses, Receiver};
use self::summary::Summary;
use self::view::{Screen, View};
use super::demo_args::{DemoArgs, Via};
use crate::config;
use crate::host::control;
use crate::host::daemon::{Daemon, Options};
use crate::host::plan::{Driver, Plan};
use crate::pipe::{Reader, snapshot};
use crate::source::shm::{KEY, SIZE};
use crate::time::Duration;

/// Why the demo could not be given.
pub type Failure = Box<dyn std::error::Error>;

/// Runs the demo to its end. Exit code 1 if it never locked or the judge saw a violation.
///
/// # Errors
/// A sentence about what could not be had: an address, a pty, a directory.
pub fn run(args: &DemoArgs) -> Result<ExitCode, Failure> {
    let stage = Stage::set(args)?;
    let mut show = Show::begin(stage, args)?;
    let outcome = show.go_on(args);
    let summary = show.end();
    outcome?;
    crate::cli::print(&summary.text(args.json))?;
    Ok(if summary.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What stands before the curtain rises: a private directory, a line, a way for pulses.
struct Stage {
    directory: PrivateDirectory,
    pty: Pty,
    pulses: Pulses,
    segment: Option<OwnSegment>,
    plan: Plan,
    model: Model,
}

impl Stage {
    fn set(args: &DemoArgs) -> Result<Self, Failure> {
        let directory = PrivateDirectory::new()?;
        let pty = Pty::open()?;
        let sock = directory.path().join("pulse.sock");
        let (pulses, segment, driver) = match args.via {
            Via::Sock => (Pulses::Sock(sock.clone()), None, Driver::Sock { path: sock }),
            Via::Shm => {
                let (unit, own) = free_segment()?;
                let segment = Segment::attach(own.0.key(), SIZE, 0o600, Create::Never)?;
                let driver = Driver::Shm { unit, permissions: 0o600, limit: None, pulse: false };
                (Pulses::Shm(segment), Some(own), driver)
            }
        };
        let mut plan = config::parse("demo.toml", DEMO)?;
        let device = pty.path().to_path_buf();
        plan.drivers = vec![Driver::Gnss { device, speed: 115_200 }, driver];
        plan.control = args.socket.clone().unwrap_or_else(|| directory.path().join("control"));
        let serve = plan.serve.as_mut().ok_or("demo.toml serves nothing")?;
        serve.listen = args.listen.clone();
        let model = Model {
            seed: args.seed,
            noise: NOISE,
            grain: GRAIN,
            loss: LOSS,
            plant: args.plant.unwrap_or(Duration::ZERO),
        };
        Ok(Self { directory, pty, pulses, segment, plan, model })
    }
}

/// Everything that runs.
struct Show {
    daemon: Daemon,
    control: control::Server,
    figures: Reader<Figures>,
    receiver: JoinHandle<()>,
    judge: JoinHandle<Figures>,
    stop: Arc<AtomicBool>,
    view: View,
    started: Instant,
    /// Removed last.
    _segment: Option<OwnSegment>,
    _directory: PrivateDirectory,
}

impl Show {
    fn begin(stage: Stage, args: &DemoArgs) -> Result<Self, Failure> {
        let Stage { directory, pty, pulses, segment, plan, model } = stage;
        let machine = Machine::new(args.seed);
        let view = View::new(&model, args, &plan);
        let control_path = plan.control.clone();
        let options = Options { view: machine.view(), ..Options::default() };
        let daemon = Daemon::start(plan, options)?;
        let control = control::Server::start(&control_path, daemon.published().clone())?;
        let stop = Arc::new(AtomicBool::new(false));
        let receiver = Receiver::new(model, machine.clone(), pty, pulses);
        let receiver = receiver::spawn(receiver, Arc::clone(&stop))?;
        let (publisher, figures) = snapshot(Figures::default());
        let state = daemon.published().state.clone();
        let judge = Judge::new(machine, state, publisher, args.seed).spawn(Arc::clone(&stop))?;
        Ok(Self {
            daemon,
            control,
            figures,
            receiver,
            judge,
            stop,
            view,
            started: Instant::now(),
            _segment: segment,
            _directory: directory,
        })
    }

    /// Shows what happens until the time is up or somebody ends it.
    fn go_on(&mut self, args: &DemoArgs) -> Result<(), Failure> {
        let interrupted = super::signals::watch()?;
        let mut screen = Screen::open(args.json)?;
        let end = args.seconds.map(|seconds| self.started + Pause::from_secs(seconds));
        while end.is_none_or(|end| Instant::now() < end) {
            while let Some(event) = self.daemon.poll_event() {
                self.view.note(&event);
            }
            let (published, figures) = (self.daemon.published(), self.figures.read());
            let elapsed = self.started.elapsed();
            let ended = match screen.show(&self.view, published, &figures, elapsed) {
                // The reader has seen enough (`| head`).
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => true,
                shown => shown?,
            };
            if ended || interrupted.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(())
    }

    /// Stops everything and leaves nothing behind.
    fn end(self) -> Summary {
        self.stop.store(true, Ordering::Relaxed);
        let figures = self.judge.join().unwrap_or_default();
        let _ = self.receiver.join();
        let summary = Summary::of(&figures, self.daemon.published());
        drop(self.control);
        self.daemon.stop();
        summary
    }
}

/// A directory that only this user may enter, removed at the end.
struct PrivateDirectory(PathBuf);

impl PrivateDirectory {
    fn new() -> Result<Self, Failure> {
        use std::os::unix::fs::DirBuilderExt;
        let base = std::env::temp_dir();
        for attempt in 0..100 {
            let path = base.join(format!("maser-demo-{}-{attempt}", std::process::id()));
            match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(format!("{}: {error}", path.display()).into()),
            }
        }
        Err(format!("{}: no free name for a directory", base.display()).into())
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        // Somebody may look into it still; what is left is a few empty sockets.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A segment that is removed whatever happens; those who are attached keep it until they let go.
struct OwnSegment(Segment);

impl Drop for OwnSegment {
    fn drop(&mut self) {
        // The next demo takes another unit if this fails.
        let _ = self.0.remove();
    }
}

/// A shared memory unit that nobody uses: 8 and up, as lower ones belong to real receivers.
fn free_segment() -> Result<(u32, OwnSegment), Failure> {
    for unit in 8..256u32 {
        let key = KEY + i32::try_from(unit)?;
        match Segment::attach(key, SIZE, 0o600, Create::Exclusive) {
            Ok(segment) => return Ok((unit, OwnSegment(segment))),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err("no free shared memory unit from 8 to 255".into())
}

/// The configuration of the demo, but for devices that exist only while it runs.
const DEMO: &str = include_str!("../../../config/demo.toml");
/// Noise of an edge, s.
const NOISE: f64 = 2e-8;
/// A receiver's 48 MHz clock: 20.8 ns.
const GRAIN: f64 = 1.0 / 48e6;
/// Pulses lost.
const LOSS: f64 = 0.01;
