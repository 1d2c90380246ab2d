//! `maser run`: from the command line to a plan that may be run on this machine, and its run.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration as Pause;

use clap::Args;
use maser_kernel::process::{self, Capability};
use tracing::{debug, error, info, warn};
use tracing_subscriber::EnvFilter;

use super::{Failure, signals};
use crate::config;
use crate::engine::StepPolicy;
use crate::event::{Event, Severity};
use crate::host::control;
use crate::host::daemon::{Daemon, Options};
use crate::host::plan::{Plan, Serve};
use crate::host::rivals::{self, Rival};
use crate::server::{Policy, TableSize};

/// What to run.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "/etc/maser/maser.toml")]
    pub config: PathBuf,
    /// Leave this machine's clock alone: correct it in software, for those who ask.
    #[arg(long)]
    pub no_steer: bool,
    /// Never step the clock, whatever the file says: slew, if it takes hours.
    #[arg(short = 'x', long)]
    pub never_step: bool,
    /// Serve time here instead of where the file says; may be repeated. Port 123 unless given.
    #[arg(long, value_name = "ADDR", value_parser = parse_address)]
    pub listen: Vec<SocketAddr>,
    /// Control socket, instead of the file's.
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// Runs the daemon until it is told to end.
pub(super) fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let mut plan = prepare(args)?;
    if plan.state_file.is_none() {
        // What a service manager made for it.
        let folder = std::env::var_os("STATE_DIRECTORY").map(PathBuf::from);
        plan.state_file = folder.map(|folder| folder.join("state.toml"));
    }
    log_to_stderr();
    // Before the first thread: capabilities belong to threads.
    drop_capabilities(!args.no_steer);
    let names: Vec<String> = plan.engine.sources.iter().map(|source| source.name.clone()).collect();
    let ended = signals::watch().map_err(Failure::new)?;
    // Before anything starts: another daemon with this configuration answers here.
    let socket = control::Socket::bind(&plan.control).map_err(Failure::new)?;
    let options = Options { steer: !args.no_steer, ..Options::default() };
    let mut daemon = Daemon::start(plan, options).map_err(Failure::new)?;
    let control = control::Server::on(socket, daemon.published().clone()).map_err(Failure::new)?;
    while !ended.load(Ordering::Relaxed) {
        while let Some(event) = daemon.poll_event() {
            log(&event, &names);
        }
        daemon.keep_memory();
        thread::sleep(LOG_EVERY);
    }
    drop(control);
    daemon.stop();
    Ok(ExitCode::SUCCESS)
}

/// A plan with the command line's word over the file's, that this process may run.
///
/// # Errors
/// What is wrong with the file; and if the clock is to be steered, that this process may not, or who
/// steers it already.
pub fn prepare(args: &RunArgs) -> Result<Plan, Failure> {
    let mut plan = config::load(&args.config).map_err(Failure::new)?;
    apply(args, &mut plan);
    if !args.no_steer {
        let may_steer = process::has(Capability::SysTime).map_err(Failure::new)?;
        may_start(may_steer, &rivals::scan())?;
    }
    Ok(plan)
}

/// Where time is served: `--listen` of several subcommands.
///
/// # Errors
/// Anything but an address with or without a port.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    match config::address(text) {
        Some(address) if address.port() != 0 => Ok(address),
        _ => Err("an address such as 0.0.0.0:123 or [::1]:11123".to_owned()),
    }
}

fn apply(args: &RunArgs, plan: &mut Plan) {
    if !args.listen.is_empty() {
        let serve = plan.serve.get_or_insert_with(|| Serve {
            listen: Vec::new(),
            smear: Vec::new(),
            threads: 1,
            policy: Policy::default(),
            clients: TableSize::default(),
        });
        serve.listen.clone_from(&args.listen);
    }
    if args.never_step {
        plan.engine.policy.step = StepPolicy::Never;
    }
    if let Some(socket) = &args.socket {
        plan.control.clone_from(socket);
    }
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let ansi = io::stderr().is_terminal();
    // Fails only if it was done before.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(ansi)
        .with_target(false)
        .try_init();
}

fn log(event: &Event, names: &[String]) {
    let source = event.source.and_then(|id| names.get(id.index()));
    let text = match source {
        Some(name) => format!("{name}: {}", event.kind),
        None => event.kind.to_string(),
    };
    match event.kind.severity() {
        Severity::Debug => debug!("{text}"),
        Severity::Info => info!("{text}"),
        Severity::Warning => warn!("{text}"),
        Severity::Error => error!("{text}"),
    }
}

