//! The table `[leap]`, and `smear` of an address: what becomes of leap seconds.

use std::path::PathBuf;

use toml::Spanned;

use super::check::{Check, PATH_MAX};
use super::file::{self, File};
use crate::engine::LeapMode;
use crate::time::SmearShape;

impl Check<'_> {
    /// Where the table of leap seconds is.
    pub(super) fn leap_file(&mut self, file: &File) -> Option<PathBuf> {
        let leap = file.leap.as_ref()?;
        if let (Some(_), Some(zone)) = (&leap.file, &leap.zone) {
            self.error(&zone.span(), "is a second table beside `file`; keep one of them");
        }
        let zone = leap.zone.as_ref().and_then(|zone| self.zone(zone));
        self.path(leap.file.as_ref(), PATH_MAX).or(zone)
    }

    /// How the clock passes a leap second.
    pub(super) fn leap_mode(&mut self, file: &File) -> LeapMode {
        let key = file.leap.as_ref().and_then(|leap| leap.mode.as_ref());
        let Some(key) = key else { return LeapMode::default() };
        let mode = match key.get_ref().as_str() {
            // chrony's word for it.
            "system" => Some(LeapMode::Kernel),
            _ => self.word(key, &MODES),
        };
        mode.unwrap_or_default()
    }

    /// A zone of the tz database, such as chrony's `leapsectz` has it.
    fn zone(&mut self, key: &Spanned<String>) -> Option<PathBuf> {
        let name = key.get_ref();
        let letters = |b: u8| b.is_ascii_alphanumeric() || b"/_-+".contains(&b);
        if name.is_empty() || name.starts_with('/') || !name.bytes().all(letters) {
            let reason = format!("\"{name}\" is no zone; \"right/UTC\" has leap seconds");
            self.error(&key.span(), reason);
            return None;
        }
        if !name.starts_with("right/") {
            let reason = format!(
                "\"{name}\" has no leap seconds; only the zones of right/ do, such as \"right/UTC\""
            );
            self.error(&key.span(), reason);
        }
        Some(PathBuf::from(ZONES).join(name))
    }

    /// How the answers of an address are smeared. A clock that does not count leap seconds is a second
    /// off after one, and nothing can be spread over the day then.
    pub(super) fn smear(&mut self, listen: &file::Listen, mode: LeapMode) -> Option<SmearShape> {
        let file::Listen::As(file::ListenAs { smear: Some(key), .. }) = listen else { return None };
        let shape = self.word(key, &SHAPES);
        if matches!(mode, LeapMode::Slew | LeapMode::Ignore) {
            let reason = "needs a clock that counts leap seconds; leap.mode is to be \"kernel\" or \
                          \"step\" beside it";
            self.error(&key.span(), reason);
        }
        shape
    }
}

const MODES: [(&str, LeapMode); 4] = [
    ("kernel", LeapMode::Kernel),
    ("step", LeapMode::Step),
    ("slew", LeapMode::Slew),
    ("ignore", LeapMode::Ignore),
];
const SHAPES: [(&str, SmearShape); 2] =
    [("linear", SmearShape::Linear), ("cosine", SmearShape::Cosine)];
/// Where Linux has its zones.
const ZONES: &str = "/usr/share/zoneinfo";
