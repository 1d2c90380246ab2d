//! Cuts a receiver's byte stream into frames, NMEA and UBX mixed, in whatever chunks it arrives.
//!
//! A frame counts only with its right checksum. What looked like the start of one and was not costs
//! its first byte; the search goes on behind it, so that a false start never swallows a frame.
//! Each frame tells where in the stream it stood: the caller dates bytes, not frames.
//!
//! ```text
//! NMEA  $ printable ASCII * hh           ≤ 120 bytes; line ends in between are skipped
//! UBX   B5 62 class id length(LE) payload checksum   ≤ 8192 bytes of payload
//! ```

use super::{nmea, ubx};

/// The incremental splitter of one stream. Its buffer is its only memory.
#[derive(Clone, Debug)]
pub struct Splitter {
    buffer: [u8; CAPACITY],
    /// `buffer[from..to]` is not yet judged.
    from: usize,
    to: usize,
    /// Place of `buffer[from]` in the stream.
    place: u64,
    refusals: Refusals,
}

impl Splitter {
    /// Begins a stream.
    pub const fn new() -> Self {
        Self { buffer: [0; CAPACITY], from: 0, to: 0, place: 0, refusals: Refusals::NONE }
    }

    /// Takes bytes from the front of `input` until a frame is whole. `None` only once `input` is
    /// used up: call until then.
    #[inline]
    pub fn next<'a>(&'a mut self, input: &mut &[u8]) -> Option<Framed<'a>> {
        let (kind, length) = loop {
            match look(&self.buffer[self.from..self.to]) {
                Look::Frame(kind, length) => break (kind, length),
                Look::Nothing(length) => self.skip(length),
                Look::Refused(refusal) => self.refuse(refusal),
                Look::Unfinished if input.is_empty() => return None,
                Look::Unfinished => self.absorb(input),
            }
        };
        let (start, first) = (self.from, self.place);
        self.advance(length);
        let bytes = &self.buffer[start..start + length];
        let frame = match kind {
            Kind::Nmea => Frame::Nmea(bytes),
            Kind::Ubx => Frame::Ubx {
                class: bytes[2],
                id: bytes[3],
                payload: &bytes[ubx::HEADER..length - ubx::CHECKSUM],
            },
        };
        Some(Framed { first, last: self.place - 1, frame })
    }

    /// Gives up waiting for the rest of a frame: for a caller that has heard nothing for longer
    /// than a receiver pauses within one. Follow with [`Splitter::next`], as a whole frame may
    /// stand behind the false start.
    pub fn give_up(&mut self) {
        if self.from < self.to {
            self.refuse(Refusal::Truncated);
        }
    }

    /// What was refused since the stream began.
    pub const fn refusals(&self) -> Refusals {
        self.refusals
    }

    fn absorb(&mut self, input: &mut &[u8]) {
        if self.to == CAPACITY {
            // An unfinished frame fills less than half the buffer, so this is rare and short.
            self.buffer.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
        }
        let length = input.len().min(CAPACITY - self.to);
        let (taken, left) = input.split_at(length);
        self.buffer[self.to..self.to + length].copy_from_slice(taken);
        self.to += length;
        *input = left;
    }

    fn advance(&mut self, length: usize) {
        self.from += length;
        self.place += length as u64;
    }

    fn skip(&mut self, length: usize) {
        let skipped = &self.buffer[self.from..self.from + length];
        let garbage = skipped.iter().filter(|&byte| !is_line_end(*byte)).count();
        self.refusals.garbage += garbage as u64;
        self.advance(length);
    }

    fn refuse(&mut self, refusal: Refusal) {
        *match refusal {
            Refusal::Checksum => &mut self.refusals.checksum,
            Refusal::NoChecksum => &mut self.refusals.no_checksum,
            Refusal::TooLong => &mut self.refusals.too_long,
            Refusal::Truncated => &mut self.refusals.truncated,
        } += 1;
        self.skip(1);
    }
}

impl Default for Splitter {
    fn default() -> Self {
        Self::new()
    }
}

/// A frame and where it stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framed<'a> {
    /// Place of its first byte, counted from the start of the stream.
    pub first: u64,
    /// Place of its last byte; for NMEA that is the second digit of the checksum.
    pub last: u64,
    /// What it is.
    pub frame: Frame<'a>,
}

