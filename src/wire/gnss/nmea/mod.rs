//! NMEA 0183 sentences, as far as they tell time or how far to trust it.
//!
//! `$` talker kind `,` fields `*` checksum. The checksum is required, numbers are digits and nothing
//! else, and an empty field is `None`: a receiver without a fix sends many. Positions are not read.

use core::error::Error;
use core::fmt;

mod fields;
mod satellites;

use fields::Fields;
pub use satellites::{Gsa, GsaFix, Gsv, SatelliteInView};

use super::{TimeOfDay, TwoDigitDate};
use crate::time::Date;

/// Reads a sentence from `$` to its checksum; a line end may follow. `None` for well-formed
/// sentences of other talkers and kinds.
///
/// # Errors
/// [`Malformed`], which names the first field that does not read.
#[inline]
pub fn parse(sentence: &[u8]) -> Result<Option<Sentence>, Malformed> {
    let body = unwrap(sentence)?;
    let mut fields = Fields::of(body);
    let [t0, t1, kind @ ..] = fields.next()? else { return Ok(None) };
    let Some(talker) = Talker::of([*t0, *t1]) else { return Ok(None) };
    let kind = match kind {
        b"RMC" => Kind::Rmc(Rmc::read(&mut fields)?),
        b"ZDA" => Kind::Zda(Zda::read(&mut fields)?),
        b"GGA" => Kind::Gga(Gga::read(&mut fields)?),
        b"GLL" => Kind::Gll(Gll::read(&mut fields)?),
        b"GSA" => Kind::Gsa(Gsa::read(&mut fields)?),
        b"GSV" => Kind::Gsv(Gsv::read(&mut fields)?),
        _ => return Ok(None),
    };
    Ok(Some(Sentence { talker, kind }))
}

/// What stands between `$` and `*`, once the checksum is right.
///
/// # Errors
/// [`Malformed::Frame`], [`Malformed::Checksum`].
#[inline]
pub fn unwrap(sentence: &[u8]) -> Result<&[u8], Malformed> {
    let [b'$', line @ ..] = sentence else { return Err(Malformed::Frame) };
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let [body @ .., b'*', high, low] = line else { return Err(Malformed::Frame) };
    let (Some(high), Some(low)) = (hex(*high), hex(*low)) else { return Err(Malformed::Frame) };
    if checksum(body) == high << 4 | low { Ok(body) } else { Err(Malformed::Checksum) }
}

/// All bytes between `$` and `*`, exclusive-ored.
#[inline]
pub fn checksum(body: &[u8]) -> u8 {
    body.iter().fold(0, |sum, byte| sum ^ byte)
}

/// One sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// Which satellites it is about.
    pub talker: Talker,
    /// What it tells.
    pub kind: Kind,
}

/// A satellite system, by the first two letters of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Talker {
    /// GP.
    Gps,
    /// GL.
    Glonass,
    /// GA.
    Galileo,
    /// GB or BD.
    BeiDou,
    /// GQ.
    Qzss,
    /// GI.
    NavIc,
    /// GN: several together.
    Combined,
}

impl Talker {
    /// `None` for talkers that are no satellite receivers.
    pub const fn of(letters: [u8; 2]) -> Option<Self> {
        Some(match &letters {
            b"GP" => Self::Gps,
            b"GL" => Self::Glonass,
            b"GA" => Self::Galileo,
            b"GB" | b"BD" => Self::BeiDou,
            b"GQ" => Self::Qzss,
            b"GI" => Self::NavIc,
            b"GN" => Self::Combined,
            _ => return None,
        })
    }
}

/// What a sentence tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Recommended minimum: time, date, whether valid.
    Rmc(Rmc),
    /// Time and date with all four digits.
    Zda(Zda),
    /// Fix data.
    Gga(Gga),
    /// Position; time without date.
    Gll(Gll),
    /// Satellites used.
    Gsa(Gsa),
    /// Satellites in view.
    Gsv(Gsv),
}

/// RMC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rmc {
    /// UTC of the fix.
    pub time: Option<TimeOfDay>,
    /// Status A: the receiver vouches for the fix.
    pub valid: bool,
    /// Date of the fix.
    pub date: Option<TwoDigitDate>,
    /// How the fix was had; absent before NMEA 2.3.
    pub mode: Option<FixMode>,
}

impl Rmc {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        let (time, valid) = (fields.time()?, fields.status()?);
        fields.skip(6)?;
        let date = fields.two_digit_date()?;
        // Magnetic variation and its direction.
        let _ = (fields.next_if_any(), fields.next_if_any());
        Ok(Self { time, valid, date, mode: fields.mode()? })
    }
}

/// ZDA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zda {
    /// UTC.
    pub time: Option<TimeOfDay>,
    /// Date.
    pub date: Option<Date>,
}

impl Zda {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        Ok(Self { time: fields.time()?, date: fields.date()? })
    }
}

/// GGA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gga {
    /// UTC of the fix.
    pub time: Option<TimeOfDay>,
    /// How good the fix is.
    pub quality: Quality,
    /// Satellites used.
    pub satellites: Option<u8>,
    /// Horizontal dilution of precision.
    pub hdop: Option<Dilution>,
}

impl Gga {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        let time = fields.time()?;
        fields.skip(4)?;
        Ok(Self {
            time,
            quality: fields.quality()?,
            satellites: fields.number()?,
            hdop: fields.dilution()?,
        })
    }
}

/// GLL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gll {
    /// UTC of the fix.
    pub time: Option<TimeOfDay>,
    /// Status A: the receiver vouches for the fix.
    pub valid: bool,
    /// How the fix was had; absent before NMEA 2.3.
    pub mode: Option<FixMode>,
}

impl Gll {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        fields.skip(4)?;
        Ok(Self { time: fields.time()?, valid: fields.status()?, mode: fields.mode()? })
    }
}

/// How a fix was had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FixMode {
    /// A: from satellites alone.
    Autonomous,
    /// D: with differential corrections.
    Differential,
    /// E: dead reckoning.
    Estimated,
    /// F: real-time kinematic with float ambiguities.
    FloatRtk,
    /// M: typed in.
    Manual,
    /// N: none.
    NoFix,
    /// P: precise.
    Precise,
    /// R: real-time kinematic.
    Rtk,
    /// S: simulated.
    Simulator,
}

impl FixMode {
    /// Whether satellites were heard for it.
    pub const fn is_measured(self) -> bool {
        match self {
            Self::Autonomous | Self::Differential | Self::FloatRtk | Self::Precise | Self::Rtk => {
                true
            }
            Self::Estimated | Self::Manual | Self::NoFix | Self::Simulator => false,
        }
    }
}

/// Quality of a GGA fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quality {
    /// 0, or an empty field.
    NoFix,
    /// 1 to 5: how, as RMC has it.
    Fix(FixMode),
    /// 6 to 8: a position that no satellite gave.
    Unmeasured(FixMode),
}

/// A dilution of precision, in hundredths; saturates at 655.35.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dilution(pub u16);

/// Why a sentence does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Malformed {
    /// No `$`, or no `*` and two hexadecimal digits at the end.
    Frame,
    /// The checksum is wrong.
    Checksum,
    /// This field is missing or does not read; 1 is the first behind the kind.
    Field(u8),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame => f.write_str("not `$`, text, `*`, two hexadecimal digits"),
            Self::Checksum => f.write_str("wrong checksum"),
            Self::Field(number) => write!(f, "field {number} is missing or unreadable"),
        }
    }
}

impl Error for Malformed {}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
