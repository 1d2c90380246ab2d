//! The configuration file: TOML in, a [`Plan`] that cannot be wrong out.
//!
//! ```text
//!   text ─► file (serde mirror, unknown keys denied) ─► check ─► host::Plan
//!             one wrong type or key: one error            every contradiction: all errors
//! ```
//!
//! Every error names file, line and key, says what is wrong and what would be right. Keys and
//! defaults are those of chrony's `refclock`, `server`, `local` and `allow` where it has one;
//! `docs/configuration.md` lists them all.

mod check;
mod error;
mod file;
mod leap;
pub mod scenario;
mod server;
mod source;
mod time;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use check::address;
pub use error::{ConfigError, ConfigErrors};

use crate::host::plan::Plan;

/// Reads and checks a file.
///
/// # Errors
/// Everything that is wrong with it; a file that cannot be read is one error without a line.
pub fn load(path: &Path) -> Result<Plan, ConfigErrors> {
    parse(&path.display().to_string(), &read(path)?)
}

fn read(path: &Path) -> Result<String, ConfigErrors> {
    std::fs::read_to_string(path).map_err(|error| {
        ConfigErrors(vec![ConfigError {
            file: path.display().to_string(),
            line: None,
            key: String::new(),
            reason: format!("cannot be read: {error}"),
        }])
    })
}

/// Checks the text of a file; `name` is how errors call it.
///
/// # Errors
/// Everything that is wrong with it, in the order of its lines.
pub fn parse(name: &str, text: &str) -> Result<Plan, ConfigErrors> {
    let file: file::File = toml::from_str(text).map_err(|e| error::of_toml(name, text, &e))?;
    let mut check = check::Check::new(name, text);
    let plan = check.plan(&file);
    check.finish(plan)
}

/// Where reports are given unless the file or `--socket` says otherwise.
pub const CONTROL_DEFAULT: &str = "/run/maser/maser.sock";
