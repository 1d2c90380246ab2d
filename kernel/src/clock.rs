//! Reading and steering kernel clocks: clock_gettime(2), clock_adjtime(2).
//!
//! A static clock cannot fail to be read, so [`now`] is infallible and goes through the vDSO. A
//! dynamic clock (a PTP device) can be unplugged, so [`time`] returns a `Result`. What to change
//! is an [`Adjustment`], what the kernel holds is a [`Timex`]: the C struct mixes the two, and
//! reuses one field for the time constant and for TAI − UTC.

use crate::Timespec;
use crate::abi;
use crate::error::{Error, Result, check};
use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The clocks every Linux machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockId {
    /// UTC as this machine believes it; stepped and slewed.
    Realtime,
    /// Never steps; slewed with `Realtime`; stands still in suspend.
    Monotonic,
    /// The undisturbed oscillator.
    MonotonicRaw,
    /// As `Monotonic`, and counts suspend.
    Boottime,
    /// `Realtime` plus the kernel's TAI − UTC, 0 until somebody sets it.
    Tai,
}

/// A clock to read or steer: one of the static ones, or an open PTP device.
#[derive(Clone, Copy, Debug)]
pub enum Target<'fd> {
    /// A clock of the machine.
    Static(ClockId),
    /// The clock behind an open `/dev/ptpN`.
    Dynamic(BorrowedFd<'fd>),
}

/// The time of a static clock.
#[inline]
pub fn now(clock: ClockId) -> Timespec {
    let mut raw = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `raw` is a live, writable timespec; the kernel writes no further.
    let returned = unsafe { libc::clock_gettime(clock.raw(), &raw mut raw) };
    // All five exist since Linux 3.10, and EFAULT cannot happen with a live buffer.
    debug_assert_eq!(returned, 0);
    Timespec::from_raw(raw.tv_sec, raw.tv_nsec).unwrap_or_default()
}

/// The time of any clock. Fails if a device is gone (ENODEV) or is no clock (EINVAL).
pub fn time<'fd>(clock: impl Into<Target<'fd>>) -> Result<Timespec> {
    let target = clock.into();
    let mut raw = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: as in `now`.
    let returned = unsafe { libc::clock_gettime(target.raw(), &raw mut raw) };
    check(returned, "clock_gettime", target)?;
    Timespec::from_raw(raw.tv_sec, raw.tv_nsec)
        .ok_or_else(|| Error::invalid("clock_gettime", target, "fraction out of range"))
}

/// The step in which a clock counts, as the kernel claims it.
pub fn resolution<'fd>(clock: impl Into<Target<'fd>>) -> Result<Timespec> {
    let target = clock.into();
    let mut raw = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `raw` is a live, writable timespec.
    let returned = unsafe { libc::clock_getres(target.raw(), &raw mut raw) };
    check(returned, "clock_getres", target)?;
    Timespec::from_raw(raw.tv_sec, raw.tv_nsec)
        .ok_or_else(|| Error::invalid("clock_getres", target, "fraction out of range"))
}

/// Reads a clock's discipline without changing it; needs no privilege.
pub fn read<'fd>(clock: impl Into<Target<'fd>>) -> Result<(ClockState, Timex)> {
    adjust(clock, &Adjustment::default())
}

/// Changes a clock and returns what it holds afterwards.
///
/// Needs CAP_SYS_TIME for `Realtime` (EPERM), write access for a device. Clocks other than
/// `Realtime` and devices cannot be changed (EOPNOTSUPP). Values beyond the kernel's limits are
/// clamped by it without a word (frequency to ±500 ppm): compare what is returned.
pub fn adjust<'fd>(
    clock: impl Into<Target<'fd>>,
    adjustment: &Adjustment,
) -> Result<(ClockState, Timex)> {
    let target = clock.into();
    let mut raw = adjustment
        .encode()
        .ok_or_else(|| Error::invalid("clock_adjtime", target, "constant and tai in one call"))?;
    // SAFETY: `raw` is a live, writable timex whose modes match its filled fields.
    let returned = unsafe { libc::clock_adjtime(target.raw(), &raw mut raw) };
    check(returned, "clock_adjtime", target)?;
    Ok((ClockState::from_raw(returned), Timex::decode(&raw)))
}

