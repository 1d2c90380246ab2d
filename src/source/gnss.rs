//! A satellite receiver's serial line: bytes in, readings out.
//!
//! Receivers send a burst of sentences for each epoch. The label of an epoch is dated by the first
//! byte of its first sentence, whichever sentence later brings the date: that instant jitters least.
//! A byte is dated by the read that brought it, never back by bits on the line: a USB receiver has
//! no such bits, and a label dated before its own pulse would number the one before.
//!
//! Nothing is labelled that the receiver does not vouch for: RMC with status A, UBX times whose
//! leap seconds are known, ZDA unless the receiver says elsewhere that it has no fix.

use crate::sample::{Fix, ReadingKind, ReceiverStatus, Refusal};
use crate::time::{Date, Duration, LeapIndicator, System, Timestamp, Utc};
use crate::wire::gnss::nmea::{self, GsaFix, Kind, Quality};
use crate::wire::gnss::rollover::{self, Resolution, of_gps_week, resolve, resolve_two_digits};
use crate::wire::gnss::ubx::{Message, NavTimeGps, NavTimeLs, TimTp, TimeBase};
use crate::wire::gnss::{Frame, Refusals, Splitter, TimeOfDay};

/// The machine of one line.
#[derive(Clone, Debug)]
pub struct Gnss {
    splitter: Splitter,
    line: Arrivals,
    reader: Reader,
    refused: Refusals,
    last_bytes: Option<Timestamp<System>>,
}

/// A reading and the stamp it is dated by.
pub type Dated = (Timestamp<System>, ReadingKind);

impl Gnss {
    /// The line of a receiver whose dates lie after `pivot`.
    pub fn new(pivot: Timestamp<Utc>) -> Self {
        Self {
            splitter: Splitter::new(),
            line: Arrivals::new(),
            reader: Reader::new(pivot),
            refused: Refusals::default(),
            last_bytes: None,
        }
    }

    /// Takes in bytes that were read at `stamp` and passes on what they tell.
    pub fn handle(&mut self, bytes: &[u8], stamp: Timestamp<System>, out: &mut dyn FnMut(Dated)) {
        if self.last_bytes.is_some_and(|last| stamp - last > SILENCE) {
            self.finish(stamp, out);
        }
        self.last_bytes = Some(stamp);
        self.line.arrived(bytes.len(), stamp);
        let mut input = bytes;
        while let Some(framed) = self.splitter.next(&mut input) {
            let began = self.line.stamp_of(framed.first);
            self.reader.take(framed.frame, began, out);
        }
        self.count_refusals(stamp, out);
    }

    /// Gives up on a frame whose rest did not come.
    pub fn finish(&mut self, stamp: Timestamp<System>, out: &mut dyn FnMut(Dated)) {
        loop {
            let before = self.splitter.refusals();
            self.splitter.give_up();
            while let Some(framed) = self.splitter.next(&mut &[][..]) {
                let began = self.line.stamp_of(framed.first);
                self.reader.take(framed.frame, began, out);
            }
            if self.splitter.refusals() == before {
                break;
            }
        }
        self.count_refusals(stamp, out);
    }

    /// One reading for each refused frame, and one for any garbage: a line of noise must not
    /// become a flood of readings.
    fn count_refusals(&mut self, stamp: Timestamp<System>, out: &mut dyn FnMut(Dated)) {
        let now = self.splitter.refusals();
        let before = core::mem::replace(&mut self.refused, now);
        for (count, refusal) in [
            (now.checksum - before.checksum, Refusal::Checksum),
            (now.no_checksum - before.no_checksum, Refusal::Checksum),
            (now.too_long - before.too_long, Refusal::TooLong),
            (now.truncated - before.truncated, Refusal::Malformed),
            ((now.garbage - before.garbage).min(1), Refusal::Malformed),
        ] {
            for _ in 0..count.min(REFUSALS_TOLD) {
                out((stamp, ReadingKind::Refused(refusal)));
            }
        }
    }
}

