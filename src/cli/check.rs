//! `maser check FILE`: whether a file can be run, and what it was understood to mean.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Failure, print};
use crate::config;
use crate::engine::{Role, SourcePlan, StepPolicy};
use crate::host::plan::{Driver, Plan, Serve};
use crate::source::association::AssociationPlan;
use crate::wire::ntp::Version;

/// Which file.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The configuration file.
    file: PathBuf,
}

pub(super) fn run(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let plan = config::load(&args.file).map_err(Failure::new)?;
    print(&format!("{}{}: ok\n", summary(&plan), args.file.display()))
}

/// The plan in a few lines.
fn summary(plan: &Plan) -> String {
    let mut out = String::new();
    let mut line = |name: &str, text: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{name:<9}{text}");
    };
    let sources = plan.engine.sources.iter().zip(&plan.drivers);
    for (source, driver) in sources {
        let kind = if matches!(driver, Driver::Server { .. }) { "server" } else { "source" };
        line(kind, &source_line(source, driver, plan));
    }
    if plan.engine.sources.is_empty() {
        line("source", "none; only the machine's own clock could be served");
    }
    match &plan.serve {
        Some(serve) => line("serve", &serve_line(serve)),
        None => line("serve", "no: there is no table [serve]"),
    }
    line(
        "step",
        &match plan.engine.policy.step {
            StepPolicy::Never => "never".to_owned(),
            StepPolicy::First { threshold, count } => {
                format!("offsets above {}, {count} times", bare(threshold))
            }
            StepPolicy::Always { threshold } => {
                format!("offsets above {}, always", bare(threshold))
            }
        },
    );
    line(
        "holdover",
        &format!("until the bound passes {}", bare(plan.engine.policy.holdover_limit)),
    );
    if let Some(local) = &plan.engine.local {
        let wait = bare(local.wait);
        line("local", &format!("as stratum {} after {wait} without a source", local.stratum));
    }
    line(
        "leap",
        &plan.leap_file.as_ref().map_or_else(
            || "as the sources announce".to_owned(),
            |file| file.display().to_string(),
        ),
    );
    line("control", &plan.control.display().to_string());
    out
}

fn source_line(source: &SourcePlan, driver: &Driver, plan: &Plan) -> String {
    let from = match driver {
        Driver::Gnss { device, speed } => format!("gnss {} at {speed} bit/s", device.display()),
        Driver::Shm { unit, .. } => format!("shm unit {unit}"),
        Driver::Sock { path } => format!("sock {}", path.display()),
        Driver::Server { address, port, association } => server(address, *port, association),
    };
    let mut text = format!("{}: {from}", source.name);
    if let Role::Pulse { text: Some(id) } = source.role {
        text += &format!(", numbered by {}", plan.engine.sources[id.index()].name);
    }
    if source.declared.offset.nanos() != 0 {
        text += &format!(", offset {}", source.declared.offset);
    }
    if source.prefer {
        text += ", preferred";
    }
    if source.noselect {
        text += ", watched only";
    }
    if source.trust {
        text += ", trusted";
    }
    text
}

fn server(address: &str, port: u16, plan: &AssociationPlan) -> String {
    let seconds = |poll: crate::time::Exponent| bare(poll.duration());
    let mut text = format!("{address} port {port}, asked every ");
    text += &match (seconds(plan.poll_min), seconds(plan.poll_max)) {
        (least, most) if least == most => least,
        (least, most) => format!("{least} to {most}"),
    };
    for (said, word) in [
        (plan.iburst, "eight times at the start"),
        (plan.burst, "four times each"),
        (plan.interleaved, "interleaved"),
    ] {
        if said {
            text += ", ";
            text += word;
        }
    }
    if plan.version != Version::V4 {
        text += &format!(", version {}", plan.version.number());
    }
    text
}

fn serve_line(serve: &Serve) -> String {
    let addresses: Vec<String> = serve.listen.iter().map(ToString::to_string).collect();
    let rate = match serve.policy.rate {
        Some(rate) => format!("one answer per {} to each", bare(rate.interval)),
        None => "no limit of rate".to_owned(),
    };
    let (clients, threads) = (serve.clients.clients, serve.threads);
    let threads =
        if threads == 1 { String::new() } else { format!(" on each of {threads} threads") };
    format!("{}, {clients} clients remembered{threads}, {rate}", addresses.join(", "))
}

/// A time without its plus.
fn bare(span: crate::time::Duration) -> String {
    span.to_string().trim_start_matches('+').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_told_in_a_few_lines() {
        let text = include_str!("../../config/stratum1-gps-pps.toml");
        let plan = config::parse("sample", text).unwrap();
        let expected = "\
source   GPS: gnss /dev/ttyS0 at 9600 bit/s
source   PPS: sock /run/maser/pps.sock, numbered by GPS, offset +50 ns, preferred
serve    0.0.0.0:123, [::]:123, 4096 clients remembered, one answer per 250.000 ms to each
step     offsets above 1.000 ms, 3 times
holdover until the bound passes 100.000 ms
leap     /usr/share/zoneinfo/leap-seconds.list
control  /run/maser/maser.sock
";
        assert_eq!(summary(&plan), expected);
        let text = "[[server]]\naddress='ntp.example.org'\niburst=true\nprefer=true\n\
                    [[server]]\nname='rack'\naddress='::1'\nport=1123\nminpoll=0\nmaxpoll=0\n\
                    burst=true\nxleave=true\ntrust=true\n\
                    [[server]]\naddress='old.example.org'\nversion=3\nnoselect=true\noffset='1ms'\n";
        let servers = summary(&config::parse("servers", text).unwrap());
        let expected = "\
server   ntp.example.org: ntp.example.org port 123, asked every 64.000 s to 1024.000 s, eight times at \
the start, preferred
server   rack: ::1 port 1123, asked every 1.000 s, four times each, interleaved, trusted
server   old.example.org: old.example.org port 123, asked every 64.000 s to 1024.000 s, version 3, \
offset +1.000 ms, watched only
";
        assert!(servers.starts_with(expected), "{servers}");
        let empty = summary(&config::parse("empty", "").unwrap());
        assert!(empty.starts_with("source   none;") && empty.contains("serve    no:"), "{empty}");
    }
}
