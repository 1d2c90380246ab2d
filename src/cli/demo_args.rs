//! The arguments of `maser demo`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::time::Duration;

/// How the demo runs.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// End by itself after so many seconds, with a summary.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub seconds: Option<u64>,
    /// The summary as one line of JSON.
    #[arg(long)]
    pub json: bool,
    /// Where the demo serves time; may be repeated.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:11123",
          value_parser = super::run::parse_address)]
    pub listen: Vec<SocketAddr>,
    /// How the modelled receiver's pulses reach the daemon.
    #[arg(long, value_enum, default_value_t = Via::Sock)]
    pub via: Via,
    /// Shift the pulses behind the receiver's declared error: the judge must see it.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration,
          allow_hyphen_values = true)]
    pub plant: Option<Duration>,
    /// Seed of everything that is drawn.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Control socket; one in a private directory is made and printed unless given.
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// How pulses travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Via {
    /// A Unix datagram socket, as chrony's SOCK.
    Sock,
    /// A shared memory segment, as ntpd's type 28.
    Shm,
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    crate::time::parse_span(text).ok_or_else(|| "a time such as 100us or 2.5ms".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        demo: DemoArgs,
    }

    fn parsed(line: &str) -> Result<DemoArgs, clap::Error> {
        Cli::try_parse_from(["demo"].into_iter().chain(line.split_whitespace())).map(|c| c.demo)
    }

    #[test]
    fn arguments_and_their_defaults() {
        let demo = parsed("").unwrap();
        assert_eq!(demo.listen, ["127.0.0.1:11123".parse().unwrap()]);
        assert_eq!((demo.via, demo.plant, demo.seconds), (Via::Sock, None, None));
        let demo = parsed("--seconds 50 --json --via shm --plant 100us --seed 7").unwrap();
        assert_eq!((demo.via, demo.seconds, demo.seed), (Via::Shm, Some(50), 7));
        assert_eq!(demo.plant, Some(Duration::from_micros(100)));
        assert_eq!(parsed("--plant -100us").unwrap().plant, Some(Duration::from_micros(-100)));
        for line in ["--seconds 0", "--via tape", "--plant soon", "--listen localhost"] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
