//! From the file's mirror to a plan: ranges, names and contradictions. All of them are reported, not
//! only the first.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;

use toml::Spanned;

use super::error::{self, ConfigError, ConfigErrors};
use super::file::{self, File, Switch};
use super::time::Time;
use crate::engine::{LeapMode, LocalPlan, Policy as ClockPolicy, StepPolicy};
use crate::host::plan::{Plan, Serve};
use crate::host::service::LISTEN_MAX;
use crate::server::{Access, AccessTable, Policy, Prefix, RateLimit, Rule, TableSize};
use crate::time::{Duration, Exponent, Frequency, SmearShape};

/// Collects what is wrong while values are read.
pub(super) struct Check<'a> {
    name: &'a str,
    text: &'a str,
    errors: Vec<ConfigError>,
}

impl<'a> Check<'a> {
    pub fn new(name: &'a str, text: &'a str) -> Self {
        Self { name, text, errors: Vec::new() }
    }

    /// The plan, if nothing was found wrong.
    pub fn finish(mut self, plan: Plan) -> Result<Plan, ConfigErrors> {
        if self.errors.is_empty() {
            return Ok(plan);
        }
        self.errors.sort_by_key(|error| error.line);
        Err(ConfigErrors(self.errors))
    }

    /// Notes an error at these bytes.
    pub fn error(&mut self, span: &Range<usize>, reason: impl Into<String>) {
        self.errors.push(error::at(self.name, self.text, span, reason.into()));
    }

    /// A plan, meant to be thrown away if there were errors.
    pub fn plan(&mut self, file: &File) -> Plan {
        let (mut sources, mut drivers) = self.sources(&file.source);
        self.servers(file, &mut sources, &mut drivers);
        let leap = self.leap_mode(file);
        let engine = crate::engine::Plan {
            sources,
            policy: ClockPolicy { leap, ..self.clock(&file.clock) },
            local: file.local.as_ref().map(|local| self.local(local)),
            leaps: None,
            precision: PRECISION_UNMEASURED,
            reading: READING_UNMEASURED,
        };
        let control = self.path(file.control.as_ref(), SOCKET_PATH_MAX);
        let priority = file.clock.realtime_priority.as_ref();
        let priority =
            self.whole(priority, 0..=99, 0, "a SCHED_FIFO priority is 1..=99, and 0 is none");
        Plan {
            engine,
            drivers,
            serve: file.serve.as_ref().map(|serve| self.serve(serve, leap)),
            control: control.unwrap_or_else(|| PathBuf::from(super::CONTROL_DEFAULT)),
            realtime_priority: (priority > 0).then_some(priority),
            lock_memory: flag(file.clock.lock_memory.as_ref()),
            state_file: self.path(file.state_file.as_ref(), PATH_MAX),
            leap_file: self.leap_file(file),
        }
    }

    /// A whole number within its range.
    pub fn whole<T>(
        &mut self,
        key: Option<&Spanned<i64>>,
        range: RangeInclusive<T>,
        default: T,
        right: &str,
    ) -> T
    where
        T: TryFrom<i64> + PartialOrd + Copy,
    {
        let Some(key) = key else { return default };
        match T::try_from(*key.get_ref()) {
            Ok(value) if range.contains(&value) => value,
            _ => {
                self.error(&key.span(), format!("{} is out of range; {right}", key.get_ref()));
                default
            }
        }
    }

    /// A time within its range.
    pub fn time(
        &mut self,
        key: Option<&Spanned<Time>>,
        range: RangeInclusive<Duration>,
        default: Duration,
    ) -> Duration {
        let Some(key) = key else { return default };
        let Time(value) = *key.get_ref();
        if range.contains(&value) {
            return value;
        }
        let (from, to) = (Plain(*range.start()), Plain(*range.end()));
        self.error(&key.span(), format!("{} is out of range; {from} to {to}", Plain(value)));
        default
    }

