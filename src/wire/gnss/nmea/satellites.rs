//! GSA and GSV: which satellites are used, and which are in view.

use super::fields::Fields;
use super::{Dilution, Malformed};

/// GSA. Receivers of several systems send one for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gsa {
    /// How many dimensions are known.
    pub fix: GsaFix,
    /// Numbers of the satellites used.
    pub used: [Option<u16>; 12],
    /// Dilution of precision in position.
    pub pdop: Option<Dilution>,
    /// The same, horizontal.
    pub hdop: Option<Dilution>,
    /// The same, vertical.
    pub vdop: Option<Dilution>,
}

/// How many dimensions of the position are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GsaFix {
    /// None.
    None,
    /// Height is assumed.
    TwoD,
    /// All.
    ThreeD,
}

impl Gsa {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        // M or A: whether 2D and 3D are chosen by hand.
        fields.skip(1)?;
        let fix = match fields.next()? {
            b"" | b"1" => GsaFix::None,
            b"2" => GsaFix::TwoD,
            b"3" => GsaFix::ThreeD,
            _ => return Err(fields.refused()),
        };
        let mut used = [None; 12];
        for satellite in &mut used {
            *satellite = fields.number()?;
        }
        let (pdop, hdop, vdop) = (fields.dilution()?, fields.dilution()?, fields.dilution()?);
        Ok(Self { fix, used, pdop, hdop, vdop })
    }

    /// How many satellites are used.
    pub fn count(&self) -> usize {
        self.used.iter().flatten().count()
    }
}

/// GSV: one part of a list of four satellites each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gsv {
    /// How many parts the list has.
    pub total: u8,
    /// Which part this is, from 1 to `total`.
    pub part: u8,
    /// Satellites in view, in all parts.
    pub in_view: u8,
    /// The satellites of this part.
    pub satellites: [Option<SatelliteInView>; 4],
}

/// One satellite in the sky.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SatelliteInView {
    /// Its number, as its system counts.
    pub id: u16,
    /// Degrees above the horizon.
    pub elevation: Option<i8>,
    /// Degrees from north to east, 0..=360.
    pub azimuth: Option<u16>,
    /// Carrier to noise density, dB·Hz; `None` if it is not tracked.
    pub snr: Option<u8>,
}

impl Gsv {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        let total: u8 = fields.number()?.ok_or_else(|| fields.refused())?;
        let part: u8 = fields.number()?.ok_or_else(|| fields.refused())?;
        if !(1..=total).contains(&part) {
            return Err(fields.refused());
        }
        let in_view = fields.number()?.ok_or_else(|| fields.refused())?;
        let mut satellites = [None; 4];
        for satellite in &mut satellites {
            // One more field than whole satellites is the signal's number of NMEA 4.1.
            if fields.left() < 4 {
                break;
            }
            *satellite = SatelliteInView::read(fields)?;
        }
        Ok(Self { total, part, in_view, satellites })
    }
}

impl SatelliteInView {
    /// `None` for the empty places with which some receivers fill the last part.
    fn read(fields: &mut Fields<'_>) -> Result<Option<Self>, Malformed> {
        let id = fields.number()?;
        let elevation = fields.signed()?;
        if elevation.is_some_and(|degrees| !(-90..=90).contains(&degrees)) {
            return Err(fields.refused());
        }
        let azimuth = fields.number()?;
        if azimuth.is_some_and(|degrees: u16| degrees > 360) {
            return Err(fields.refused());
        }
        let snr = fields.number()?;
        Ok(id.map(|id| Self { id, elevation, azimuth, snr }))
    }
}
