//! The files in `config/` read as their comments say, and whatever is wrong with a file is told with
//! its line and key.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::engine::{Role, ServerPlan, StepPolicy};
use crate::host::plan::Driver;
use crate::sample::SourceId;
use crate::server::Access;
use crate::source::association::AssociationPlan;
use crate::time::{Duration, Exponent, Frequency};
use crate::wire::ntp::Version;

const STRATUM1: &str = include_str!("../../config/stratum1-gps-pps.toml");
const DEMO: &str = include_str!("../../config/demo.toml");
const CLIENT: &str = include_str!("../../config/client.toml");

/// The errors of a text as one string, `""` if there are none.
fn errors(text: &str) -> String {
    parse("m.toml", text).err().map(|errors| errors.to_string()).unwrap_or_default()
}

fn plan(text: &str) -> Plan {
    parse("m.toml", text).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn the_stratum_1_sample_reads_as_it_says() {
    let plan = load(Path::new("config/stratum1-gps-pps.toml")).unwrap();
    let [text, pulse] = &plan.engine.sources[..] else { panic!("two sources") };
    assert_eq!((text.name.as_str(), text.role), ("GPS", Role::Text));
    assert_eq!(text.reference_id, *b"GPS\0");
    assert_eq!(pulse.role, Role::Pulse { text: Some(SourceId(0)) });
    assert_eq!(pulse.reference_id, *b"PPS\0");
    assert!(pulse.prefer && !text.prefer && !pulse.noselect);
    assert_eq!(pulse.declared.offset, Duration::from_nanos(50));
    assert_eq!(pulse.declared.grain, Duration::from_nanos(30));
    assert!((pulse.declared.uncertainty - 1e-6).abs() < 1e-18);
    assert_eq!(pulse.poll, Exponent(4));
    let device = PathBuf::from("/dev/ttyS0");
    assert_eq!(plan.drivers[0], Driver::Gnss { device, speed: 9600 });
    assert_eq!(plan.drivers[1], Driver::Sock { path: "/run/maser/pps.sock".into() });
    assert_eq!((plan.realtime_priority, plan.lock_memory), (Some(50), true));
    assert_eq!(plan.leap_file, Some("/usr/share/zoneinfo/leap-seconds.list".into()));
    let first = StepPolicy::First { threshold: Duration::from_millis(1), count: 3 };
    assert_eq!(plan.engine.policy.step, first);
    let serve = plan.serve.unwrap();
    assert_eq!(serve.listen, check::everywhere());
    let access = |ip: &str| serve.policy.access.of(ip.parse::<IpAddr>().unwrap());
    assert_eq!((access("10.9.8.7"), access("fe80::1")), (Access::Allow, Access::Allow));
    assert_eq!((access("8.8.8.8"), access("2001:db8::1")), (Access::Ignore, Access::Ignore));
    assert_eq!(serve.policy.rate, Some(crate::server::RateLimit::default()));
}

#[test]
fn the_demo_sample_reads_as_it_says() {
    let plan = plan(DEMO);
    let serve = plan.serve.unwrap();
    assert_eq!(serve.listen, ["127.0.0.1:11123".parse().unwrap()]);
    assert_eq!(serve.policy.rate, None);
    assert_eq!(plan.engine.sources[1].poll, Exponent(3));
    assert_eq!(plan.engine.sources[1].role, Role::Pulse { text: Some(SourceId(0)) });
    assert!((plan.engine.sources[1].declared.uncertainty - 2e-7).abs() < 1e-18);
    assert_eq!((plan.realtime_priority, plan.lock_memory), (None, false));
}

#[test]
fn the_client_sample_reads_as_it_says() {
    let plan = plan(CLIENT);
    let [first, _, third, rack] = &plan.engine.sources[..] else { panic!("four servers") };
    assert_eq!((first.name.as_str(), rack.name.as_str()), ("ntp1.example.org", "rack"));
    let role = |poll_min, poll_max, delay_max| {
        Role::Server(ServerPlan {
            poll_min: Exponent(poll_min),
            poll_max: Exponent(poll_max),
            delay_max,
        })
    };
    assert_eq!((first.role, third.role), (role(6, 10, 3.0), role(6, 10, 0.2)));
    assert_eq!(rack.role, role(0, 4, 3.0));
    assert!(rack.prefer && !first.prefer && !rack.trust);
    assert_eq!((first.reference_id, rack.reference_id), ([0; 4], [192, 168, 1, 1]));
    let association = AssociationPlan {
        poll_min: Exponent(0),
        poll_max: Exponent(4),
        iburst: true,
        burst: false,
        interleaved: true,
        version: Version::V4,
    };
    let expected = Driver::Server { address: "192.168.1.1".to_owned(), port: 123, association };
    assert_eq!(plan.drivers[3], expected);
}

#[test]
fn servers_come_after_sources_with_chronys_defaults() {
    let plan = plan(
        "[[server]]\naddress='a.b'\n[[source]]\ndriver='sock'\npath='/a'\n\
         [[server]]\naddress='fe80::1%eth0'\nport=1123\nxleave=true\ntrust=true\noffset='-2ms'\n\
         [[server]]\naddress='ntp.old'\nversion=1\nburst=true\nminpoll=12\nnoselect=true\n",
    );
    let names: Vec<&str> = plan.engine.sources.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["SOCK", "a.b", "[fe80::1%eth0]:1123", "ntp.old"]);
    let of = |index: usize| match &plan.drivers[index] {
        Driver::Server { association, .. } => *association,
        other => panic!("{other:?}"),
    };
    let default = of(1);
    assert!(!default.iburst && !default.burst && !default.interleaved);
    assert_eq!((default.poll_min, default.poll_max), (Exponent(6), Exponent(10)));
    assert!(of(2).interleaved && plan.engine.sources[2].trust);
    assert_eq!(plan.engine.sources[2].declared.offset, Duration::from_millis(-2));
    assert_eq!((of(3).poll_min, of(3).poll_max), (Exponent(12), Exponent(12)));
    assert!(of(3).version == Version::V1 && of(3).burst && plan.engine.sources[3].noselect);
}