    /// An absolute path.
    pub fn path(&mut self, key: Option<&Spanned<String>>, length_max: usize) -> Option<PathBuf> {
        let key = key?;
        let text = key.get_ref();
        let reason = if !text.starts_with('/') {
            format!("\"{text}\" is not an absolute path; it would depend on where maser is started")
        } else if text.len() > length_max {
            format!("the path is {} bytes long; at most {length_max}", text.len())
        } else if text.contains('\0') {
            "the path holds a zero byte".to_owned()
        } else {
            return Some(PathBuf::from(text));
        };
        self.error(&key.span(), reason);
        None
    }

    /// One of a few words.
    pub fn word<T: Copy>(&mut self, key: &Spanned<String>, words: &[(&str, T)]) -> Option<T> {
        let text = key.get_ref();
        if let Some((_, value)) = words.iter().find(|(word, _)| word == text) {
            return Some(*value);
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let meant = error::near(text, &names).map(|near| format!("did you mean \"{near}\"? "));
        let list = names.join("\", \"");
        let meant = meant.unwrap_or_default();
        self.error(&key.span(), format!("\"{text}\" is unknown; {meant}one of \"{list}\""));
        None
    }

    fn clock(&mut self, clock: &file::Clock) -> ClockPolicy {
        let default = ClockPolicy::default();
        let threshold = self.time(clock.step_threshold.as_ref(), MICROSECOND..=DAY, STEP_THRESHOLD);
        let count = self.whole(clock.steps.as_ref(), 1..=1_000_000, STEPS, "1 step or more");
        let step = match clock.step.as_ref() {
            None => Some(Step::First),
            Some(key) => self.word(key, &STEP_WORDS),
        };
        let step = match step.unwrap_or(Step::First) {
            Step::Never => StepPolicy::Never,
            Step::First => StepPolicy::First { threshold, count },
            Step::Always => StepPolicy::Always { threshold },
        };
        self.useless_steps(clock, step);
        ClockPolicy {
            step,
            panic_forward: self.panic(clock.panic_forward.as_ref(), default.panic_forward),
            panic_backward: self.panic(clock.panic_backward.as_ref(), default.panic_backward),
            slew_limit: self.ppm(
                clock.slew_limit_ppm.as_ref(),
                1.0..=SLEW_LIMIT_PPM,
                default.slew_limit,
            ),
            frequency_limit: self.ppm(
                clock.frequency_limit_ppm.as_ref(),
                1.0..=FREQUENCY_LIMIT_PPM,
                default.frequency_limit,
            ),
            holdover_limit: self.time(
                clock.holdover_limit.as_ref(),
                MICROSECOND..=Duration::from_seconds(16),
                default.holdover_limit,
            ),
            ..default
        }
    }

    fn panic(&mut self, key: Option<&Spanned<Time>>, default: Duration) -> Duration {
        self.time(key, Duration::from_millis(1)..=YEARS, default)
    }

    /// A key without effect is a misunderstanding.
    fn useless_steps(&mut self, clock: &file::Clock, step: StepPolicy) {
        if let (StepPolicy::Never, Some(key)) = (step, &clock.step_threshold) {
            self.error(&key.span(), "has no effect beside step = \"never\"; leave one out");
        }
        let counts = matches!(step, StepPolicy::First { .. });
        if let (false, Some(key)) = (counts, &clock.steps) {
            self.error(&key.span(), "has an effect only beside step = \"first\"; leave it out");
        }
    }

    fn ppm(
        &mut self,
        key: Option<&Spanned<f64>>,
        allowed: RangeInclusive<f64>,
        default: Frequency,
    ) -> Frequency {
        let Some(key) = key else { return default };
        let ppm = *key.get_ref();
        if allowed.contains(&ppm) {
            return Frequency::from_ppm(ppm);
        }
        let (least, most) = allowed.into_inner();
        self.error(&key.span(), format!("{ppm} is out of range; {least} to {most} ppm"));
        default
    }

    fn local(&mut self, local: &file::Local) -> LocalPlan {
        let right = "a served stratum is 1..=15, and 10 stays behind better servers";
        let uncertainty = local.uncertainty.as_ref();
        let uncertainty = self.time(uncertainty, MICROSECOND..=DAY, Duration::SECOND);
        let five_minutes = Duration::from_seconds(300);
        LocalPlan {
            stratum: self.whole(local.stratum.as_ref(), 1..=15, 10, right),
            uncertainty: uncertainty.seconds(),
            wait: self.time(local.wait.as_ref(), Duration::ZERO..=DAY, five_minutes),
        }
    }

    fn serve(&mut self, serve: &file::Serve, leap: LeapMode) -> Serve {
        let size = TableSize::default();
        let clients = serve.clients.as_ref();
        let right = "16 to 4194304 clients for each thread";
        let clients = self.whole(clients, 16..=CLIENTS_MAX, size.clients, right);
        let prefix = serve.ipv6_prefix.as_ref();
        let right = "a prefix has 0..=128 bits";
        let ipv6_prefix = self.whole(prefix, 0..=128, size.ipv6_prefix, right);
        let kiss_interval = match &serve.kiss_interval {
            None | Some(Switch::On) => Policy::default().kiss_interval,
            Some(Switch::Off) => None,
            Some(Switch::As(Time(every))) => Some((*every).max(Duration::ZERO)),
        };
        let (listen, smear) = self.listen(serve.listen.as_ref(), leap);
        Serve {
            listen,
            smear,
            threads: self.whole(serve.threads.as_ref(), 1..=64, 1, "1 to 64 threads"),
            policy: Policy {
                access: self.access(serve),
                rate: self.rate(serve.rate.as_ref()),
                kiss_interval,
            },
            clients: TableSize { clients, ipv6_prefix },
        }
    }

    fn rate(&mut self, rate: Option<&Switch<file::Rate>>) -> Option<RateLimit> {
        let default = RateLimit::default();
        match rate {
            None | Some(Switch::On) => Some(default),
            Some(Switch::Off) => None,
            Some(Switch::As(rate)) => Some(RateLimit {
                interval: self.time(
                    rate.interval.as_ref(),
                    Duration::from_millis(1)..=Duration::from_seconds(3600),
                    default.interval,
                ),
                burst: self.whole(
                    rate.burst.as_ref(),
                    1..=1024,
                    default.burst,
                    "1 to 1024 answers in one go",
                ),
            }),
        }
    }

    fn listen(
        &mut self,
        listen: Option<&Spanned<Vec<Spanned<file::Listen>>>>,
        leap: LeapMode,
    ) -> (Vec<SocketAddr>, Vec<(SocketAddr, SmearShape)>) {
        let Some(listen) = listen else { return (everywhere().to_vec(), Vec::new()) };
        let (mut addresses, mut smears) = (Vec::new(), Vec::new());
        if listen.get_ref().is_empty() {
            self.error(&listen.span(), "no address; name one, or leave out [serve] to serve none");
        }
        let listen = listen.get_ref();
        for key in listen {
            let span = key.span();
            let text = key.get_ref().address();
            let smear = self.smear(key.get_ref(), leap);
            match address(text) {
                None => self.error(
                    &span,
                    format!(
                        "\"{text}\" is not an address; write 192.0.2.1:123, \
                         [2001:db8::1]:123, or leave out :123"
                    ),
                ),
                Some(address) if address.port() == 0 => {
                    self.error(&span, "port 0 is no port; clients expect 123");
                }
                Some(address) if addresses.contains(&address) => {
                    self.error(&span, format!("{address} is listed twice"));
                }
                Some(_) if addresses.len() == LISTEN_MAX => {
                    self.error(&span, format!("more than {LISTEN_MAX} addresses; use a wildcard"));
                }
                Some(address) => {
                    addresses.push(address);
                    smears.extend(smear.map(|shape| (address, shape)));
                }
            }
        }
        (addresses, smears)
    }

    fn access(&mut self, serve: &file::Serve) -> AccessTable {
        let lists = [
            (&serve.allow, Access::Allow),
            (&serve.deny, Access::Deny),
            (&serve.ignore, Access::Ignore),
        ];
        let mut seen: BTreeMap<Prefix, Access> = BTreeMap::new();
        for (list, access) in lists {
            for key in list.iter().flatten() {
                let reason = match key.get_ref().parse::<Prefix>() {
                    Err(why) => format!("\"{}\": {why}; such as 192.0.2.0/24", key.get_ref()),
                    Ok(prefix) => match seen.insert(prefix, access) {
                        Some(other) if other != access => {
                            format!("{prefix} is listed under another rule too; keep one of them")
                        }
                        _ => continue,
                    },
                };
                self.error(&key.span(), reason);
            }
        }
        let words = [("allow", Access::Allow), ("deny", Access::Deny), ("ignore", Access::Ignore)];
        let others = match &serve.others {
            Some(key) => self.word(key, &words).unwrap_or(Access::Ignore),
            // Whoever names those allowed means nobody else, as with chrony's `allow`.
            None if serve.allow.is_some() => Access::Ignore,
            None => Access::Allow,
        };
        let rules: Vec<Rule> =
            seen.into_iter().map(|(prefix, access)| Rule { prefix, access }).collect();
        AccessTable::new(others, &rules)
    }
}

/// A yes or no that is no unless said.
pub(super) fn flag(key: Option<&Spanned<bool>>) -> bool {
    key.is_some_and(|key| *key.get_ref())
}

/// Every address of the machine.
pub(super) fn everywhere() -> [SocketAddr; 2] {
    [(IpAddr::V4(Ipv4Addr::UNSPECIFIED), NTP_PORT), (Ipv6Addr::UNSPECIFIED.into(), NTP_PORT)]
        .map(SocketAddr::from)
}

/// `address:port`, or an address alone for port 123.
pub fn address(text: &str) -> Option<SocketAddr> {
    let bare = || text.parse().map(|ip: IpAddr| SocketAddr::new(ip, NTP_PORT));
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    let address = text.parse().or_else(|_| bare()).ok();
    address.or_else(|| bracketed().map(|ip| SocketAddr::new(ip.into(), NTP_PORT)))
}

/// A time without a sign before positive values: "1.000 ms".
struct Plain(Duration);

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_string().trim_start_matches('+'))
    }
}

