//! The comma-separated fields of a sentence, read strictly: digits, fixed widths, no leftovers.

use super::{Dilution, FixMode, Malformed, Quality};
use crate::time::Date;
use crate::wire::gnss::{TimeOfDay, TwoDigitDate};

/// A cursor over fields. Every reader takes one field and names it when it refuses.
pub(super) struct Fields<'a> {
    /// `None` behind the last field.
    rest: Option<&'a [u8]>,
    taken: u8,
}

impl<'a> Fields<'a> {
    pub(super) const fn of(body: &'a [u8]) -> Self {
        Self { rest: Some(body), taken: 0 }
    }

    /// The next field, which may be empty but not missing.
    pub(super) fn next(&mut self) -> Result<&'a [u8], Malformed> {
        self.next_if_any().ok_or_else(|| {
            self.taken += 1;
            self.refused()
        })
    }

    pub(super) fn next_if_any(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        // A sentence of 255 bytes has fewer fields; longer ones only come from callers' own hands.
        self.taken = self.taken.saturating_add(1);
        let comma = rest.iter().position(|&byte| byte == b',');
        let (field, rest) = match comma {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        self.rest = rest;
        Some(field)
    }

    pub(super) fn skip(&mut self, count: usize) -> Result<(), Malformed> {
        (0..count).try_for_each(|_| self.next().map(drop))
    }

    /// How many fields are left.
    pub(super) fn left(&self) -> usize {
        self.rest.map_or(0, |rest| 1 + rest.iter().filter(|&&byte| byte == b',').count())
    }

    /// `Malformed` for the field just taken.
    pub(super) fn refused(&self) -> Malformed {
        Malformed::Field(self.taken.saturating_sub(1))
    }

    fn read<T>(
        &mut self,
        read: impl FnOnce(&'a [u8]) -> Option<T>,
    ) -> Result<Option<T>, Malformed> {
        match self.next()? {
            [] => Ok(None),
            field => read(field).map(Some).ok_or_else(|| self.refused()),
        }
    }

    /// `hhmmss`, perhaps with a fraction.
    pub(super) fn time(&mut self) -> Result<Option<TimeOfDay>, Malformed> {
        self.read(|field| {
            let (whole, nanos) = match field.iter().position(|&byte| byte == b'.') {
                Some(dot) => (&field[..dot], fraction(&field[dot + 1..])?),
                None => (field, 0),
            };
            let [hour, minute, second] = pairs(whole)?;
            TimeOfDay::new(hour, minute, second, nanos)
        })
    }

    /// `ddmmyy`.
    pub(super) fn two_digit_date(&mut self) -> Result<Option<TwoDigitDate>, Malformed> {
        self.read(|field| {
            let [day, month, year] = pairs(field)?;
            TwoDigitDate::new(year, month, day)
        })
    }

    /// Three fields: day, month, year of four digits.
    pub(super) fn date(&mut self) -> Result<Option<Date>, Malformed> {
        let (day, month) = (self.number()?, self.number()?);
        let year = self.read(|field| match field {
            [_, _, _, _] => digits::<u16>(field),
            _ => None,
        })?;
        match (day, month, year) {
            (None, None, None) => Ok(None),
            (Some(day), Some(month), Some(year)) => {
                Date::new(year.into(), month, day).map(Some).ok_or_else(|| self.refused())
            }
            _ => Err(self.refused()),
        }
    }

    /// `A` or `V`; an empty field is as good as `V`.
    pub(super) fn status(&mut self) -> Result<bool, Malformed> {
        let status = self.read(|field| match field {
            b"A" => Some(true),
            b"V" => Some(false),
            _ => None,
        })?;
        Ok(status == Some(true))
    }

    /// A letter that older receivers do not send.
    pub(super) fn mode(&mut self) -> Result<Option<FixMode>, Malformed> {
        if self.rest.is_none() {
            return Ok(None);
        }
        self.read(|field| {
            Some(match field {
                b"A" => FixMode::Autonomous,
                b"D" => FixMode::Differential,
                b"E" => FixMode::Estimated,
                b"F" => FixMode::FloatRtk,
                b"M" => FixMode::Manual,
                b"N" => FixMode::NoFix,
                b"P" => FixMode::Precise,
                b"R" => FixMode::Rtk,
                b"S" => FixMode::Simulator,
                _ => return None,
            })
        })
    }

    /// One digit, 0 to 8.
    pub(super) fn quality(&mut self) -> Result<Quality, Malformed> {
        let quality = self.read(|field| {
            Some(match field {
                b"0" => Quality::NoFix,
                b"1" => Quality::Fix(FixMode::Autonomous),
                b"2" => Quality::Fix(FixMode::Differential),
                b"3" => Quality::Fix(FixMode::Precise),
                b"4" => Quality::Fix(FixMode::Rtk),
                b"5" => Quality::Fix(FixMode::FloatRtk),
                b"6" => Quality::Unmeasured(FixMode::Estimated),
                b"7" => Quality::Unmeasured(FixMode::Manual),
                b"8" => Quality::Unmeasured(FixMode::Simulator),
                _ => return None,
            })
        })?;
        Ok(quality.unwrap_or(Quality::NoFix))
    }

    /// A decimal number without sign.
    pub(super) fn number<T: TryFrom<u32>>(&mut self) -> Result<Option<T>, Malformed> {
        self.read(digits)
    }

    /// A decimal number that may be negative.
    pub(super) fn signed(&mut self) -> Result<Option<i8>, Malformed> {
        self.read(|field| match field {
            [b'-', rest @ ..] => digits::<i8>(rest).map(|value| -value),
            _ => digits(field),
        })
    }

    /// A number with a fraction, digits beyond hundredths cut off.
    pub(super) fn dilution(&mut self) -> Result<Option<Dilution>, Malformed> {
        self.read(|field| {
            let (whole, hundredths) = match field.iter().position(|&byte| byte == b'.') {
                Some(dot) => (&field[..dot], fraction(&field[dot + 1..])? / 10_000_000),
                None => (field, 0),
            };
            let hundredths = digits::<u32>(whole)?.saturating_mul(100).saturating_add(hundredths);
            Some(Dilution(u16::try_from(hundredths).unwrap_or(u16::MAX)))
        })
    }
}

/// A run of digits and nothing else.
fn digits<T: TryFrom<u32>>(field: &[u8]) -> Option<T> {
    if field.is_empty() {
        return None;
    }
    let value = field.iter().try_fold(0u32, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })?;
    T::try_from(value).ok()
}

/// Three numbers of two digits.
fn pairs(field: &[u8]) -> Option<[u8; 3]> {
    let &[a, b, c, d, e, f] = field else { return None };
    Some([digits(&[a, b])?, digits(&[c, d])?, digits(&[e, f])?])
}

/// Digits behind a point as billionths, those beyond the ninth cut off.
fn fraction(field: &[u8]) -> Option<u32> {
    if field.is_empty() || !field.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let nine = field.iter().map(|byte| u32::from(byte - b'0')).chain(core::iter::repeat(0)).take(9);
    Some(nine.fold(0, |value, digit| value * 10 + digit))
}