#[test]
fn an_empty_file_serves_nobody_and_hears_nobody() {
    let plan = plan("");
    assert!(plan.engine.sources.is_empty() && plan.serve.is_none());
    assert_eq!(plan.engine.policy, crate::engine::Policy::default());
    assert_eq!(plan.control, PathBuf::from(CONTROL_DEFAULT));
    assert_eq!((plan.leap_file, plan.engine.local), (None, None));
}

#[test]
fn defaults_are_those_of_the_reference() {
    let serve = plan("[serve]").serve.unwrap();
    assert_eq!(serve.policy.access.of("192.0.2.1".parse().unwrap()), Access::Allow);
    assert_eq!((serve.threads, serve.clients.clients, serve.clients.ipv6_prefix), (1, 4096, 64));
    assert_eq!(serve.policy.kiss_interval, Some(Duration::from_seconds(8)));
    let local = plan("[local]").engine.local.unwrap();
    assert_eq!((local.stratum, local.wait), (10, Duration::from_seconds(300)));
    let shm = plan("[[source]]\ndriver = 'shm'\nunit = 2");
    assert_eq!(shm.engine.sources[0].name, "SHM");
    assert_eq!(shm.engine.sources[0].reference_id, *b"SHM\0");
    let driver = Driver::Shm { unit: 2, permissions: 0o600, limit: None, pulse: false };
    assert_eq!(shm.drivers, [driver]);
    let sock = plan("[[source]]\ndriver = 'sock'\npath = '/run/a'");
    assert_eq!(sock.engine.sources[0].reference_id, *b"SOCK");
    assert_eq!(sock.engine.sources[0].role, Role::Pulse { text: None });
}

#[test]
fn chronys_word_lock_is_understood() {
    let text = "[[source]]\ndriver='gnss'\ndevice='/dev/a'\n\
                [[source]]\ndriver='shm'\nunit=1\nlock='GPS'\npulse=true\npermissions='0666'\n\
                time_limit='1.5h'\n";
    let plan = plan(text);
    assert_eq!(plan.engine.sources[1].role, Role::Pulse { text: Some(SourceId(0)) });
    let driver = Driver::Shm { unit: 1, permissions: 0o666, limit: Some(5400), pulse: true };
    assert_eq!(plan.drivers[1], driver);
}

#[test]
fn the_clock_obeys() {
    let plan = plan(
        "[clock]\nstep='always'\nstep_threshold=0.128\nslew_limit_ppm=500\nfrequency_limit_ppm=800\npanic_forward='1h'\n\
         panic_backward='10s'\nholdover_limit='1ms'\nrealtime_priority=0\n",
    );
    let policy = plan.engine.policy;
    assert_eq!(policy.step, StepPolicy::Always { threshold: Duration::from_millis(128) });
    assert_eq!(policy.slew_limit, Frequency::from_ppm(500.0));
    assert_eq!(policy.frequency_limit, Frequency::from_ppm(800.0));
    assert_eq!(policy.panic_forward, Duration::from_seconds(3600));
    assert_eq!(policy.panic_backward, Duration::from_seconds(10));
    assert_eq!(policy.holdover_limit, Duration::from_millis(1));
    assert_eq!(plan.realtime_priority, None);
}

