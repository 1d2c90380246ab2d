//! Real receivers' logs, read by us and by gpsd: the same seconds, or a difference with its reason.
//!
//! Also what line noise makes of them: no panic, no frame with a wrong checksum, no byte lost count
//! of. `tests/data/gnss/README.md` says where logs and gpsd's readings come from.
#![expect(clippy::unwrap_used, reason = "without its data a test must fail")]

mod replay;

use std::fs;

use maser::time::{Date, Duration, Timestamp, Utc};
use maser::wire::gnss::rollover::{of_gps_week, resolve, resolve_two_digits};
use maser::wire::gnss::ubx::{Message, NavTimeGps};
use maser::wire::gnss::{Frame, Refusals, Splitter, TimeOfDay, nmea};
use proptest::prelude::*;

/// One log, and all we know of it beforehand.
struct Log {
    name: &'static str,
    /// The day from which dates are believed.
    pivot: (i32, u8, u8),
    /// Seconds that only one of us reads, and why.
    differences: &'static [Difference],
    refusals: Refusals,
}

enum Difference {
    OnlyOurs { second: &'static str, why: &'static str },
    OnlyGpsd { second: &'static str, why: &'static str },
}

const CLEAN: Refusals =
    Refusals { checksum: 0, no_checksum: 0, too_long: 0, truncated: 0, garbage: 0 };

/// gpsd believes 18 leap seconds, which hold from this day.
const GPSD: (i32, u8, u8) = (2017, 1, 1);

const LOGS: [Log; 9] = [
    Log { name: "april6_2019", pivot: GPSD, differences: &[], refusals: CLEAN },
    Log { name: "bu353s4", pivot: GPSD, differences: &[], refusals: CLEAN },
    Log { name: "mt3339", pivot: GPSD, differences: &[], refusals: CLEAN },
    Log {
        name: "neo-m8n",
        pivot: GPSD,
        differences: &[Difference::OnlyOurs {
            second: "2034-11-01T17:19:48.000Z",
            why: "gpsd reports at the end of a cycle, and the log stops within its last one",
        }],
        refusals: CLEAN,
    },
    Log { name: "nmea-fuzzy-cases", pivot: GPSD, differences: &[], refusals: CLEAN },
    Log { name: "quectel", pivot: GPSD, differences: &[], refusals: CLEAN },
    Log {
        name: "ublox-8-time",
        pivot: GPSD,
        differences: &[Difference::OnlyGpsd {
            second: "2017-12-01T17:24:05.000Z",
            why: "gpsd dates it by NAV-SOL; the NAV-TIMEGPS behind it is cut off",
        }],
        refusals: Refusals { truncated: 1, garbage: 18, ..CLEAN },
    },
    Log {
        name: "ublox-lea-4t",
        pivot: (2009, 1, 1),
        differences: &[
            Difference::OnlyOurs {
                second: "2009-01-28T20:35:43.001Z",
                why: "15 leap seconds, as the receiver says",
            },
            Difference::OnlyGpsd {
                second: "2009-01-28T20:35:40.001Z",
                why: "the same second with 18, gpsd's own, until it has read NAV-TIMEGPS",
            },
        ],
        refusals: CLEAN,
    },
    Log {
        name: "ublox-neo-m8t",
        pivot: GPSD,
        differences: &[],
        refusals: Refusals { truncated: 1, garbage: 310, ..CLEAN },
    },
];

#[test]
fn the_same_seconds_as_gpsd() {
    for log in &LOGS {
        let (ours, _) = read(&[&log.bytes()], log.pivot());
        log.compare(ours);
    }
}

#[test]
fn what_is_refused() {
    for log in &LOGS {
        assert_eq!(read(&[&log.bytes()], log.pivot()).1, log.refusals, "{}", log.name);
    }
}

#[test]
fn a_pivot_of_the_day_gives_the_true_date() {
    for (name, pivot) in
        [("bu353s4", (2014, 12, 31)), ("mt3339", (2015, 4, 13)), ("neo-m8n", (2015, 3, 18))]
    {
        let log = LOGS.iter().find(|log| log.name == name).unwrap();
        let (ours, _) = read(&[&log.bytes()], midnight(pivot));
        let (moved, _) = read(&[&log.bytes()], log.pivot());
        assert_eq!(ours[0][..10], midnight(pivot).to_string()[..10]);
        for (ours, moved) in ours.iter().zip(&moved) {
            let eras = instant(moved) - instant(ours);
            assert_eq!(eras, Duration::from_seconds(1024 * 7 * 86_400), "{name}");
        }
    }
}

