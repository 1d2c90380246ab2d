//! The `maser` program.
use clap::Parser;
#[derive(Parser)]
enum Cli {
    Demo(maser::cli::demo_args::DemoArgs),
}
fn main() -> std::process::ExitCode {
    match Cli::parse() {
        Cli::Demo(args) => match maser::cli::demo::run(&args) {
            Ok(code) => code,
            Err(e) => {
                eprintln!("maser: {e}");
                std::process::ExitCode::FAILURE
            }
        },
    }
}