#[test]
fn access_and_pace_obey() {
    let serve = plan(
        "[serve]\nallow=['10.0.0.0/8']\ndeny=['10.1.0.0/16', '::/0']\nignore=['10.1.2.3']\n\
         others='deny'\nrate={interval='1s', burst=2}\nkiss_interval=false\n",
    )
    .serve
    .unwrap();
    let access = |ip: &str| serve.policy.access.of(ip.parse().unwrap());
    assert_eq!((access("10.9.9.9"), access("10.1.9.9")), (Access::Allow, Access::Deny));
    assert_eq!((access("10.1.2.3"), access("11.0.0.1")), (Access::Ignore, Access::Deny));
    let rate = serve.policy.rate.unwrap();
    assert_eq!((rate.interval, rate.burst), (Duration::SECOND, 2));
    assert_eq!(serve.policy.kiss_interval, None);
}

#[test]
fn every_mistake_is_told_with_its_line_and_key() {
    for (text, expected) in MISTAKES {
        let told = errors(text);
        assert!(told.contains(expected), "{text}\ntold:     {told}\nexpected: {expected}");
    }
}

#[test]
fn all_contradictions_are_told_at_once_and_in_order() {
    let told =
        errors("[[source]]\ndriver='sock'\nunit=1\nprefer=true\nnoselect=true\nstratum=16\n");
    let lines: Vec<&str> = told.lines().map(|line| &line[..9]).collect();
    assert_eq!(lines, ["m.toml:1:", "m.toml:3:", "m.toml:5:", "m.toml:6:"], "{told}");
}

#[test]
fn sources_are_counted() {
    let source = |n: usize| format!("[[source]]\nname='{n}'\ndriver='sock'\npath='/{n}'\n");
    let full: String = (0..64).map(source).collect();
    assert_eq!(plan(&full).drivers.len(), 64);
    let told = errors(&(full + &source(64)));
    assert_eq!(told, "m.toml:257: source[64]: 65 sources; at most 64");
    let server = "[[server]]\naddress='a'\n";
    let told =
        errors(&((0..63).map(source).collect::<String>() + server + "[[server]]\naddress='b'"));
    assert_eq!(told, "m.toml:255: server[1]: 65 sources and servers; at most 64");
}

#[test]
fn every_key_is_in_the_manual() {
    let manual = include_str!("../../docs/configuration.md");
    for table in [
        "",
        "[serve]\n",
        "[serve.rate]\n",
        "[clock]\n",
        "[local]\n",
        "[leap]\n",
        "[[source]]\n",
        "[[server]]\n",
    ] {
        let told = errors(&format!("{table}quux_of_no_table = 1"));
        let (_, keys) = told.split_once("known here are ").unwrap();
        for key in keys.split(", ") {
            let written = [format!("`{key}`"), format!("`rate.{key}`"), format!("[{key}]")];
            assert!(written.iter().any(|word| manual.contains(word)), "{table}{key}");
        }
    }
}

#[test]
fn leap_seconds_are_read_from_a_zone_passed_as_told_and_smeared_where_told() {
    use crate::engine::LeapMode;
    use crate::time::SmearShape;
    let text = "[leap]\nzone = 'right/UTC'\nmode = 'step'\n[serve]\nlisten = ['192.0.2.1', \
                { address = '192.0.2.2', smear = 'linear' }, \
                { address = '[2001:db8::1]:124', smear = 'cosine' }, { address = '::1' }]";
    let plan = parse("m.toml", text).unwrap();
    assert_eq!(plan.leap_file, Some("/usr/share/zoneinfo/right/UTC".into()));
    assert_eq!(plan.engine.policy.leap, LeapMode::Step);
    let (linear, cosine) = (Some(SmearShape::Linear), Some(SmearShape::Cosine));
    let faces = plan.serve.unwrap().faces();
    let smears: Vec<_> = faces.iter().map(|(_, smear)| *smear).collect();
    assert_eq!(smears, [None, linear, cosine, None]);
    let modes = [
        ("kernel", LeapMode::Kernel),
        ("system", LeapMode::Kernel),
        ("slew", LeapMode::Slew),
        ("ignore", LeapMode::Ignore),
    ];
    for (word, mode) in modes {
        let plan = parse("m.toml", &format!("[leap]\nmode = '{word}'")).unwrap();
        assert_eq!(plan.engine.policy.leap, mode, "{word}");
    }
    assert_eq!(parse("m.toml", "").unwrap().engine.policy.leap, LeapMode::Kernel);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let told = load(Path::new("/nonexistent/maser.toml")).unwrap_err().to_string();
    assert!(told.starts_with("/nonexistent/maser.toml: cannot be read: No such file"), "{told}");
}

