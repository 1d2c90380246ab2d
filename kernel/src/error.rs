//! What went wrong, in the operator's words: which call, on what, and why.
//!
//! "ioctl(TCSETS2) on /dev/ttyS0: Permission denied" says where to look; a bare errno does not.
//! Building one allocates, so the packet paths return plain counts and errno values for all that
//! happens in normal operation and reserve this type for a socket that is beyond use.

use std::{fmt, io};

/// The result of a call into the kernel.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed call: its name, the thing it was applied to, and the kernel's reason.
#[derive(Debug)]
pub struct Error {
    call: &'static str,
    on: String,
    source: io::Error,
}

impl Error {
    /// An error of `call` applied to `on`, for the reason `source`.
    pub fn new(call: &'static str, on: impl fmt::Display, source: io::Error) -> Self {
        Self { call, on: on.to_string(), source }
    }

    /// The call just made, with the reason from `errno`.
    pub(crate) fn last(call: &'static str, on: impl fmt::Display) -> Self {
        Self::new(call, on, io::Error::last_os_error())
    }

    /// A request refused here, before the kernel saw it.
    pub(crate) fn invalid(call: &'static str, on: impl fmt::Display, why: &'static str) -> Self {
        Self::new(call, on, io::Error::new(io::ErrorKind::InvalidInput, why))
    }

    /// The failed call, for example `ioctl(TCSETS2)`.
    pub fn call(&self) -> &'static str {
        self.call
    }

    /// What the call was applied to: a path, an address, a key.
    pub fn on(&self) -> &str {
        &self.on
    }

    /// The kind of failure, as std sorts them.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// The errno, if the kernel gave one.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.source.raw_os_error()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}: {}", self.call, self.on, self.source)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error)
    }
}

/// Turns the C convention (−1 and `errno`) into a `Result`.
pub(crate) fn check(returned: i32, call: &'static str, on: impl fmt::Display) -> Result<i32> {
    if returned == -1 { Err(Error::last(call, on)) } else { Ok(returned) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_names_call_object_and_reason() {
        let error =
            Error::new("ioctl(TCSETS2)", "/dev/ttyS0", io::Error::from_raw_os_error(libc::EACCES));
        assert_eq!(
            error.to_string(),
            "ioctl(TCSETS2) on /dev/ttyS0: Permission denied (os error 13)"
        );
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(error.raw_os_error(), Some(libc::EACCES));
        let plain = io::Error::from(error);
        assert_eq!(plain.kind(), io::ErrorKind::PermissionDenied);
        assert!(plain.to_string().contains("/dev/ttyS0"));
    }
}