/// Which read brought each byte of the stream, as far back as a frame can reach.
#[derive(Clone, Debug)]
struct Arrivals {
    /// (place behind its last byte, stamp) of the last reads.
    reads: [(u64, Timestamp<System>); READS],
    count: usize,
    place: u64,
}

impl Arrivals {
    fn new() -> Self {
        Self { reads: [(0, Timestamp::EPOCH); READS], count: 0, place: 0 }
    }

    fn arrived(&mut self, bytes: usize, stamp: Timestamp<System>) {
        self.place += bytes as u64;
        self.reads[self.count % READS] = (self.place, stamp);
        self.count += 1;
    }

    /// The stamp of the read that brought the byte; of the oldest one kept if that is forgotten.
    fn stamp_of(&self, place: u64) -> Timestamp<System> {
        let kept = self.count.min(READS);
        let mut oldest_first =
            (self.count - kept..self.count).map(|index| self.reads[index % READS]);
        let last = self.reads[(self.count + READS - 1) % READS];
        oldest_first.find(|(end, _)| *end > place).unwrap_or(last).1
    }
}

/// What frames tell, epoch by epoch.
#[derive(Clone, Debug)]
struct Reader {
    pivot: Timestamp<Utc>,
    /// The epoch under way: its time of day and when its first sentence began.
    epoch: Option<(TimeOfDay, Timestamp<System>)>,
    labelled: Option<Timestamp<Utc>>,
    eras: u32,
    /// GPS − UTC, once the receiver knows it.
    gps_ahead: Option<Duration>,
    /// When the receiver last said that it has no fix.
    no_fix: Option<Timestamp<System>>,
    status: ReceiverStatus,
    told: Option<ReceiverStatus>,
    in_view: InView,
}

/// Satellites in view, system by system.
#[derive(Clone, Copy, Debug, Default)]
struct InView([u8; 8]);

impl Reader {
    fn new(pivot: Timestamp<Utc>) -> Self {
        Self {
            pivot,
            epoch: None,
            labelled: None,
            eras: 0,
            gps_ahead: None,
            no_fix: None,
            status: ReceiverStatus { leap: LeapIndicator::Unknown, ..ReceiverStatus::default() },
            told: None,
            in_view: InView::default(),
        }
    }

    fn take(&mut self, frame: Frame<'_>, began: Timestamp<System>, out: &mut dyn FnMut(Dated)) {
        let read = match frame {
            Frame::Nmea(sentence) => nmea::parse(sentence)
                .map(|sentence| sentence.map(|s| self.sentence(&s, began, out)))
                .is_ok(),
            Frame::Ubx { class, id, payload } => Message::parse(class, id, payload)
                .map(|message| message.map(|m| self.message(&m, began, out)))
                .is_ok(),
        };
        if !read {
            out((began, ReadingKind::Refused(Refusal::Malformed)));
        }
    }