const MISTAKES: &[(&str, &str)] = &[
    ("control = 3", "m.toml:1: control: invalid type: integer `3`, expected a text"),
    ("control = 'maser.sock'", "m.toml:1: control: \"maser.sock\" is not an absolute path"),
    ("\n[clock\n", "m.toml:2: unclosed table"),
    ("state_file = 'state.toml'", "m.toml:1: state_file: \"state.toml\" is not an absolute path"),
    ("foo = 1", "m.toml:1: foo: unknown key; known here are control, state_file, serve,"),
    ("[serve]\nlisen = []", "m.toml:2: serve.lisen: unknown key; did you mean `listen`?"),
    ("[serve]\nlisten = []", "m.toml:2: serve.listen: no address; name one"),
    ("[serve]\nlisten = ['x']", "m.toml:2: serve.listen: \"x\" is not an address"),
    ("[serve]\nlisten = ['::1', '[::1]:123']", "m.toml:2: serve.listen: [::1]:123 is listed twice"),
    ("[serve]\nlisten = ['1.2.3.4:0']", "serve.listen: port 0 is no port"),
    ("[serve]\nthreads = 0", "m.toml:2: serve.threads: 0 is out of range; 1 to 64 threads"),
    ("[serve]\nclients = 1.5", "serve.clients: invalid type: floating point `1.5`"),
    ("[serve]\nallow = ['1.2.3.4/40']", "serve.allow: \"1.2.3.4/40\": prefix length 40"),
    (
        "[serve]\nallow = ['10.0.0.0/8']\ndeny = ['10.1.1.1/8']",
        "m.toml:3: serve.deny: 10.0.0.0/8 is listed under another rule too",
    ),
    ("[serve]\nothers = 'drop'", "serve.others: \"drop\" is unknown; one of \"allow\", \"deny\""),
    ("[serve]\nrate = { brst = 1 }", "serve.rate.brst: unknown key; did you mean `burst`?"),
    ("[serve.rate]\nburst = 0", "m.toml:2: serve.rate.burst: 0 is out of range"),
    ("[serve]\nrate = 3", "serve.rate: invalid type: integer `3`, expected true, false or {"),
    ("[clock]\nstep = 'nver'", "clock.step: \"nver\" is unknown; did you mean \"never\"?"),
    ("[clock]\nstep = 'never'\nsteps = 2", "m.toml:3: clock.steps: has an effect only beside"),
    (
        "[clock]\nfrequency_limit_ppm = 0",
        "clock.frequency_limit_ppm: 0 is out of range; 1 to 100000 ppm",
    ),
    ("[clock]\nslew_limit_ppm = nan", "clock.slew_limit_ppm: NaN is out of range; 1 to 83333 ppm"),
    ("[clock]\nholdover_limit = '1 hour'", "clock.holdover_limit: invalid value"),
    ("[clock]\nholdover_limit = '1h'", "3600.000 s is out of range; 1.000 µs to 16.000 s"),
    ("[clock]\nlock_memory = 'yes'", "expected true or false"),
    ("[local]\nstratum = 16", "local.stratum: 16 is out of range; a served stratum is 1..=15"),
    ("[leap]\nfile = 7", "m.toml:2: leap.file: invalid type"),
    ("[leap]\nfile = '/a'\nzone = 'right/UTC'", "m.toml:3: leap.zone: is a second table beside"),
    (
        "[leap]\nzone = 'Etc/UTC'",
        "leap.zone: \"Etc/UTC\" has no leap seconds; only the zones of right/",
    ),
    ("[leap]\nzone = '../../etc/passwd'", "leap.zone: \"../../etc/passwd\" is no zone"),
    (
        "[leap]\nmode = 'slwe'",
        "leap.mode: \"slwe\" is unknown; did you mean \"slew\"? one of \"kernel\"",
    ),
    (
        "[serve]\nlisten = [{ address = '::1', smear = 'square' }]",
        "m.toml:2: serve.listen[0].smear: \"square\" is unknown; one of \"linear\", \"cosine\"",
    ),
    ("[serve]\nlisten = [{ smear = 'linear' }]", "missing key `address`"),
    ("[serve]\nlisten = [7]", "expected an address or { address ="),
    (
        "[leap]\nmode = 'slew'\n[serve]\nlisten = [{ address = '::1', smear = 'linear' }]",
        "m.toml:4: serve.listen[0].smear: needs a clock that counts leap seconds; leap.mode is to be",
    ),
    ("[[source]]\nname = 'x'", "m.toml:1: source[0]: `driver` is missing; one of \"gnss\""),
    ("[[source]]\ndriver = 'sok'", "source[0].driver: \"sok\" is unknown; did you mean \"sock\"?"),
    ("[[source]]\ndriver = 'gnss'", "m.toml:1: source[0]: `device` is missing"),
    (
        "[[source]]\ndriver = 'gnss'\ndevice = '/a'\n[[source]]\ndriver = 'shm'\nunit = 300",
        "m.toml:6: source[1].unit: 300 is out of range; a unit is 0..=255 (127.127.28.u)",
    ),
    (
        "[[source]]\ndriver='shm'\nunit=1\npulse=true",
        "m.toml:4: source[0].pulse: pulses need `text`",
    ),
    ("[[source]]\ndriver='shm'\nunit=1\npermissions='8'", "\"8\" is not usable as permission bits"),
    ("[[source]]\ndriver='shm'\nunit=1\npermissions='0066'", "not usable as permission bits"),
    ("[[source]]\ndriver='shm'\nunit=1\nspeed=9600", "a shm source has no such key; gnss have it"),
    ("[[source]]\ndriver='sock'\npath='/a'\ntext='b'", "no source is called \"b\", and none is"),
    (
        "[[source]]\ndriver='sock'\npath='/a'\ntext='b'\n[[source]]\ndriver='gnss'\ndevice='/t'",
        "no source is called \"b\"; text comes from \"GPS\"",
    ),
    (
        "[[source]]\nname='a'\ndriver='sock'\npath='/a'\ntext='a'",
        "m.toml:5: source[0].text: \"a\" is a sock source; only a gnss source brings text",
    ),
    ("[[source]]\ndriver='gnss'\ndevice='/a'\ntext='GPS'", "a gnss source is text itself"),
    (
        "[[source]]\ndriver='shm'\nunit=1\n[[source]]\ndriver='shm'\nunit=2",
        "m.toml:4: source[1]: source[0] is called \"SHM\" too; give each its `name`",
    ),
    (
        "[[source]]\nname='a'\ndriver='sock'\npath='/a'\n[[source]]\nname='b'\ndriver='sock'\n\
         path='//a'",
        "m.toml:8: source[1].path: another source reads this path already",
    ),
    ("[[source]]\ndriver='sock'\npath='/a'\nrefid='GNSSX'", "a reference id is 1 to 4 printable"),
    ("[[source]]\ndriver='sock'\npath='/a'\nname=''", "a name has 1 to 32 characters"),
    ("[[source]]\ndriver='sock'\npath='/a'\nname=\"a\\u0007b\"", "no control characters"),
    ("[[source]]\ndriver='sock'\npath='/a'\npoll=18", "poll: 18 is out of range; log2 of seconds"),
    ("[[source]]\ndriver='sock'\npath='/a'\nuncertainty=-1", "-1.000 s is out of range; 0 ns to"),
    (
        "[[source]]\ndriver='sock'\npath='/a'\ngrain='1ns'\ngrain_corrected='2ns'",
        "source[0].grain_corrected: is larger than `grain`",
    ),
    ("[[server]]\nport = 123", "m.toml:1: server[0]: `address` is missing; a name or an address"),
    ("[[server]]\naddres='a'", "m.toml:2: server[0].addres: unknown key; did you mean `address`?"),
    ("[[server]]\naddress=''", "m.toml:2: server[0].address: \"\" is no name or address; 1 to 253"),
    ("[[server]]\naddress='[::1]'", "\"[::1]\" has brackets; an address stands alone"),
    ("[[server]]\naddress='ntp://a'", "is a link; only the name"),
    ("[[server]]\naddress='a.b:123'", "names a port; say it with the key `port`"),
    ("[[server]]\naddress='1::2::3'", "is no IPv6 address"),
    ("[[server]]\naddress='256.1.1.1'", "is no IPv4 address"),
    ("[[server]]\naddress='a b'", "is no name of a host; letters, digits"),
    ("[[server]]\naddress='-a'", "is no name of a host"),
    ("[[server]]\naddress='a%eth0'", "has a scope; only IPv6 addresses have one"),
    ("[[server]]\naddress='10.0.0.1%eth0'", "has a scope; only IPv6 addresses have one"),
    (
        "[[server]]\naddress='fe80::1'",
        "is of one link; say which by its interface, such as fe80::1%",
    ),
    ("[[server]]\naddress='fe80::1%'", "lacks the interface behind its %"),
    ("[[server]]\naddress='224.0.1.1'", "is no address of one server"),
    ("[[server]]\naddress='::'", "is no address of one server"),
    ("[[server]]\naddress='255.255.255.255'", "is no address of one server"),
    ("[[server]]\naddress='a'\nport=0", "m.toml:3: server[0].port: 0 is out of range; a UDP port"),
    ("[[server]]\naddress='a'\nport=65536", "server[0].port: 65536 is out of range"),
    ("[[server]]\naddress='a'\nminpoll=-7", "minpoll: -7 is out of range; log2 of seconds, -6"),
    ("[[server]]\naddress='a'\nmaxpoll=18", "maxpoll: 18 is out of range; log2 of seconds"),
    (
        "[[server]]\naddress='a'\nminpoll=8\nmaxpoll=7",
        "m.toml:4: server[0].maxpoll: is below `minpoll`, which is 8",
    ),
    ("[[server]]\naddress='a'\nversion=5", "version: 5 is out of range; this program speaks"),
    (
        "[[server]]\naddress='a'\nversion=3\ninterleaved=true",
        "m.toml:4: server[0].interleaved: only version 4 has interleaved modes",
    ),
    ("[[server]]\naddress='a'\nprefer=true\nnoselect=true", "contradicts `prefer`"),
    ("[[server]]\naddress='a'\ndelay_max='17s'", "delay_max: 17.000 s is out of range; 1.000 µs"),
    ("[[server]]\naddress='a'\noffset='2d'", "server[0].offset: 172800.000 s is out of range"),
    ("[[server]]\naddress='a'\nname=' x'", "server[0].name: a name has 1 to 32 characters"),
    (
        "[[server]]\naddress='a.b'\n[[server]]\nname='x'\naddress='A.b'",
        "m.toml:5: server[1].address: another server has this address and port",
    ),
    (
        "[[source]]\ndriver='sock'\npath='/a'\n[[server]]\naddress='b'\nname='SOCK'",
        "m.toml:6: server[0].name: source[0] is called \"SOCK\" too; give each its `name`",
    ),
    (
        "[[server]]\naddress='a'\nname='n'\n[[server]]\naddress='b'\nname='n'",
        "m.toml:6: server[1].name: server[0] is called \"n\" too",
    ),
    ("server = 3", "m.toml:1: server: invalid type: integer `3`, expected a list"),
    ("source = 3", "m.toml:1: source: invalid type: integer `3`, expected a list"),
];

