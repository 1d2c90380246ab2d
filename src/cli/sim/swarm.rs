//! `maser sim --swarm`: random worlds by time or count, or one by its seed.
//!
//! Seeds are handed out one after another from a fixed first one, so that two runs by count are the
//! same. A world that fails is told at once, with the line that replays it; the first ones of each
//! kind are shrunk at the end. Exit code 1 when any failed. A panic tells its world before the
//! program dies.

use std::cell::Cell;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use crate::cli::{FAILURE, Failure, print};
use crate::config;
use crate::sim::Universe;
use crate::sim::swarm::{self, FaultKind, Tally, Trial};

/// Which worlds.
#[derive(Clone, Debug, Args)]
pub(super) struct SwarmArgs {
    /// Run random worlds instead of files.
    #[arg(long, conflicts_with = "files")]
    pub swarm: bool,
    /// For so long; 60 unless a count is given.
    #[arg(long, value_name = "S", requires = "swarm")]
    #[arg(conflicts_with_all = ["files", "worlds", "world"])]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    seconds: Option<u32>,
    /// So many worlds.
    #[arg(long, value_name = "N", requires = "swarm", conflicts_with_all = ["files", "world"])]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    worlds: Option<u64>,
    /// One world, by its seed; it is told what it is made of, and shrunk if it fails.
    #[arg(long, value_name = "SEED", requires = "swarm", conflicts_with_all = ["files", "jobs"])]
    world: Option<u64>,
    /// The first seed.
    #[arg(long, value_name = "SEED", requires = "swarm", conflicts_with_all = ["files", "world"])]
    from: Option<u64>,
}

/// Runs worlds and says what came out.
pub(super) fn run(
    args: &SwarmArgs,
    jobs: Option<u16>,
    json: Option<&Path>,
) -> Result<ExitCode, Failure> {
    tell_the_world_of_a_panic();
    if let Some(seed) = args.world {
        return one(seed, json);
    }
    let begin = Instant::now();
    let limit = Limit {
        worlds: args.worlds.unwrap_or(u64::MAX),
        until: match args.worlds {
            Some(_) => None,
            None => Some(begin + Duration::from_secs(args.seconds.unwrap_or(60).into())),
        },
    };
    let (tally, failed) = all(args.from.unwrap_or(FIRST_SEED), jobs, &limit);
    let took = begin.elapsed().as_secs_f64();
    let mut out = String::new();
    shrunk(&failed, &mut out)?;
    summary(&tally, took, &mut out);
    if let Some(path) = json {
        super::write(path, &report(&tally, &failed, took)?)?;
    }
    print(&out)?;
    Ok(code(failed.is_empty()))
}

/// When a swarm ends.
struct Limit {
    worlds: u64,
    until: Option<Instant>,
}

impl Limit {
    fn is_reached(&self, begun: u64) -> bool {
        begun >= self.worlds || self.until.is_some_and(|until| Instant::now() >= until)
    }
}

/// What the threads share.
#[derive(Default)]
struct Shared {
    begun: u64,
    tally: Tally,
    failed: Vec<Trial>,
}

