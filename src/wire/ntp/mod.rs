//! The Network Time Protocol on the wire: header, extension fields, authenticators.
//!
//! Versions 1 to 4 share one 48-byte header. What may follow it differs: version 4 has extension
//! fields and a message authentication code, older versions only the latter.
//!
//! ```
//! use maser::wire::ntp::{Extensions, Header, Mode};
//!
//! # fn answer(packet: &[u8]) -> Result<(), maser::wire::ntp::Malformed> {
//! let (header, rest) = Header::parse(packet)?;
//! let extensions = Extensions::parse(header.version, rest)?;
//! if header.mode == Mode::Client {
//!     for field in extensions.fields() { /* … */ }
//! }
//! # Ok(())
//! # }
//! ```

mod extension;
mod header;
mod malformed;
mod md5;
mod reference_id;
mod writer;

pub use extension::{Authenticator, Extensions, Field, FieldType, Fields};
pub use header::{Header, Mode, Version};
pub use malformed::Malformed;
pub use reference_id::{KissCode, ReferenceId};
pub use writer::{Full, Writer};