    fn sentence(
        &mut self,
        sentence: &nmea::Sentence,
        began: Timestamp<System>,
        out: &mut dyn FnMut(Dated),
    ) {
        match sentence.kind {
            Kind::Rmc(rmc) => {
                self.epoch_of(rmc.time, began);
                match (rmc.valid, rmc.date, rmc.time) {
                    (true, Some(date), Some(time)) => {
                        self.label(time, resolve_two_digits(date, time, self.pivot), began, out);
                    }
                    (true, ..) => {}
                    (false, ..) => self.lost_fix(began, out),
                }
            }
            Kind::Zda(zda) => {
                self.epoch_of(zda.time, began);
                // ZDA has no word for "not valid"; other sentences have.
                let denied = self.no_fix.is_some_and(|said| began - said < DENIAL_HOLDS);
                if let (false, Some(date), Some(time)) = (denied, zda.date, zda.time) {
                    self.label(time, resolve(time.on(date), self.pivot), began, out);
                }
            }
            Kind::Gga(gga) => {
                self.epoch_of(gga.time, began);
                self.status.satellites_used = gga.satellites.unwrap_or(0);
                if gga.quality == Quality::NoFix {
                    self.lost_fix(began, out);
                }
                self.tell_status(began, out);
            }
            Kind::Gll(gll) => self.epoch_of(gll.time, began),
            Kind::Gsa(gsa) => {
                self.status.fix = match gsa.fix {
                    GsaFix::None => Fix::None,
                    GsaFix::TwoD => Fix::TwoDimensional,
                    GsaFix::ThreeD => Fix::ThreeDimensional,
                };
            }
            Kind::Gsv(gsv) => {
                self.in_view.0[sentence.talker as usize % 8] = gsv.in_view;
                self.status.satellites_in_view =
                    self.in_view.0.iter().fold(0, |sum, n| sum.saturating_add(*n));
            }
        }
    }

    fn message(&mut self, message: &Message, began: Timestamp<System>, out: &mut dyn FnMut(Dated)) {
        match message {
            Message::TimTp(tp) => {
                if let Some(error) = tp.quantization_error {
                    let second = self.second_of(tp);
                    out((began, ReadingKind::QuantizationError { error, second }));
                }
            }
            Message::NavTimeLs(NavTimeLs { ahead_of_utc, event, .. }) => {
                self.gps_ahead = ahead_of_utc.map(|s| Duration::from_seconds(s.into()));
                let due = event.filter(|event| self.is_this_month(event.seconds_until));
                self.status.leap = match (ahead_of_utc, due.map(|event| event.change)) {
                    (None, _) => LeapIndicator::Unknown,
                    (_, Some(1..)) => LeapIndicator::Insert,
                    (_, Some(..=-1)) => LeapIndicator::Delete,
                    _ => LeapIndicator::None,
                };
                self.tell_status(began, out);
            }
            Message::NavTimeGps(NavTimeGps { of_week, week, ahead_of_utc, .. }) => {
                if let (Some(of_week), Some(week), Some(ahead)) = (of_week, week, ahead_of_utc) {
                    let ahead = Duration::from_seconds((*ahead).into());
                    self.gps_ahead = Some(ahead);
                    self.label_utc(of_gps_week(*week, *of_week, ahead), began, out);
                }
            }
            Message::NavTimeUtc(utc) => {
                if let (true, Some(date), Some(time)) = (utc.utc_known, utc.date, utc.time) {
                    if time.second == 60 {
                        return;
                    }
                    let instant = time.on(date) + Duration::from_nanos(utc.nanos.into());
                    self.label_utc(instant, began, out);
                }
            }
            Message::NavPvt(pvt) => {
                self.status.satellites_used = pvt.satellites;
                self.status.fix = match (pvt.fix_ok, pvt.fix_type) {
                    (true, 3..=5) => Fix::ThreeDimensional,
                    (true, 1 | 2) => Fix::TwoDimensional,
                    _ => Fix::None,
                };
                self.tell_status(began, out);
                if let (true, Some(date), Some(time)) = (pvt.fully_resolved, pvt.date, pvt.time) {
                    if time.second == 60 {
                        return;
                    }
                    let instant = time.on(date) + Duration::from_nanos(pvt.nanos.into());
                    self.label_utc(instant, began, out);
                }
            }
        }
    }

    /// A sentence of another time of day begins the next epoch.
    fn epoch_of(&mut self, time: Option<TimeOfDay>, began: Timestamp<System>) {
        let Some(time) = time else { return };
        if self.epoch.is_none_or(|(of, _)| of != time) {
            self.epoch = Some((time, began));
        }
    }