#[derive(Clone, Copy)]
enum Step {
    First,
    Never,
    Always,
}

const STEP_WORDS: [(&str, Step); 3] =
    [("first", Step::First), ("never", Step::Never), ("always", Step::Always)];
const STEP_THRESHOLD: Duration = Duration::from_millis(1);
const STEPS: u32 = 3;
/// What the kernel's tick and the servo allow: one second in twelve.
const SLEW_LIMIT_PPM: f64 = 83_333.0;
/// What the kernel's tick allows, ppm.
const FREQUENCY_LIMIT_PPM: f64 = 100_000.0;

pub(super) const NTP_PORT: u16 = 123;
const CLIENTS_MAX: usize = 1 << 22;

pub(super) const MICROSECOND: Duration = Duration::from_micros(1);
pub(super) const DAY: Duration = Duration::from_seconds(86_400);
const YEARS: Duration = Duration::from_seconds(50 * 31_556_952);

/// `sun_path` with its end (unix(7)).
pub(super) const SOCKET_PATH_MAX: usize = 107;
/// PATH_MAX of Linux with its end.
pub(super) const PATH_MAX: usize = 4095;

/// The host measures both before it starts the engine.
const PRECISION_UNMEASURED: Exponent = Exponent(-20);
const READING_UNMEASURED: f64 = 1e-6;
