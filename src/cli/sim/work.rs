//! The runs of `maser sim`, a few at a time: each a pure function of its scenario and seed, so their
//! order does not show in what comes out.

use std::io::{self, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use super::{Ran, Seeds};
use crate::sim::{self, Keep, Outcome, Summary, Universe};

/// Runs every scenario with every seed; `drawn`: the first seed of each so that it can be drawn.
pub(super) fn run(
    universes: &[Universe],
    seeds: Seeds,
    jobs: Option<u16>,
    drawn: bool,
) -> Vec<Ran<'_>> {
    let tasks: Vec<(usize, u64)> = (0..universes.len())
        .flat_map(|index| (seeds.first..=seeds.last).map(move |seed| (index, seed)))
        .collect();
    let available = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let jobs = jobs.map_or(available, usize::from).min(tasks.len());
    let done: Mutex<Vec<Option<(Outcome, f64)>>> = Mutex::new(tasks.iter().map(|_| None).collect());
    let (next, finished) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let progress = Progress::over(tasks.len());
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let task = next.fetch_add(1, Ordering::Relaxed);
                    let Some((index, seed)) = tasks.get(task) else { break };
                    let begin = Instant::now();
                    let is_drawn = drawn && *seed == seeds.first;
                    let keep = if is_drawn { Keep::Record } else { Keep::Figures };
                    let outcome = sim::run(&universes[*index], *seed, keep);
                    let took = begin.elapsed().as_secs_f64();
                    if let Ok(mut done) = done.lock() {
                        done[task] = Some((outcome, took));
                    }
                    let count = finished.fetch_add(1, Ordering::Relaxed) + 1;
                    progress.show(count, &universes[*index].scenario.name);
                }
            });
        }
    });
    progress.clear();
    let done = done.into_inner().unwrap_or_default();
    let mut results = done.into_iter().flatten();
    let each = tasks.len() / universes.len().max(1);
    let ran = |universe| {
        let (outcomes, seconds): (Vec<Outcome>, Vec<f64>) = results.by_ref().take(each).unzip();
        let summary = Summary::of(universe, &outcomes);
        Ran { universe, seeds: outcomes.len(), summary, outcomes, seconds: seconds.iter().sum() }
    };
    universes.iter().map(ran).collect()
}

/// One line on stderr while a person watches.
struct Progress {
    total: usize,
    watched: bool,
}

impl Progress {
    fn over(total: usize) -> Self {
        Self { total, watched: total > 1 && io::stderr().is_terminal() }
    }

    fn show(&self, count: usize, name: &str) {
        if self.watched {
            let _ = write!(io::stderr(), "\r\x1b[K{count} of {} runs, last {name}", self.total);
        }
    }

    fn clear(&self) {
        if self.watched {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