/// Runs worlds until the limit; those that failed in the order of their seeds.
fn all(first: u64, jobs: Option<u16>, limit: &Limit) -> (Tally, Vec<Trial>) {
    let available = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let shared = Mutex::new(Shared::default());
    let watched = io::stderr().is_terminal();
    thread::scope(|scope| {
        for _ in 0..jobs.map_or(available, usize::from) {
            scope.spawn(|| {
                while let Some(count) = next(&shared, limit) {
                    let seed = first.wrapping_add(count);
                    RUNNING.set(Some(seed));
                    let trial = swarm::trial(seed, count.is_multiple_of(REPEATED_EVERY));
                    RUNNING.set(None);
                    keep(&shared, trial, count.is_multiple_of(REPEATED_EVERY), watched);
                }
            });
        }
    });
    if watched {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    let mut shared = shared.into_inner().unwrap_or_default();
    shared.failed.sort_by_key(|trial| trial.seed.wrapping_sub(first));
    (shared.tally, shared.failed)
}

fn next(shared: &Mutex<Shared>, limit: &Limit) -> Option<u64> {
    let mut shared = shared.lock().ok()?;
    let count = shared.begun;
    if limit.is_reached(count) {
        return None;
    }
    shared.begun += 1;
    Some(count)
}

fn keep(shared: &Mutex<Shared>, trial: Trial, twice: bool, watched: bool) {
    let Ok(mut shared) = shared.lock() else { return };
    shared.tally.add(&trial);
    shared.tally.repeated += u64::from(twice);
    let clear = if watched { "\r\x1b[K" } else { "" };
    if !trial.faults.is_empty() {
        let mut text = String::new();
        told(&trial, &mut text);
        let _ = write!(io::stderr(), "{clear}{text}");
        shared.failed.push(trial);
    }
    if watched {
        let Tally { worlds, node_hours, failed, .. } = &shared.tally;
        let _ = write!(
            io::stderr(),
            "{clear}{worlds} worlds, {node_hours:.0} node-hours, {failed} failed"
        );
    }
}

/// One world: what it is, and what came of it.
fn one(seed: u64, json: Option<&Path>) -> Result<ExitCode, Failure> {
    let begin = Instant::now();
    // Told before it runs: a panic ends the program.
    print(&config::scenario::text(&swarm::scenario(seed)).map_err(Failure::new)?)?;
    RUNNING.set(Some(seed));
    let trial = swarm::trial(seed, true);
    let took = begin.elapsed().as_secs_f64();
    if let Some(path) = json {
        let mut tally = Tally::default();
        tally.add(&trial);
        tally.repeated = 1;
        let failed = if trial.faults.is_empty() { &[] } else { core::slice::from_ref(&trial) };
        super::write(path, &report(&tally, failed, took)?)?;
    }
    let mut out = String::from("\n");
    for broken in trial.outcome.broken() {
        let name = broken.assumption.name();
        let _ = write!(out, "# breaks \"{name}\" from {} s on", broken.from);
        let _ = match (broken.signs.is_empty(), broken.told) {
            (true, _) => writeln!(out),
            (false, None) => writeln!(out, "; not told within {} s", broken.within),
            (false, Some(at)) => writeln!(out, "; told at {at:.3} s"),
        };
    }
    shrunk(core::slice::from_ref(&trial), &mut out)?;
    let sound = trial.faults.is_empty();
    let _ = writeln!(out, "# world {seed}: {}", if sound { "ok" } else { "FAILED" });
    print(&out)?;
    Ok(code(sound))
}

/// Says how a world failed, and how to see it again.
fn told(trial: &Trial, out: &mut String) {
    for fault in &trial.faults {
        let _ = writeln!(out, "world {}: {}", trial.seed, fault.detail);
    }
    if !trial.faults.is_empty() {
        let _ = writeln!(out, "  replay: {}", replay(trial.seed));
    }
}

fn replay(seed: u64) -> String {
    format!("maser sim --swarm --world {seed}")
}

/// Shrinks the first world of each kind of fault, a few at most.
fn shrunk(failed: &[Trial], out: &mut String) -> Result<(), Failure> {
    let mut kinds: Vec<FaultKind> = Vec::new();
    for trial in failed {
        for fault in &trial.faults {
            if kinds.contains(&fault.kind) || kinds.len() >= SHRUNK_MAX {
                continue;
            }
            kinds.push(fault.kind);
            let seed = trial.seed;
            RUNNING.set(Some(seed));
            let Some(small) = swarm::shrink(&swarm::scenario(seed), seed, fault.kind) else {
                continue;
            };
            let text = config::scenario::text(&small.scenario).map_err(Failure::new)?;
            let _ = writeln!(out, "# world {seed}: {}", fault.detail);
            let _ = writeln!(out, "# replay: {}", replay(seed));
            let _ = writeln!(out, "# shrunk in {} runs: {}", small.runs, small.fault.detail);
            if let Ok(universe) = Universe::of(small.scenario.clone()) {
                for line in swarm::course(&universe, seed, &small.fault) {
                    let _ = writeln!(out, "# {line}");
                }
            }
            let _ = writeln!(out, "# this text as small.toml: maser sim small.toml --seeds {seed}");
            let _ = writeln!(out, "{text}");
        }
    }
    RUNNING.set(None);
    Ok(())
}

/// What the swarm came to.
fn summary(tally: &Tally, took: f64, out: &mut String) {
    let Tally { worlds, node_hours, kept, failed, repeated, .. } = tally;
    let _ = writeln!(
        out,
        "{worlds} worlds, {node_hours:.1} node-hours in {took:.1} s: {:.1} worlds a second",
        *worlds as f64 / took.max(1e-9)
    );
    let _ = writeln!(
        out,
        "{kept} ({:.1} %) keep every assumption; a bound was published in {} of them",
        100.0 * tally.share_kept(),
        tally.claimed()
    );
    if let Some(tightness) = tally.tightness() {
        let _ =
            writeln!(out, "their median bound is {tightness:.2} × the 99th percentile of error");
    }
    let _ = writeln!(out, "{:22} worlds  to be told  told in time", "broken assumption");
    for (assumption, breach) in &tally.broken {
        let name = assumption.name();
        let _ =
            writeln!(out, "{name:22} {:6}  {:10}  {:12}", breach.worlds, breach.plain, breach.told);
    }
    let _ = writeln!(out, "{repeated} worlds were run twice and their logs compared");
    let _ = writeln!(out, "{failed} worlds failed");
}

#[derive(Serialize)]
struct Report<'r> {
    worlds: u64,
    node_hours: f64,
    seconds: f64,
    worlds_per_second: f64,
    kept: u64,
    share_kept: f64,
    tightness: Option<f64>,
    repeated: u64,
    broken: Vec<BreachReport>,
    failed: Vec<FailedReport<'r>>,
}

