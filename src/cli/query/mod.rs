//! `maser query HOST`: ask a server once, and say how this machine's clock compares.
//!
//! ```text
//!   address ─► exchange (one socket, one request) ─► measure (offset, delay, bound) ─► best of them
//! ```
//! Kernel stamps on both ends of each exchange: how promptly this process runs does not matter.
//! Signs: `offset = server − this machine`, positive: this machine is behind.

mod exchange;
mod measure;

use std::fmt::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use self::exchange::{NoAnswer, exchange};
use self::measure::{Measurement, best};
use super::{Failure, print};
use crate::config;
use crate::observe::Scaled;

/// Whom to ask, and how often.
#[derive(Debug, Args)]
pub struct QueryArgs {
    /// The server: a name or an address, with :PORT if it is not 123.
    server: String,
    /// Requests; the answer with the least delay counts.
    #[arg(long, value_name = "N", default_value_t = 4,
          value_parser = clap::value_parser!(u32).range(1..=64))]
    samples: u32,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// How long to wait for each answer.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = parse_timeout)]
    timeout: Duration,
}

/// What came of a query.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct QueryReport {
    /// As it was asked for.
    server: String,
    /// As it was reached.
    address: SocketAddr,
    /// The sample with the least delay.
    #[serde(flatten)]
    best: Measurement,
    /// Requests sent.
    requests: u32,
    /// Every answer, in the order of asking.
    samples: Vec<Measurement>,
}

pub(super) fn run(args: &QueryArgs) -> Result<ExitCode, Failure> {
    let report = query(args)?;
    let text = match args.json {
        true => serde_json::to_string(&report).map_err(Failure::new)? + "\n",
        false => report.to_string(),
    };
    print(&text)?;
    if report.best.synchronised {
        return Ok(ExitCode::SUCCESS);
    }
    // The answer itself was shown; this says why the exit code is not 0.
    let server = &report.server;
    Err(Failure::with_code(
        UNSYNCHRONISED,
        format_args!("{server} answers that it does not know the time"),
    ))
}

/// The first address that answers is asked for all samples.
fn query(args: &QueryArgs) -> Result<QueryReport, Failure> {
    let mut failures = Vec::new();
    for address in resolve(&args.server)? {
        let (mut samples, mut failure) = (Vec::new(), None);
        let mut requests = 0;
        let _stamping = exchange::warm_up(address);
        for number in 0..args.samples {
            if number > 0 {
                thread::sleep(PAUSE);
            }
            requests += 1;
            match exchange(address, args.timeout) {
                Ok(answer) => samples.push(Measurement::of(&answer)),
                Err(error) => {
                    failure = Some(error);
                    // Whoever is silent at first is not there; later it may be a lost packet.
                    if samples.is_empty() {
                        break;
                    }
                }
            }
        }
        match best(&samples) {
            Some(best) => {
                let server = args.server.clone();
                return Ok(QueryReport { server, address, best: best.clone(), requests, samples });
            }
            None => failures.extend(failure.map(|error| told(address, &error, args.timeout))),
        }
    }
    Err(Failure::with_code(NO_ANSWER, failures.join("; ")))
}

fn told(address: SocketAddr, error: &NoAnswer, timeout: Duration) -> String {
    match error {
        NoAnswer::Silence { strays: 0 } => format!("{address}: no answer within {timeout:?}"),
        NoAnswer::Silence { strays } => {
            format!("{address}: no answer within {timeout:?}, but {strays} that do not match")
        }
        NoAnswer::Refused(why) => format!("{address}: {why}"),
    }
}

/// `HOST`, `HOST:PORT`, `ADDRESS`, `[ADDRESS]:PORT`.
fn resolve(server: &str) -> Result<Vec<SocketAddr>, Failure> {
    let usage = |why: &str| Failure::with_code(USAGE, format_args!("\"{server}\": {why}"));
    match config::address(server) {
        Some(address) if address.port() == 0 => return Err(usage("port 0 is no port")),
        Some(address) => return Ok(vec![address]),
        None => {}
    }
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) => {
            let number = port.parse().ok().filter(|number| *number != 0);
            let bad = || {
                Failure::with_code(USAGE, format_args!("{server}: \"{port}\" is no port number"))
            };
            (host, number.ok_or_else(bad)?)
        }
        None => (server, 123),
    };
    // No name holds these: a literal address was meant.
    if host.is_empty() || host.contains(['[', ']', ':']) || host.contains(char::is_whitespace) {
        return Err(usage("neither a name nor an address; such as 192.0.2.1:123 or [::1]:123"));
    }
    let unknown = |why: &dyn fmt::Display| {
        Failure::with_code(NO_ANSWER, format_args!("{host}: no address: {why}"))
    };
    let addresses = (host, port).to_socket_addrs().map_err(|error| unknown(&error))?;
    let mut distinct: Vec<SocketAddr> = Vec::new();
    for address in addresses {
        if !distinct.contains(&address) && distinct.len() < ADDRESSES_MAX {
            distinct.push(address);
        }
    }
    if distinct.is_empty() { Err(unknown(&"the name has none")) } else { Ok(distinct) }
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    let right = || "a number of seconds, 0.01 to 60".to_owned();
    let seconds: f64 = text.parse().map_err(|_| right())?;
    if (0.01..=60.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(right())
    }
}

impl fmt::Display for QueryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (best, ns) = (&self.best, Scaled::of_nanoseconds);
        let mut row = |name: &str, value: &dyn fmt::Display, remark: &str| {
            let mut line = String::new();
            write!(line, "{name:<16}{:<14}{remark}", value.to_string())?;
            writeln!(f, "{}", line.trim_end())
        };
        row(
            "Server",
            &self.server,
            &match self.address.to_string() {
                address if address == self.server => String::new(),
                address => format!("  {address}"),
            },
        )?;
        row(
            "Offset",
            &ns(best.offset_ns).signed(),
            match best.offset_ns {
                o if o > 0.0 => "this machine is behind the server",
                o if o < 0.0 => "this machine is ahead of the server",
                _ => "",
            },
        )?;
        row("Delay", &ns(best.delay_ns), &best.stamps.to_string())?;
        row("Error bound", &ns(best.bound_ns), "root delay/2 + root dispersion + delay/2")?;
        row(
            "Stratum",
            &best.stratum,
            if best.synchronised { "" } else { "does not know the time" },
        )?;
        row("Reference", &best.reference_id, "")?;
        row("Leap", &best.leap, "")?;
        row("Root delay", &ns(best.root_delay_ns), "")?;
        row("Root dispersion", &ns(best.root_dispersion_ns), "")?;
        let answered = format!("{} of {}", self.samples.len(), self.requests);
        row("Answers", &answered, "the one with the least delay counts")
    }
}

/// Between requests: the burst of a client that starts is no faster.
const PAUSE: Duration = Duration::from_millis(100);
/// A name with more addresses is served by a pool: some of it will do.
const ADDRESSES_MAX: usize = 4;

const USAGE: u8 = 2;
const NO_ANSWER: u8 = 3;
const UNSYNCHRONISED: u8 = 4;

#[cfg(test)]
mod tests;
