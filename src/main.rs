//! The `maser` program. [`maser::cli`] has its subcommands.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    maser::cli::main()
}