/// What to change; `None` leaves a value alone. The default changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Adjustment {
    /// Frequency correction in 2⁻¹⁶ ppm; positive makes the clock run faster.
    pub frequency: Option<i64>,
    /// Microseconds counted at each of USER_HZ ticks a second; 10 000 is nominal at 100 Hz.
    pub tick: Option<i64>,
    /// Phase for the kernel's own loop to remove, ns; positive moves the clock forward.
    pub offset: Option<i64>,
    /// Added to the clock at once; positive moves it forward.
    pub step: Option<Timespec>,
    /// Replaces the writable status flags.
    pub status: Option<Status>,
    /// Maximum error to declare, µs.
    pub maximum_error: Option<i64>,
    /// Estimated error to declare, µs.
    pub estimated_error: Option<i64>,
    /// Time constant of the kernel's loop; not together with `tai` (one field in the C struct).
    pub constant: Option<i64>,
    /// TAI − UTC, s; 0 or more (the kernel ignores others).
    pub tai: Option<i32>,
}

impl Adjustment {
    /// The C struct; `None` if two values claim one field.
    fn encode(&self) -> Option<libc::timex> {
        let mut raw = abi::zeroed_timex();
        let mut set = |value: Option<i64>, mode: u32, field: &mut i64| {
            if let Some(value) = value {
                raw.modes |= mode;
                *field = value;
            }
        };
        set(self.frequency, libc::ADJ_FREQUENCY, &mut raw.freq);
        set(self.tick, libc::ADJ_TICK, &mut raw.tick);
        set(self.offset, libc::ADJ_OFFSET | libc::ADJ_NANO, &mut raw.offset);
        set(self.maximum_error, libc::ADJ_MAXERROR, &mut raw.maxerror);
        set(self.estimated_error, libc::ADJ_ESTERROR, &mut raw.esterror);
        set(self.constant, libc::ADJ_TIMECONST, &mut raw.constant);
        if let Some(tai) = self.tai {
            if self.constant.is_some() {
                return None;
            }
            set(Some(i64::from(tai)), libc::ADJ_TAI, &mut raw.constant);
        }
        if let Some(step) = self.step {
            raw.modes |= libc::ADJ_SETOFFSET | libc::ADJ_NANO;
            raw.time.tv_sec = step.seconds();
            raw.time.tv_usec = i64::from(step.nanoseconds());
        }
        if let Some(status) = self.status {
            raw.modes |= libc::ADJ_STATUS;
            raw.status = status.0;
        }
        Some(raw)
    }
}

/// What a clock's discipline holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timex {
    /// The time of the call.
    pub time: Timespec,
    /// Phase the kernel's loop has still to remove, ns.
    pub offset: i64,
    /// Frequency correction, 2⁻¹⁶ ppm.
    pub frequency: i64,
    /// Largest frequency correction accepted, 2⁻¹⁶ ppm.
    pub tolerance: i64,
    /// Microseconds per tick.
    pub tick: i64,
    /// Maximum error, µs; grows by itself until declared anew.
    pub maximum_error: i64,
    /// Estimated error, µs.
    pub estimated_error: i64,
    /// Status flags.
    pub status: Status,
    /// Time constant of the kernel's loop.
    pub constant: i64,
    /// Precision, µs; the kernel always says 1.
    pub precision: i64,
    /// TAI − UTC, s.
    pub tai: i32,
    /// The kernel's own discipline by pulses.
    pub pulses: PulseDiscipline,
}

impl Timex {
    fn decode(raw: &libc::timex) -> Self {
        let status = Status(raw.status);
        // STA_NANO decides the unit of three fields.
        let scale = if status.contains(Status::NANOSECONDS) { 1 } else { 1000 };
        Self {
            time: Timespec::normalised(raw.time.tv_sec, raw.time.tv_usec.saturating_mul(scale))
                .unwrap_or_default(),
            offset: raw.offset.saturating_mul(scale),
            frequency: raw.freq,
            tolerance: raw.tolerance,
            tick: raw.tick,
            maximum_error: raw.maxerror,
            estimated_error: raw.esterror,
            status,
            constant: raw.constant,
            precision: raw.precision,
            tai: raw.tai,
            pulses: PulseDiscipline {
                frequency: raw.ppsfreq,
                jitter: raw.jitter.saturating_mul(scale),
                shift: raw.shift,
                stability: raw.stabil,
                jitter_exceeded: raw.jitcnt,
                calibrations: raw.calcnt,
                calibration_errors: raw.errcnt,
                stability_exceeded: raw.stbcnt,
            },
        }
    }
}

