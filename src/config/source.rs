//! The tables `[[source]]`: each driver's own keys, and what holds for all of them together.

use std::fmt;
use std::ops::Range;

use toml::Spanned;

use super::check::{Check, DAY, PATH_MAX, SOCKET_PATH_MAX, flag};
use super::file::Source;
use super::time::Time;
use crate::engine::{Role, SourcePlan};
use crate::host::plan::Driver;
use crate::sample::SourceId;
use crate::source::pairing::Declared;
use crate::time::{Duration, Exponent};
use crate::wire::ntp::ReferenceId;

impl Check<'_> {
    /// Sources and their drivers, in the order of the file.
    pub(super) fn sources(&mut self, tables: &[Spanned<Source>]) -> (Vec<SourcePlan>, Vec<Driver>) {
        if let Some(table) = tables.get(SourceId::COUNT_MAX) {
            let most = SourceId::COUNT_MAX;
            self.error(&table.span(), format!("{} sources; at most {most}", tables.len()));
        }
        let heads: Vec<Head> = tables.iter().map(|table| self.head(table)).collect();
        self.unique_names(tables, &heads);
        let (mut plans, mut drivers) = (Vec::new(), Vec::new());
        for (table, head) in tables.iter().zip(&heads) {
            let source = table.get_ref();
            let Some(kind) = head.kind else { continue };
            self.foreign_keys(source, kind);
            plans.push(self.source(source, head, kind, &heads));
            if let Some(driver) = self.driver(table, kind) {
                self.bound_once(table, &driver, &drivers);
                drivers.push(driver);
            }
        }
        (plans, drivers)
    }

    fn head(&mut self, table: &Spanned<Source>) -> Head {
        let source = table.get_ref();
        let kind = match &source.driver {
            Some(key) => self.word(key, &KIND_WORDS),
            None => {
                let reason = "`driver` is missing; one of \"gnss\", \"sock\", \"shm\"";
                self.error(&table.span(), reason);
                None
            }
        };
        let refid = match &source.refid {
            Some(key) => self.refid(key),
            None => match kind {
                _ if source.text.is_some() => *b"PPS\0",
                Some(Kind::Gnss) | None => *b"GPS\0",
                Some(Kind::Sock) => *b"SOCK",
                Some(Kind::Shm) => *b"SHM\0",
            },
        };
        let name = match &source.name {
            Some(key) => self.source_name(key),
            None => ReferenceId(refid).display(0).to_string(),
        };
        Head { kind, name, refid }
    }

    fn refid(&mut self, key: &Spanned<String>) -> [u8; 4] {
        match ReferenceId::of_text(key.get_ref()) {
            Some(ReferenceId(refid)) if !key.get_ref().trim().is_empty() => refid,
            _ => {
                let reason = "a reference id is 1 to 4 printable ASCII characters, such as \"GPS\"";
                self.error(&key.span(), reason);
                [0; 4]
            }
        }
    }

    pub(super) fn source_name(&mut self, key: &Spanned<String>) -> String {
        let name = key.get_ref();
        let length = name.chars().count();
        if !(1..=NAME_MAX).contains(&length) || name.trim() != name {
            self.error(&key.span(), "a name has 1 to 32 characters and no space at its ends");
        } else if name.chars().any(char::is_control) {
            self.error(&key.span(), "a name has no control characters");
        }
        name.clone()
    }

    fn unique_names(&mut self, tables: &[Spanned<Source>], heads: &[Head]) {
        for (index, (table, head)) in tables.iter().zip(heads).enumerate() {
            let Some(first) = heads[..index].iter().position(|other| other.name == head.name)
            else {
                continue;
            };
            let span = table.get_ref().name.as_ref().map_or_else(|| table.span(), Spanned::span);
            let reason =
                format!("source[{first}] is called \"{}\" too; give each its `name`", head.name);
            self.error(&span, reason);
        }
    }

    fn source(&mut self, source: &Source, head: &Head, kind: Kind, heads: &[Head]) -> SourcePlan {
        let text = source.text.as_ref().and_then(|key| self.text(key, kind, heads));
        let (prefer, noselect) = self.wishes(source.prefer.as_ref(), source.noselect.as_ref());
        let right = "the stratum of the source itself is 0..=14, 0 for a reference clock";
        let noise = source.noise.as_ref();
        SourcePlan {
            name: head.name.clone(),
            reference_id: head.refid,
            stratum: self.whole(source.stratum.as_ref(), 0..=14, 0, right),
            role: match kind {
                Kind::Gnss => Role::Text,
                Kind::Sock | Kind::Shm => Role::Pulse { text },
            },
            declared: self.declared(source, kind),
            sigma: self
                .time(noise, Duration::NANOSECOND..=Duration::SECOND, kind.noise())
                .seconds(),
            poll: Exponent(self.whole(source.poll.as_ref(), -4..=17, 4, POLL_RIGHT)),
            prefer,
            noselect,
            trust: false,
            distance_max: self.distance_max(source.distance_max.as_ref()),
        }
    }

    pub(super) fn distance_max(&mut self, key: Option<&Spanned<Time>>) -> f64 {
        let range = Duration::NANOSECOND..=Duration::from_seconds(16);
        self.time(key, range, DISTANCE_MAX).seconds()
    }

    /// Preferred, or never followed.
    pub(super) fn wishes(
        &mut self,
        prefer: Option<&Spanned<bool>>,
        noselect: Option<&Spanned<bool>>,
    ) -> (bool, bool) {
        if let (true, true, Some(key)) = (flag(prefer), flag(noselect), noselect) {
            self.error(&key.span(), "contradicts `prefer`; leave one out");
        }
        (flag(prefer), flag(noselect))
    }

    fn declared(&mut self, source: &Source, kind: Kind) -> Declared {
        let zero_to_second = Duration::ZERO..=Duration::SECOND;
        let up_to = |most: Duration| Duration::ZERO..=most;
        let precision = source.precision.as_ref();
        let precision = self.time(precision, zero_to_second.clone(), kind.precision()).seconds();
        let grain = self.time(
            source.grain.as_ref(),
            up_to(Duration::from_micros(10)),
            if kind == Kind::Gnss { Duration::ZERO } else { GRAIN },
        );
        let corrected = self.time(
            source.grain_corrected.as_ref(),
            up_to(Duration::from_micros(10)),
            GRAIN_CORRECTED.min(grain),
        );
        if let (true, Some(key)) = (corrected > grain, &source.grain_corrected) {
            self.error(&key.span(), "is larger than `grain`; a correction leaves less, not more");
        }
        Declared {
            offset: self.time(source.offset.as_ref(), -DAY..=DAY, Duration::ZERO),
            uncertainty: self
                .time(source.uncertainty.as_ref(), zero_to_second, UNCERTAINTY)
                .seconds(),
            quantization: precision,
            grain,
            grain_corrected: corrected.seconds(),
        }
    }

    /// Whose text numbers this source's pulses.
    fn text(&mut self, key: &Spanned<String>, kind: Kind, heads: &[Head]) -> Option<SourceId> {
        let name = key.get_ref();
        if kind == Kind::Gnss {
            self.error(&key.span(), "a gnss source is text itself; pulses name it as their text");
            return None;
        }
        let found = heads.iter().position(|head| head.name == *name);
        let reason = match found.map(|index| (index, heads[index].kind)) {
            Some((index, Some(Kind::Gnss))) => return u8::try_from(index).ok().map(SourceId),
            // Its driver is an error already.
            Some((_, None)) => return None,
            Some((_, Some(other))) => {
                format!("\"{name}\" is a {other} source; only a gnss source brings text")
            }
            None => {
                let texts = heads.iter().filter(|head| head.kind == Some(Kind::Gnss));
                let names: Vec<&str> = texts.map(|head| head.name.as_str()).collect();
                match names.join("\", \"") {
                    list if list.is_empty() => {
                        format!("no source is called \"{name}\", and none is a gnss source")
                    }
                    list => format!("no source is called \"{name}\"; text comes from \"{list}\""),
                }
            }
        };
        self.error(&key.span(), reason);
        None
    }

    fn driver(&mut self, table: &Spanned<Source>, kind: Kind) -> Option<Driver> {
        let source = table.get_ref();
        let mut required = |span: Option<Range<usize>>, key: &str, such_as: &str| {
            if span.is_none() {
                let reason = format!("`{key}` is missing; a {kind} source needs it, {such_as}");
                self.error(&table.span(), reason);
            }
        };
        match kind {
            Kind::Gnss => {
                let span = source.device.as_ref().map(Spanned::span);
                required(span, "device", "such as \"/dev/ttyS0\"");
                let right = "300 to 4000000 bits per second, such as 9600";
                let speed = self.whole(source.speed.as_ref(), 300..=4_000_000, 9600, right);
                let device = self.path(source.device.as_ref(), PATH_MAX)?;
                Some(Driver::Gnss { device, speed })
            }
            Kind::Sock => {
                let span = source.path.as_ref().map(Spanned::span);
                required(span, "path", "such as \"/run/maser/pps.sock\"");
                let path = self.path(source.path.as_ref(), SOCKET_PATH_MAX)?;
                Some(Driver::Sock { path })
            }
            Kind::Shm => {
                let span = source.unit.as_ref().map(Spanned::span);
                required(span, "unit", "0 to 255");
                let right = "a unit is 0..=255 (127.127.28.u)";
                let unit = self.whole(source.unit.as_ref(), 0..=255, 0, right);
                let pulse = flag(source.pulse.as_ref());
                if let (true, None, Some(key)) = (pulse, &source.text, &source.pulse) {
                    let reason =
                        "pulses need `text`, the name of the gnss source that numbers them";
                    self.error(&key.span(), reason);
                }
                source.unit.as_ref()?;
                let permissions = self.permissions(source.permissions.as_ref());
                let limit = source.time_limit.as_ref().map(|key| self.time_limit(key));
                Some(Driver::Shm { unit, permissions, limit, pulse })
            }
        }
    }

    fn permissions(&mut self, key: Option<&Spanned<String>>) -> u32 {
        let Some(key) = key else { return PERMISSIONS };
        let text = key.get_ref();
        let is_octal =
            !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
        match u32::from_str_radix(text, 8) {
            // Without the owner's bits maser itself could not attach the segment.
            Ok(bits) if is_octal && bits <= 0o777 && bits & 0o600 == 0o600 => bits,
            _ => {
                let reason =
                    "is not usable as permission bits; octal, such as \"0600\" or \"0666\"";
                self.error(&key.span(), format!("\"{text}\" {reason}"));
                PERMISSIONS
            }
        }
    }

    /// Whole seconds, rounded up.
    fn time_limit(&mut self, key: &Spanned<Time>) -> u32 {
        let limit = self.time(Some(key), Duration::SECOND..=YEAR, Duration::SECOND);
        let seconds = libm::ceil(limit.seconds());
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "1 s to a year"
        )]
        let seconds = seconds as u32;
        seconds
    }

    /// Keys that another driver has are a misunderstanding.
    fn foreign_keys(&mut self, source: &Source, kind: Kind) {
        use Kind::{Gnss, Shm, Sock};
        let text = |key: &Option<Spanned<String>>| key.as_ref().map(Spanned::span);
        let time = |key: &Option<Spanned<Time>>| key.as_ref().map(Spanned::span);
        let keys: [(Option<Range<usize>>, &[Kind]); 9] = [
            (text(&source.device), &[Gnss]),
            (source.speed.as_ref().map(Spanned::span), &[Gnss]),
            (text(&source.path), &[Sock]),
            (source.unit.as_ref().map(Spanned::span), &[Shm]),
            (text(&source.permissions), &[Shm]),
            (time(&source.time_limit), &[Shm]),
            (source.pulse.as_ref().map(Spanned::span), &[Shm]),
            (time(&source.grain), &[Sock, Shm]),
            (time(&source.grain_corrected), &[Sock, Shm]),
        ];
        for (span, kinds) in keys {
            if let (Some(span), false) = (span, kinds.contains(&kind)) {
                let owners: Vec<String> = kinds.iter().map(Kind::to_string).collect();
                let owners = owners.join(" and ");
                self.error(&span, format!("a {kind} source has no such key; {owners} have it"));
            }
        }
    }

    /// Two readers of one device each get half of it.
    fn bound_once(&mut self, table: &Spanned<Source>, driver: &Driver, others: &[Driver]) {
        let shared = |other: &Driver| match (driver, other) {
            (Driver::Gnss { device: a, .. }, Driver::Gnss { device: b, .. })
            | (Driver::Sock { path: a }, Driver::Sock { path: b }) => a == b,
            (Driver::Shm { unit: a, .. }, Driver::Shm { unit: b, .. }) => a == b,
            _ => false,
        };
        if !others.iter().any(shared) {
            return;
        }
        let source = table.get_ref();
        let (span, what) = match driver {
            Driver::Gnss { .. } => (source.device.as_ref().map(Spanned::span), "device"),
            Driver::Sock { .. } => (source.path.as_ref().map(Spanned::span), "path"),
            Driver::Shm { .. } => (source.unit.as_ref().map(Spanned::span), "unit"),
            // No source is one.
            Driver::Server { .. } => return,
        };
        let reason = format!("another source reads this {what} already; each needs its own");
        self.error(&span.unwrap_or_else(|| table.span()), reason);
    }
}

