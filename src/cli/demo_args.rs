//! Arguments of the demo.
use crate::time::Duration;
use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
/// How pulses come.
#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub enum Via {
    /// SOCK
    Sock,
    /// SHM
    Shm,
}
/// Arguments.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// End
    #[arg(long)]
    pub seconds: Option<u64>,
    /// J
    #[arg(long)]
    pub json: bool,
    /// L
    #[arg(long, default_value = "127.0.0.1:11123")]
    pub listen: Vec<SocketAddr>,
    /// V
    #[arg(long, value_enum, default_value = "sock")]
    pub via: Via,
    /// P
    #[arg(long, value_parser = plant)]
    pub plant: Option<Duration>,
    /// S
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// So
    #[arg(long)]
    pub socket: Option<PathBuf>,
}
fn plant(s: &str) -> Result<Duration, String> {
    s.trim_end_matches("us").parse().map(Duration::from_micros).map_err(|e| format!("{e}"))
}