/// What a receiver sends. Its checksum is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A sentence from `$` to the checksum, without line end.
    Nmea(&'a [u8]),
    /// A UBX message.
    Ubx {
        /// Message class.
        class: u8,
        /// Message within the class.
        id: u8,
        /// At most 8192 bytes.
        payload: &'a [u8],
    },
}

/// What was refused, counted. A refused start may lie inside another refused frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// Frames with a wrong checksum.
    pub checksum: u64,
    /// Sentences without a checksum.
    pub no_checksum: u64,
    /// Starts of frames that would be longer than any this program knows.
    pub too_long: u64,
    /// Frames that something else interrupts.
    pub truncated: u64,
    /// Bytes that belong to no frame, those of refused frames among them; line ends are free.
    pub garbage: u64,
}

impl Refusals {
    const NONE: Self = Self { checksum: 0, no_checksum: 0, too_long: 0, truncated: 0, garbage: 0 };
}

#[derive(Clone, Copy)]
enum Look {
    Frame(Kind, usize),
    Nothing(usize),
    Refused(Refusal),
    Unfinished,
}

#[derive(Clone, Copy)]
enum Kind {
    Nmea,
    Ubx,
}

#[derive(Clone, Copy)]
enum Refusal {
    Checksum,
    NoChecksum,
    TooLong,
    Truncated,
}

/// What the bytes begin with.
#[inline]
fn look(bytes: &[u8]) -> Look {
    match bytes {
        [] => Look::Unfinished,
        [b'$', ..] => look_nmea(bytes),
        [ubx::SYNC_1] => Look::Unfinished,
        [ubx::SYNC_1, ubx::SYNC_2, ..] => look_ubx(bytes),
        [_, rest @ ..] => {
            let start = rest.iter().position(|&byte| matches!(byte, b'$' | ubx::SYNC_1));
            Look::Nothing(1 + start.unwrap_or(rest.len()))
        }
    }
}

fn look_nmea(bytes: &[u8]) -> Look {
    let text = &bytes[..bytes.len().min(NMEA_MAX)];
    let inside = |&byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'$' | b'*');
    let Some(end) = text[1..].iter().position(|byte| !inside(byte)).map(|at| at + 1) else {
        return if text.len() < NMEA_MAX { Look::Unfinished } else { refused(Refusal::TooLong) };
    };
    match text[end] {
        b'*' => {}
        byte if is_line_end(byte) => return refused(Refusal::NoChecksum),
        _ => return refused(Refusal::Truncated),
    }
    let length = end + 3;
    if length > NMEA_MAX {
        return refused(Refusal::TooLong);
    }
    match text.get(..length) {
        None => Look::Unfinished,
        Some(sentence) if nmea::unwrap(sentence).is_ok() => Look::Frame(Kind::Nmea, length),
        Some(_) => refused(Refusal::Checksum),
    }
}

fn look_ubx(bytes: &[u8]) -> Look {
    let Some(&[.., l0, l1]) = bytes.first_chunk::<{ ubx::HEADER }>() else {
        return Look::Unfinished;
    };
    let payload = usize::from(u16::from_le_bytes([l0, l1]));
    if payload > UBX_PAYLOAD_MAX {
        return refused(Refusal::TooLong);
    }
    let length = ubx::HEADER + payload + ubx::CHECKSUM;
    let Some(frame) = bytes.get(..length) else { return Look::Unfinished };
    let (covered, checksum) = frame[2..].split_at(length - 2 - ubx::CHECKSUM);
    if ubx::checksum(covered) == checksum {
        Look::Frame(Kind::Ubx, length)
    } else {
        refused(Refusal::Checksum)
    }
}

const fn refused(refusal: Refusal) -> Look {
    Look::Refused(refusal)
}

const fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// NMEA 0183 allows 82 bytes; receivers with more digits send up to 100.
const NMEA_MAX: usize = 120;
/// RXM-RAWX of 255 measurements has 8176 bytes, and nothing that receivers send is longer.
const UBX_PAYLOAD_MAX: usize = 8192;
/// Twice the longest frame.
const CAPACITY: usize = 2 * (ubx::HEADER + UBX_PAYLOAD_MAX + ubx::CHECKSUM);

#[cfg(test)]
mod tests;