/// The kernel's pulse discipline (hardpps); all zero on kernels built without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PulseDiscipline {
    /// Frequency found from the pulses, 2⁻¹⁶ ppm.
    pub frequency: i64,
    /// Jitter of the pulses, ns.
    pub jitter: i64,
    /// log2 of the calibration interval, s.
    pub shift: i32,
    /// Frequency wander, 2⁻¹⁶ ppm.
    pub stability: i64,
    /// Pulses refused for their jitter.
    pub jitter_exceeded: i64,
    /// Calibration intervals.
    pub calibrations: i64,
    /// Calibration intervals with an error.
    pub calibration_errors: i64,
    /// Calibrations refused for their wander.
    pub stability_exceeded: i64,
}

/// The status flags of a clock (STA_*).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status(pub i32);

impl Status {
    /// The kernel's phase loop is on.
    pub const PLL: Self = Self(libc::STA_PLL);
    /// Pulses steer the frequency.
    pub const PULSE_FREQUENCY: Self = Self(libc::STA_PPSFREQ);
    /// Pulses steer the phase.
    pub const PULSE_TIME: Self = Self(libc::STA_PPSTIME);
    /// The loop runs in frequency-lock mode.
    pub const FLL: Self = Self(libc::STA_FLL);
    /// Insert a second at the end of this UTC day.
    pub const INSERT: Self = Self(libc::STA_INS);
    /// Delete a second at the end of this UTC day.
    pub const DELETE: Self = Self(libc::STA_DEL);
    /// Nobody vouches for this clock.
    pub const UNSYNCHRONISED: Self = Self(libc::STA_UNSYNC);
    /// The loop leaves the frequency alone.
    pub const FREQUENCY_HOLD: Self = Self(libc::STA_FREQHOLD);
    /// Pulses arrive; read only.
    pub const PULSE_SIGNAL: Self = Self(libc::STA_PPSSIGNAL);
    /// Fractions are ns, not µs; read only, [`Timex`] has applied it already.
    pub const NANOSECONDS: Self = Self(libc::STA_NANO);

    /// Whether all of `flags` are set.
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, flags: Self) -> Self {
        Self(self.0 | flags.0)
    }

    /// This set less `flags`.
    #[must_use]
    pub const fn without(self, flags: Self) -> Self {
        Self(self.0 & !flags.0)
    }
}

/// Where a clock stands with a leap second, and whether it is synchronised at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockState {
    /// Synchronised, no leap second pending.
    Ok,
    /// A second is inserted at the end of the day.
    Insert,
    /// A second is deleted at the end of the day.
    Delete,
    /// The inserted second is passing.
    InProgress,
    /// The leap second is over; clear the flag to go back to `Ok`.
    Wait,
    /// Not synchronised.
    Unsynchronised,
}

impl ClockState {
    fn from_raw(raw: i32) -> Self {
        match raw {
            libc::TIME_OK => Self::Ok,
            libc::TIME_INS => Self::Insert,
            libc::TIME_DEL => Self::Delete,
            libc::TIME_OOP => Self::InProgress,
            libc::TIME_WAIT => Self::Wait,
            _ => Self::Unsynchronised,
        }
    }
}

impl ClockId {
    const fn raw(self) -> libc::clockid_t {
        match self {
            Self::Realtime => libc::CLOCK_REALTIME,
            Self::Monotonic => libc::CLOCK_MONOTONIC,
            Self::MonotonicRaw => libc::CLOCK_MONOTONIC_RAW,
            Self::Boottime => libc::CLOCK_BOOTTIME,
            Self::Tai => libc::CLOCK_TAI,
        }
    }
}

impl Target<'_> {
    fn raw(self) -> libc::clockid_t {
        match self {
            Self::Static(clock) => clock.raw(),
            Self::Dynamic(fd) => abi::fd_to_clock_id(fd.as_raw_fd()),
        }
    }
}

impl From<ClockId> for Target<'_> {
    fn from(clock: ClockId) -> Self {
        Self::Static(clock)
    }
}

impl<'fd> From<BorrowedFd<'fd>> for Target<'fd> {
    fn from(fd: BorrowedFd<'fd>) -> Self {
        Self::Dynamic(fd)
    }
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Static(clock) => write!(f, "{clock:?} clock"),
            Self::Dynamic(fd) => write!(f, "clock device fd {}", fd.as_raw_fd()),
        }
    }
}

#[cfg(test)]
#[path = "clock_tests.rs"]
mod tests;