/// One careless edit: bytes removed, doubled, or replaced by something of the same file.
fn mutated() -> impl Strategy<Value = String> {
    let edit = (any::<prop::sample::Index>(), 0usize..12, any::<prop::sample::Index>(), 0usize..12);
    let edits = prop::collection::vec(edit, 1..6);
    (prop_oneof![Just(STRATUM1), Just(DEMO), Just(CLIENT)], edits).prop_map(|(text, edits)| {
        let mut text: Vec<char> =
            text.lines().filter(|l| !l.starts_with('#')).fold(Vec::new(), |mut all, line| {
                all.extend(line.chars());
                all.push('\n');
                all
            });
        for (at, cut, from, length) in edits {
            let (at, from) = (at.index(text.len()), from.index(text.len()));
            let piece: Vec<char> = text[from..].iter().take(length).copied().collect();
            let end = (at + cut).min(text.len());
            text.splice(at..end, piece);
            if text.is_empty() {
                text.push('\n');
            }
        }
        text.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_careless_edit_is_a_plan_or_an_error_with_a_line(text in mutated()) {
        if let Err(ConfigErrors(errors)) = parse("m.toml", &text) {
            prop_assert!(!errors.is_empty());
            for error in errors {
                let line = error.line.unwrap();
                prop_assert!((1..=text.lines().count().max(1)).contains(&line), "{error}\n{text}");
                prop_assert!(!error.reason.is_empty() && !error.to_string().contains('\n'));
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        let _ = parse("m.toml", &text).map_err(|errors| errors.to_string());
    }
}