#[test]
fn chunks_do_not_matter() {
    for log in &LOGS {
        let bytes = log.bytes();
        let whole = read(&[&bytes], log.pivot());
        let single: Vec<_> = bytes.chunks(1).collect();
        assert_eq!(read(&single, log.pivot()), whole, "{}", log.name);
    }
}

proptest! {
    #[test]
    fn random_chunks_do_not_matter(which in 0..LOGS.len(), cuts: [u16; 12]) {
        let log = &LOGS[which];
        let bytes = log.bytes();
        let mut cuts: Vec<_> = cuts.iter().map(|&cut| usize::from(cut) % bytes.len()).collect();
        cuts.sort_unstable();
        cuts.push(bytes.len());
        let mut from = 0;
        let chunks: Vec<_> = cuts.iter().map(|&to| &bytes[std::mem::replace(&mut from, to)..to]).collect();
        prop_assert_eq!(read(&chunks, log.pivot()), read(&[&bytes], log.pivot()));
    }
}

/// What noise does to a line.
#[derive(Clone, Debug)]
enum Noise {
    Flip { at: u16, bits: u8 },
    Remove { at: u16, length: u8 },
    Insert { at: u16, bytes: Vec<u8> },
}

fn noise() -> impl Strategy<Value = Noise> {
    prop_oneof![
        (any::<u16>(), 1u8..).prop_map(|(at, bits)| Noise::Flip { at, bits }),
        (any::<u16>(), 1u8..).prop_map(|(at, length)| Noise::Remove { at, length }),
        (any::<u16>(), proptest::collection::vec(any::<u8>(), 1..20))
            .prop_map(|(at, bytes)| Noise::Insert { at, bytes }),
    ]
}

fn add_noise(mut bytes: Vec<u8>, noises: &[Noise]) -> Vec<u8> {
    for noise in noises {
        let place = |at: u16| usize::from(at) % bytes.len();
        match noise {
            _ if bytes.is_empty() => {}
            Noise::Flip { at, bits } => {
                let at = place(*at);
                bytes[at] ^= bits;
            }
            Noise::Remove { at, length } => {
                let from = place(*at);
                let to = bytes.len().min(from + usize::from(*length));
                bytes.drain(from..to);
            }
            Noise::Insert { at, bytes: inserted } => {
                let at = place(*at);
                bytes.splice(at..at, inserted.iter().copied());
            }
        }
    }
    bytes
}

#[test]
fn noise_never_makes_a_frame() {
    for log in &LOGS {
        let bytes = log.bytes();
        let strategy = (any::<u16>(), 1usize..1500, proptest::collection::vec(noise(), 0..12));
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(2500));
        let result = runner.run(&strategy, |(from, length, noises)| {
            let from = usize::from(from) % bytes.len();
            let part = &bytes[from..bytes.len().min(from + length)];
            check(&add_noise(part.to_vec(), &noises), log.pivot())
        });
        if let Err(why) = result {
            panic!("{}: {why}", log.name);
        }
    }
}

/// Every frame stands where it says, with a checksum that is right by our own sums; and the values
/// in it read or are refused without a panic.
fn check(stream: &[u8], pivot: Timestamp<Utc>) -> Result<(), TestCaseError> {
    let mut splitter = Splitter::new();
    let mut input = stream;
    let mut end = 0;
    let mut framed_bytes = 0;
    while let Some(framed) = splitter.next(&mut input) {
        let (first, last) = (usize::try_from(framed.first)?, usize::try_from(framed.last)?);
        prop_assert!(first >= end, "frames overlap");
        end = last + 1;
        let bytes = &stream[first..end];
        framed_bytes += bytes.len();
        match framed.frame {
            Frame::Nmea(sentence) => {
                prop_assert_eq!(sentence, bytes);
                let (body, sum) = bytes[1..].split_at(bytes.len() - 4);
                let expected = body.iter().fold(0, |sum, byte| sum ^ byte);
                let claimed = u8::from_str_radix(str::from_utf8(&sum[1..])?, 16)?;
                prop_assert_eq!((bytes[0], sum[0], claimed), (b'$', b'*', expected));
            }
            Frame::Ubx { class, id, payload } => {
                let (covered, sum) = bytes.split_at(bytes.len() - 2);
                prop_assert_eq!(&covered[..4], &[0xb5, 0x62, class, id]);
                prop_assert_eq!(&covered[6..], payload);
                let (mut a, mut b) = (0u32, 0u32);
                for byte in &covered[2..] {
                    a += u32::from(*byte);
                    b += a;
                    (a, b) = (a % 256, b % 256);
                }
                prop_assert_eq!([u32::from(sum[0]), u32::from(sum[1])], [a, b]);
            }
        }
        let _ = label(framed.frame, pivot);
    }
    prop_assert!(input.is_empty());
    splitter.give_up();
    prop_assert!(splitter.refusals().garbage <= (stream.len() - framed_bytes) as u64);
    Ok(())
}

