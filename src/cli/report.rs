//! `maser tracking`, `maser sources`, `maser ledger`: ask a daemon, show what it says.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::de::DeserializeOwned;

use super::{Failure, print};
use crate::config::CONTROL_DEFAULT;
use crate::host::control;
use crate::observe::{Ledger, Sources, Tracking};

/// Whom to ask and how to show it.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Print the daemon's JSON as it is.
    #[arg(long)]
    json: bool,
    /// Control socket of the daemon to ask.
    #[arg(long, value_name = "PATH", default_value = CONTROL_DEFAULT)]
    socket: PathBuf,
}

/// The same for sources.
#[derive(Debug, Args)]
pub(super) struct SourcesArgs {
    #[command(flatten)]
    report: ReportArgs,
    /// Also show what each driver dropped and what each source's errors are made of.
    #[arg(short, long)]
    verbose: bool,
}

pub(super) fn tracking(args: &ReportArgs) -> Result<ExitCode, Failure> {
    show(args, "tracking", |tracking: &Tracking| tracking.to_string())
}

pub(super) fn sources(args: &SourcesArgs) -> Result<ExitCode, Failure> {
    show(&args.report, "sources", |sources: &Sources| match args.verbose {
        true => sources.verbose().to_string(),
        false => sources.to_string(),
    })
}

pub(super) fn ledger(args: &ReportArgs) -> Result<ExitCode, Failure> {
    show(args, "ledger", |ledger: &Ledger| ledger.to_string())
}

fn show<T: DeserializeOwned>(
    args: &ReportArgs,
    request: &str,
    text: impl FnOnce(&T) -> String,
) -> Result<ExitCode, Failure> {
    let reply = control::ask(&args.socket, request).map_err(Failure::new)?;
    if args.json {
        return print(&format!("{reply}\n"));
    }
    let foreign = |error: &dyn fmt::Display| {
        let socket = args.socket.display();
        let version = env!("CARGO_PKG_VERSION");
        Failure::new(format_args!(
            "{socket}: the daemon's report is not one that maser {version} knows ({error}); use \
             the daemon's own version, or --json"
        ))
    };
    let report = serde_json::from_str(&reply).map_err(|error| foreign(&error))?;
    print(&text(&report))
}