#[derive(Serialize)]
struct BreachReport {
    assumption: &'static str,
    worlds: u64,
    to_be_told: u64,
    told: u64,
}

#[derive(Serialize)]
struct FailedReport<'r> {
    world: u64,
    replay: String,
    faults: Vec<&'r str>,
}

/// The same as JSON.
fn report(tally: &Tally, failed: &[Trial], took: f64) -> Result<String, Failure> {
    let breach = |(assumption, breach): (&crate::sim::Assumption, &swarm::Breach)| BreachReport {
        assumption: assumption.name(),
        worlds: breach.worlds,
        to_be_told: breach.plain,
        told: breach.told,
    };
    let failed = failed.iter().map(|trial| FailedReport {
        world: trial.seed,
        replay: replay(trial.seed),
        faults: trial.faults.iter().map(|fault| fault.detail.as_str()).collect(),
    });
    let report = Report {
        worlds: tally.worlds,
        node_hours: tally.node_hours,
        seconds: took,
        worlds_per_second: tally.worlds as f64 / took.max(1e-9),
        kept: tally.kept,
        share_kept: tally.share_kept(),
        tightness: tally.tightness(),
        repeated: tally.repeated,
        broken: tally.broken.iter().map(breach).collect(),
        failed: failed.collect(),
    };
    let mut text = serde_json::to_string_pretty(&report).map_err(Failure::new)?;
    text.push('\n');
    Ok(text)
}

fn code(sound: bool) -> ExitCode {
    if sound { ExitCode::SUCCESS } else { ExitCode::from(FAILURE) }
}

/// A panic ends the program at once; it says in which world it happened.
fn tell_the_world_of_a_panic() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if let Some(seed) = RUNNING.get() {
            let _ = writeln!(io::stderr(), "world {seed} panicked; replay: {}", replay(seed));
        }
        usual(panic);
    }));
}

thread_local! {
    /// The world that this thread runs.
    static RUNNING: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Any number will do; it stays, so that a swarm by count is repeated.
const FIRST_SEED: u64 = 1_000_000;
/// Every so many worlds are run twice.
const REPEATED_EVERY: u64 = 100;
/// Failing worlds made small at the end.
const SHRUNK_MAX: usize = 4;