impl Log {
    fn bytes(&self) -> Vec<u8> {
        without_header(fs::read(format!("{DATA}/{}.log", self.name)).unwrap())
    }

    /// Our seconds against gpsd's, but for what is known to differ.
    fn compare(&self, mut ours: Vec<String>) {
        let mut gpsd = self.gpsd();
        for difference in self.differences {
            let (seconds, second, why) = match difference {
                Difference::OnlyOurs { second, why } => (&mut ours, second, why),
                Difference::OnlyGpsd { second, why } => (&mut gpsd, second, why),
            };
            let at = seconds.iter().position(|label| label == second);
            seconds.remove(at.unwrap_or_else(|| panic!("{}: {second} {why}", self.name)));
        }
        assert_eq!(ours, gpsd, "{}", self.name);
        assert!(!ours.is_empty());
    }

    fn gpsd(&self) -> Vec<String> {
        let text = fs::read_to_string(format!("{DATA}/{}.seconds", self.name)).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn pivot(&self) -> Timestamp<Utc> {
        midnight(self.pivot)
    }
}

/// Drops the `#` lines at the top, which are gpsd's.
fn without_header(mut log: Vec<u8>) -> Vec<u8> {
    while log.first() == Some(&b'#') {
        let line = log.iter().position(|&byte| byte == b'\n').map_or(log.len(), |at| at + 1);
        log.drain(..line);
    }
    log
}

/// The seconds that a stream tells, each once, to the millisecond like gpsd's.
fn read(chunks: &[&[u8]], pivot: Timestamp<Utc>) -> (Vec<String>, Refusals) {
    let mut splitter = Splitter::new();
    let mut labels: Vec<_> = Vec::new();
    for mut chunk in chunks.iter().copied() {
        while let Some(framed) = splitter.next(&mut chunk) {
            labels.extend(label(framed.frame, pivot).map(to_millisecond));
        }
    }
    // Nothing follows: what waits for its end is given up, and what stands behind it is read.
    loop {
        let before = splitter.refusals();
        splitter.give_up();
        while let Some(framed) = splitter.next(&mut &[][..]) {
            labels.extend(label(framed.frame, pivot).map(to_millisecond));
        }
        if splitter.refusals() == before {
            break;
        }
    }
    labels.dedup();
    (labels, splitter.refusals())
}

/// What second a frame tells, if the receiver vouches for it.
fn label(frame: Frame<'_>, pivot: Timestamp<Utc>) -> Option<Timestamp<Utc>> {
    match frame {
        Frame::Nmea(sentence) => match nmea::parse(sentence).ok()??.kind {
            nmea::Kind::Rmc(rmc) if rmc.valid => {
                resolve_two_digits(rmc.date?, rmc.time?, pivot).map(|(utc, _)| utc)
            }
            nmea::Kind::Zda(zda) => resolve(zda.time?.on(zda.date?), pivot).map(|(utc, _)| utc),
            _ => None,
        },
        Frame::Ubx { class, id, payload } => match Message::parse(class, id, payload).ok()?? {
            Message::NavTimeGps(NavTimeGps { of_week, week, ahead_of_utc, .. }) => {
                let ahead = Duration::from_seconds(ahead_of_utc?.into());
                resolve(of_gps_week(week?, of_week?, ahead), pivot).map(|(utc, _)| utc)
            }
            _ => None,
        },
    }
}

fn to_millisecond(utc: Timestamp<Utc>) -> String {
    let rounded = (utc + Duration::from_micros(500)).to_string();
    format!("{}Z", &rounded[..23])
}

fn instant(label: &str) -> Timestamp<Utc> {
    let number = |range: core::ops::Range<usize>| label[range].parse::<u32>().unwrap();
    let small = |range| u8::try_from(number(range)).unwrap();
    let date = Date::new(label[..4].parse().unwrap(), small(5..7), small(8..10)).unwrap();
    let nanos = number(20..23) * 1_000_000;
    TimeOfDay::new(small(11..13), small(14..16), small(17..19), nanos).unwrap().on(date)
}

fn midnight((year, month, day): (i32, u8, u8)) -> Timestamp<Utc> {
    TimeOfDay::new(0, 0, 0, 0).unwrap().on(Date::new(year, month, day).unwrap())
}

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/gnss");
