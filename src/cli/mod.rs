//! The command line: one binary, one subcommand for each job.
//!
//! Exit codes: 0 ok; 1 it failed, for the reason on stderr; 2 the command line is wrong; and of
//! `query`: 3 nobody answered, 4 the answer says that the server does not know the time.

mod check;
pub mod demo;
pub mod demo_args;
pub mod query;
mod report;
pub mod run;
pub mod signals;
mod sim;

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// High-precision time: reference clocks in, stratum-1 time with an honest error bound out.
#[derive(Debug, Parser)]
#[command(name = "maser", version, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 ok, 1 failure, 2 usage; of query: 3 no answer, 4 an answer \
                        that says it does not know the time.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon.
    Run(run::RunArgs),
    /// Check a configuration file and say what it was understood to mean.
    Check(check::CheckArgs),
    /// Show the clock: where it stands, by what, and how far it may be off.
    Tracking(report::ReportArgs),
    /// Show each source, its part in the time, and why.
    Sources(report::SourcesArgs),
    /// Show the error bound as the sum of its terms.
    Ledger(report::ReportArgs),
    /// Ask a server for the time, once, and compare this machine's clock with it.
    Query(query::QueryArgs),
    /// Run scenarios in a simulated universe, where true time is known, and judge them.
    Sim(sim::SimArgs),
    /// Show a whole stratum-1 server at work, without hardware or privileges.
    Demo(demo_args::DemoArgs),
}

/// Runs the program.
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Tracking(args) => report::tracking(&args),
        Command::Sources(args) => report::sources(&args),
        Command::Ledger(args) => report::ledger(&args),
        Command::Query(args) => query::run(&args),
        Command::Sim(args) => sim::run(&args),
        Command::Demo(args) => demo::run(&args).map_err(Failure::new),
    };
    match done {
        Ok(code) => code,
        Err(failure) => {
            for line in failure.message.lines() {
                let _ = writeln!(io::stderr(), "maser: {line}");
            }
            ExitCode::from(failure.code)
        }
    }
}

/// Why a subcommand gave up: a sentence for stderr and an exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// It failed.
    pub fn new(message: impl fmt::Display) -> Self {
        Self::with_code(FAILURE, message)
    }

    /// It failed in a way that has an exit code of its own.
    pub fn with_code(code: u8, message: impl fmt::Display) -> Self {
        Self { code, message: message.to_string() }
    }

    /// The exit code.
    pub const fn code(&self) -> u8 {
        self.code
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Writes to stdout. A reader that has seen enough (`| head`) is no failure.
fn print(text: &str) -> Result<ExitCode, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format_args!("cannot write to stdout: {error}")))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

const FAILURE: u8 = 1;

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_people_type_is_understood() {
        for line in [
            "maser check a.toml",
            "maser tracking --json --socket /run/x",
            "maser sources -v",
            "maser ledger",
            "maser run --config a.toml --no-steer --listen ::1 --listen 127.0.0.1:4123 --socket /b",
            "maser demo --seconds 5 --json",
            "maser sim a.toml b.toml --seeds 1..40 --jobs 2 --json a.json --junit a.xml",
            "maser sim --swarm --seconds 240 --jobs 2 --json a.json",
            "maser sim --swarm --worlds 100 --from 7",
            "maser sim --swarm --world 1000017 --json a.json",
            "maser sim a.toml --report a.html --json a.json",
            "maser query [::1]:11123 --samples 8 --timeout 0.5 --json",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        for line in [
            "maser",
            "maser query",
            "maser query a --samples 0",
            "maser query a --samples 65",
            "maser query a --timeout 0",
            "maser query a --timeout nan",
            "maser check",
            "maser ledger -v",
            "maser run --listen here",
            "maser demo --seconds 0",
            "maser sim",
            "maser sim a.toml --seeds 3..1",
            "maser sim a.toml --jobs 0",
            "maser sim a.toml --swarm",
            "maser sim a.toml --seconds 3",
            "maser sim --swarm --seconds 3 --worlds 4",
            "maser sim --swarm --world 3 --from 4",
            "maser sim --swarm --seeds 3",
            "maser sim --swarm --report a.html",
            "maser sim --swarm --junit a.xml",
            "maser sim --swarm --world 3 --report a.html",
            "maser sim --swarm --world 3 --seconds 3",
            "maser sim --swarm --world 3 --worlds 3",
            "maser sim --swarm --world 3 --jobs 2",
            "maser sim a.toml --from 3",
            "maser sim a.toml --world 3",
            "maser sim --worlds 3",
        ] {
            let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
