//! UBX, the binary protocol of u-blox receivers: frames and the few messages that tell time.
//!
//! Layouts are those of the u-blox 8 / M8 receiver description; integers are little-endian. TIM-TP
//! announces the next pulse and its quantisation error. NAV-TIMEGPS and NAV-TIMEUTC date the last
//! fix and say whether the leap seconds in it are known; NAV-TIMELS tells of the next one.

use core::error::Error;
use core::fmt;

mod nav;
mod tim;

pub use nav::{LeapEvent, NavPvt, NavTimeGps, NavTimeLs, NavTimeUtc};
pub use tim::{Raim, TimTp, TimeBase};

/// A message that this program has a use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// NAV-PVT (01 07): time, fix and satellites in one.
    NavPvt(NavPvt),
    /// NAV-TIMEGPS (01 20).
    NavTimeGps(NavTimeGps),
    /// NAV-TIMEUTC (01 21).
    NavTimeUtc(NavTimeUtc),
    /// NAV-TIMELS (01 26).
    NavTimeLs(NavTimeLs),
    /// TIM-TP (0D 01).
    TimTp(TimTp),
}

impl Message {
    /// Reads a payload; `None` for messages of other kinds.
    ///
    /// # Errors
    /// [`Malformed`] if the payload has not the length of its kind.
    #[inline]
    pub fn parse(class: u8, id: u8, payload: &[u8]) -> Result<Option<Self>, Malformed> {
        let malformed = Malformed { class, id, length: payload.len() };
        // Later firmware may append, as NAV-PVT grew from 84 to 92 bytes.
        let message = match (class, id) {
            (0x01, 0x07) => payload.first_chunk().map(|p| Self::NavPvt(NavPvt::read(p))),
            (0x01, 0x20) => payload.first_chunk().map(|p| Self::NavTimeGps(NavTimeGps::read(p))),
            (0x01, 0x21) => payload.first_chunk().map(|p| Self::NavTimeUtc(NavTimeUtc::read(p))),
            (0x01, 0x26) => payload.first_chunk().map(|p| Self::NavTimeLs(NavTimeLs::read(p))),
            (0x0d, 0x01) => payload.first_chunk().map(|p| Self::TimTp(TimTp::read(p))),
            _ => return Ok(None),
        };
        message.map(Some).ok_or(malformed)
    }
}

/// A payload shorter than its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Malformed {
    /// Message class.
    pub class: u8,
    /// Message within the class.
    pub id: u8,
    /// Bytes of the payload.
    pub length: usize,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { class, id, length } = self;
        write!(f, "UBX message {class:02X} {id:02X} has only {length} bytes")
    }
}

impl Error for Malformed {}

/// Writes a frame and tells its length: commands to the receiver, and simulated receivers. `None`
/// if `out` or a 16-bit length does not hold it.
pub fn encode(class: u8, id: u8, payload: &[u8], out: &mut [u8]) -> Option<usize> {
    let length = HEADER + payload.len() + CHECKSUM;
    let out = out.get_mut(..length)?;
    let [l0, l1] = u16::try_from(payload.len()).ok()?.to_le_bytes();
    out[..HEADER].copy_from_slice(&[SYNC_1, SYNC_2, class, id, l0, l1]);
    out[HEADER..length - CHECKSUM].copy_from_slice(payload);
    let sum = checksum(&out[2..length - CHECKSUM]);
    out[length - CHECKSUM..].copy_from_slice(&sum);
    Some(length)
}

/// The 8-bit Fletcher checksum (RFC 1145) over class, id, length and payload.
#[inline]
pub fn checksum(covered: &[u8]) -> [u8; CHECKSUM] {
    covered.iter().fold([0, 0], |[a, b], &byte| {
        let a: u8 = byte.wrapping_add(a);
        [a, a.wrapping_add(b)]
    })
}

fn u16_at(p: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([p[at], p[at + 1]])
}

fn u32_at(p: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([p[at], p[at + 1], p[at + 2], p[at + 3]])
}

fn i32_at(p: &[u8], at: usize) -> i32 {
    u32_at(p, at).cast_signed()
}

/// The first two bytes of a frame: µ, b.
pub const SYNC_1: u8 = 0xb5;
/// The second of them.
pub const SYNC_2: u8 = 0x62;
/// Bytes before the payload.
pub const HEADER: usize = 6;
/// Bytes after the payload.
pub const CHECKSUM: usize = 2;

#[cfg(test)]
mod tests;