    fn label(
        &mut self,
        time: TimeOfDay,
        resolved: Option<(Timestamp<Utc>, Resolution)>,
        began: Timestamp<System>,
        out: &mut dyn FnMut(Dated),
    ) {
        // 23:59:60 shares its count with the midnight after it: it numbers nothing.
        if time.second == 60 {
            return;
        }
        let Some((utc, resolution)) = resolved else {
            out((began, ReadingKind::Refused(Refusal::TooFar)));
            return;
        };
        let eras = resolution.eras();
        if eras != self.eras {
            self.eras = eras;
            out((began, ReadingKind::Rollover { eras }));
        }
        let began = self.epoch.map_or(began, |(_, began)| began);
        self.tell_label(utc, began, out);
    }

    fn label_utc(
        &mut self,
        utc: Timestamp<Utc>,
        began: Timestamp<System>,
        out: &mut dyn FnMut(Dated),
    ) {
        match rollover::resolve(utc, self.pivot) {
            Some((utc, _)) => self.tell_label(utc, began, out),
            None => out((began, ReadingKind::Refused(Refusal::TooFar))),
        }
    }

    /// Each instant is told once, however many messages name it.
    fn tell_label(
        &mut self,
        utc: Timestamp<Utc>,
        began: Timestamp<System>,
        out: &mut dyn FnMut(Dated),
    ) {
        if self.labelled.is_some_and(|last| (utc - last).abs() < SAME_INSTANT) {
            return;
        }
        self.labelled = Some(utc);
        out((began, ReadingKind::Label { utc }));
    }

    fn lost_fix(&mut self, said: Timestamp<System>, out: &mut dyn FnMut(Dated)) {
        let news = self.no_fix.is_none_or(|last| said - last >= DENIAL_HOLDS);
        self.no_fix = Some(said);
        self.status.fix = Fix::None;
        if news {
            out((said, ReadingKind::Refused(Refusal::Invalid)));
            self.tell_status(said, out);
        }
    }

    fn tell_status(&mut self, at: Timestamp<System>, out: &mut dyn FnMut(Dated)) {
        if self.told != Some(self.status) {
            self.told = Some(self.status);
            out((at, ReadingKind::Receiver(self.status)));
        }
    }

    /// A receiver knows of a leap months ahead; clients are told in the month that it ends, as RFC
    /// 5905 §7.3 has it. Many clients leap at the next midnight.
    fn is_this_month(&self, seconds_until: i32) -> bool {
        let Some(now) = self.labelled.filter(|_| seconds_until > 0) else { return false };
        let month = |t: Timestamp<Utc>| {
            let date = Date::of_unix_days(t.seconds().div_euclid(86_400));
            (date.year(), date.month())
        };
        // The last second before the leap is of the month that it ends.
        month(now) == month(now + Duration::from_seconds(i64::from(seconds_until) - 1))
    }

    /// The UTC second that a TIM-TP describes; without leap seconds GPS time has none.
    fn second_of(&self, tp: &TimTp) -> Option<Timestamp<Utc>> {
        let ahead = match tp.base {
            TimeBase::Utc => Duration::ZERO,
            TimeBase::Gnss => self.gps_ahead?,
        };
        let instant = of_gps_week(tp.week, tp.of_week, ahead);
        resolve(instant, self.pivot).map(|(utc, _)| utc.round_to_second())
    }
}

/// Receivers pause longer than this only between frames.
const SILENCE: Duration = Duration::from_millis(1500);
/// A receiver's word that it has no fix holds so long.
const DENIAL_HOLDS: Duration = Duration::from_seconds(3);
/// Two messages name one instant with less difference than this.
const SAME_INSTANT: Duration = Duration::from_micros(500);
/// Refusals of one kind told for one read.
const REFUSALS_TOLD: u64 = 4;
/// Reads that the bytes of one frame may be spread over: at 9600 baud a sentence comes in dozens.
const READS: usize = 128;

#[cfg(test)]
#[path = "gnss_tests.rs"]
mod tests;