/// What other sources need to know of one.
struct Head {
    kind: Option<Kind>,
    name: String,
    refid: [u8; 4],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Gnss,
    Sock,
    Shm,
}

impl Kind {
    /// First guess of the noise of its samples, one sigma; the estimator learns the truth.
    const fn noise(self) -> Duration {
        match self {
            Self::Gnss => Duration::from_millis(200),
            Self::Sock | Self::Shm => Duration::from_micros(1),
        }
    }

    /// Resolution of its stamps.
    const fn precision(self) -> Duration {
        match self {
            // `struct timeval` of old writers of the segment; stamps of a read(2).
            Self::Gnss | Self::Shm => Duration::from_micros(1),
            // The offset is a double: only the sender's clock reading limits it.
            Self::Sock => Duration::from_nanos(100),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gnss => "gnss",
            Self::Sock => "sock",
            Self::Shm => "shm",
        })
    }
}

const KIND_WORDS: [(&str, Kind); 3] =
    [("gnss", Kind::Gnss), ("sock", Kind::Sock), ("shm", Kind::Shm)];
const NAME_MAX: usize = 32;
const POLL_RIGHT: &str = "log2 of seconds, -4 (16 a second) to 17 (36 h)";
const UNCERTAINTY: Duration = Duration::from_micros(1);
const GRAIN: Duration = Duration::from_nanos(30);
const GRAIN_CORRECTED: Duration = Duration::from_nanos(1);
/// chrony's `maxdistance`.
const DISTANCE_MAX: Duration = Duration::from_seconds(3);
/// chrony's `perm`.
const PERMISSIONS: u32 = 0o600;
const YEAR: Duration = Duration::from_seconds(31_556_952);
