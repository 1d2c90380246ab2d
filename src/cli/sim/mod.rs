//! `maser sim FILE…` and `maser sim --swarm`: runs scenarios, or random worlds, in a universe where
//! true time is known, and judges them.
//!
//! Every file is checked before the first one runs. Exit code 1 when a file is wrong, when what a
//! scenario expects does not come out, or when the oracle finds a fault.

mod json;
mod junit;
mod swarm;
mod table;
mod work;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::{Failure, print};
use crate::config;
use crate::sim::report::{self, Section};
use crate::sim::{Outcome, Summary, Universe};

/// Which scenarios, and how often.
#[derive(Debug, Args)]
pub(super) struct SimArgs {
    /// Scenario files.
    #[arg(required_unless_present = "swarm")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    swarm: swarm::SwarmArgs,
    /// Seeds to run each with: one, or the first and the last.
    #[arg(long, value_name = "N[..M]", default_value = "1", value_parser = seeds)]
    #[arg(conflicts_with = "swarm")]
    seeds: Seeds,
    /// Runs at a time; as many as there are processors unless said.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Write the figures, or what the swarm came to, to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a test report to this file, as JUnit's XML.
    #[arg(long, value_name = "FILE", conflicts_with = "swarm")]
    junit: Option<PathBuf>,
    /// Write a page with plots of each scenario's first seed to this file, as HTML.
    #[arg(long, value_name = "FILE", conflicts_with = "swarm")]
    report: Option<PathBuf>,
}

/// Seeds from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seeds {
    first: u64,
    last: u64,
}

/// A scenario that has run.
#[derive(Debug)]
struct Ran<'u> {
    universe: &'u Universe,
    seeds: usize,
    summary: Summary,
    /// In the order of the seeds.
    outcomes: Vec<Outcome>,
    /// Processor time of all its runs, s.
    seconds: f64,
}

pub(super) fn run(args: &SimArgs) -> Result<ExitCode, Failure> {
    if args.swarm.swarm {
        return swarm::run(&args.swarm, args.jobs, args.json.as_deref());
    }
    let universes = config::scenario::load_all(&args.files).map_err(Failure::new)?;
    let ran = work::run(&universes, args.seeds, args.jobs, args.report.is_some());
    if let Some(path) = &args.json {
        write(path, &json::report(&ran)?)?;
    }
    if let Some(path) = &args.junit {
        write(path, &junit::report(&ran))?;
    }
    if let Some(path) = &args.report {
        let sections: Vec<Section<'_>> = ran.iter().map(section).collect();
        write_whole(path, &report::page(&sections))?;
    }
    print(&table::report(&ran))?;
    let ok = ran.iter().all(|ran| ran.summary.is_ok());
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(super::FAILURE) })
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| {
        Failure::new(format_args!("{} cannot be written: {error}", path.display()))
    })
}

fn section<'r>(ran: &'r Ran<'_>) -> Section<'r> {
    Section { universe: ran.universe, summary: &ran.summary, outcomes: &ran.outcomes }
}

/// Writes a file so that whoever looks sees the old one or the new one, never a part.
fn write_whole(path: &Path, text: &str) -> Result<(), Failure> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, path));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&part);
        Failure::new(format_args!("{} cannot be written: {error}", path.display()))
    })
}

/// `7`, or `1..40` for the first and the last.
fn seeds(text: &str) -> Result<Seeds, String> {
    let right = || "a seed, or the first and the last: 7 or 1..40".to_owned();
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| right());
    let (first, last) = match text.split_once("..") {
        Some((first, last)) => (number(first)?, number(last.trim_start_matches('='))?),
        None => (number(text)?, number(text)?),
    };
    match last.checked_sub(first) {
        Some(more) if more < SEEDS_MAX => Ok(Seeds { first, last }),
        Some(_) => Err(format!("more than {SEEDS_MAX} seeds")),
        None => Err("the last seed comes before the first".to_owned()),
    }
}

/// More would take weeks.
const SEEDS_MAX: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_one_or_a_range_with_both_ends() {
        assert_eq!(seeds("7"), Ok(Seeds { first: 7, last: 7 }));
        assert_eq!(seeds("1..40"), Ok(Seeds { first: 1, last: 40 }));
        assert_eq!(seeds("7..7"), Ok(Seeds { first: 7, last: 7 }));
        assert_eq!(seeds("1..=3"), Ok(Seeds { first: 1, last: 3 }));
        for wrong in ["", "a", "1..", "..3", "3..1", "-1", "1..2000000", "0..18446744073709551615"]
        {
            assert!(seeds(wrong).is_err(), "{wrong}");
        }
    }
}