/// Keeps what the plan may need: a low port, memory, real-time threads, and the clock if it is to be
/// steered. A superuser without the rest opens only what is its own.
fn drop_capabilities(steer: bool) {
    let mut keep = vec![Capability::NetBindService, Capability::IpcLock, Capability::SysNice];
    if steer {
        keep.push(Capability::SysTime);
    }
    if let Err(error) = process::drop_capabilities(&keep) {
        warn!("{error}: running with more rights than needed");
    }
}

/// Whether this process may steer the machine's clock, alone.
fn may_start(may_steer: bool, rivals: &[Rival]) -> Result<(), Failure> {
    if !may_steer {
        return Err(Failure::new(
            "steering this machine's clock needs CAP_SYS_TIME, which this process lacks; run it as \
             root or with that capability, or with --no-steer",
        ));
    }
    if rivals.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = rivals.iter().map(ToString::to_string).collect();
    let (verb, object) = if rivals.len() == 1 { ("steers", "it") } else { ("steer", "them") };
    let names = names.join(" and ");
    Err(Failure::new(format_args!(
        "{names} {verb} this machine's clock already; stop {object}, or run with --no-steer"
    )))
}

/// Events are told so late at most, and an end is noticed.
const LOG_EVERY: Pause = Pause::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    fn args(listen: &[&str], socket: Option<&str>) -> RunArgs {
        RunArgs {
            config: "config/demo.toml".into(),
            no_steer: true,
            never_step: false,
            listen: listen.iter().map(|text| parse_address(text).unwrap()).collect(),
            socket: socket.map(PathBuf::from),
        }
    }

    #[test]
    fn the_command_line_overrules_the_file() {
        let plan = prepare(&args(&[], None)).unwrap();
        assert_eq!(plan.control, PathBuf::from("/tmp/maser-demo/maser.sock"));
        let plan = prepare(&args(&["::1", "127.0.0.1:4123"], Some("/run/other"))).unwrap();
        assert_eq!(plan.control, PathBuf::from("/run/other"));
        let serve = plan.serve.unwrap();
        let expected: [SocketAddr; 2] =
            ["[::1]:123".parse().unwrap(), "127.0.0.1:4123".parse().unwrap()];
        assert_eq!(serve.listen, expected);
        // The file's policy stays.
        assert_eq!(serve.policy.rate, None);
    }

    #[test]
    fn never_step_overrules_the_file() {
        assert_ne!(prepare(&args(&[], None)).unwrap().engine.policy.step, StepPolicy::Never);
        let never = RunArgs { never_step: true, ..args(&[], None) };
        assert_eq!(prepare(&never).unwrap().engine.policy.step, StepPolicy::Never);
    }

    #[test]
    fn listening_makes_a_server_of_a_file_without_one() {
        let mut plan = config::parse("empty", "").unwrap();
        apply(&args(&["127.0.0.1:4123"], None), &mut plan);
        assert_eq!(plan.serve.unwrap().policy, Policy::default());
    }

    #[test]
    fn one_clear_sentence_without_the_right_or_beside_a_rival() {
        let rival = |pid, name: &str| Rival { pid, name: name.to_owned() };
        assert_eq!(may_start(true, &[]), Ok(()));
        let told = may_start(false, &[rival(1, "ntpd")]).unwrap_err().to_string();
        assert!(told.contains("CAP_SYS_TIME") && told.contains("--no-steer"), "{told}");
        let told = may_start(true, &[rival(7, "chronyd")]).unwrap_err();
        let expected = "chronyd (pid 7) steers this machine's clock already; stop it, or run with \
                        --no-steer";
        assert_eq!((told.code(), told.to_string().as_str()), (1, expected));
        let told = may_start(true, &[rival(7, "ntpd"), rival(9, "phc2sys")]).unwrap_err();
        assert!(told.to_string().starts_with("ntpd (pid 7) and phc2sys (pid 9) steer this"));
    }

    #[test]
    fn a_broken_file_is_told_line_by_line() {
        let broken = RunArgs { config: "/nonexistent".into(), ..args(&[], None) };
        assert!(prepare(&broken).unwrap_err().to_string().contains("cannot be read"));
    }

    #[test]
    fn addresses_are_read_with_and_without_a_port() {
        assert_eq!(parse_address("10.0.0.1").unwrap().port(), 123);
        assert_eq!(parse_address("[::1]").unwrap(), "[::1]:123".parse().unwrap());
        for text in ["localhost", "10.0.0.1:0", "10.0.0.1:", "", "1.2.3.4:99999", "[::1"] {
            assert!(parse_address(text).is_err(), "{text}");
        }
    }
}
