//! The control socket, asked over a real one.

use super::*;
use crate::engine::{self, Role, SourcePlan};
use crate::host::clock::StampClock;
use crate::host::conductor::ConductorReport;
use crate::host::plan::{Driver, Plan};
use crate::host::service::ServiceReport;
use crate::pipe::{Publisher, snapshot};
use crate::source::pairing::Declared;
use crate::state::{Phase, State};
use crate::time::{Duration as Time, Exponent};

/// A directory of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("maser-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("maser.sock")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn plan() -> Plan {
    let source = SourcePlan {
        name: "SOCK".to_owned(),
        reference_id: *b"SOCK",
        stratum: 0,
        role: Role::Pulse { text: None },
        declared: Declared {
            offset: Time::ZERO,
            uncertainty: 1e-6,
            quantization: 1e-9,
            grain: Time::ZERO,
            grain_corrected: 0.0,
        },
        sigma: 1e-6,
        poll: Exponent(4),
        prefer: false,
        noselect: false,
        trust: false,
        distance_max: 3.0,
    };
    let engine = engine::Plan {
        sources: vec![source],
        policy: engine::Policy::default(),
        local: None,
        leaps: None,
        precision: Exponent(-20),
        reading: 1e-6,
    };
    Plan {
        engine,
        drivers: vec![Driver::Sock { path: "/a".into() }],
        serve: None,
        control: "/b".into(),
        realtime_priority: None,
        lock_memory: false,
        state_file: None,
        leap_file: None,
    }
}

fn published() -> (Published, Publisher<State>) {
    let plan = plan();
    let clock = StampClock::default();
    let state = State { anchor: clock.now(), ..State::default() };
    let engine = engine::Engine::new(
        plan.engine.clone(),
        crate::host::clock::SoftwareClock::new(clock.clone()),
    );
    let sources = engine.reports().map(|report| snapshot(report).1).collect();
    let (publisher, state) = snapshot(state);
    let report = ConductorReport { dropped: 5, ..ConductorReport::default() };
    let conductor = snapshot(report).1;
    let services = vec![snapshot(ServiceReport { clients: 7, ..ServiceReport::default() }).1; 2];
    let plan = Arc::new(plan);
    (Published { state, sources, places: vec![None], conductor, services, clock, plan }, publisher)
}

fn raw(path: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    // The daemon may close before it has read everything.
    let _ = stream.write_all(bytes);
    let mut reply = String::new();
    let _ = stream.read_to_string(&mut reply);
    reply
}

#[test]
fn each_request_is_answered_and_the_file_goes_with_the_thread() {
    let scratch = Scratch::new("answers");
    let path = scratch.socket();
    let (published, mut publisher) = published();
    let thread = Server::start(&path, published.clone()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
    // Nothing but the socket is left in the directory.
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1);

    let tracking: Tracking = serde_json::from_str(&ask(&path, "tracking").unwrap()).unwrap();
    assert_eq!((tracking.phase.as_str(), tracking.stratum), ("cold", 16));
    assert_eq!((tracking.requests.unwrap().clients, tracking.dropped), (14, 5));
    let mut state = published.state.read();
    (state.phase, state.stratum) = (Phase::Locked, 1);
    publisher.publish(state);
    let tracking: Tracking = serde_json::from_str(&ask(&path, "tracking").unwrap()).unwrap();
    assert_eq!((tracking.phase.as_str(), tracking.stratum), ("locked", 1));

    let sources: Sources = serde_json::from_str(&ask(&path, "sources").unwrap()).unwrap();
    assert_eq!(sources.sources[0].name, "SOCK");
    let ledger: Ledger = serde_json::from_str(&ask(&path, "ledger").unwrap()).unwrap();
    assert!(ledger.bound_ns > 15e9);
    assert!(ask(&path, "version").unwrap().contains(env!("CARGO_PKG_VERSION")));

    let error = ask(&path, "reboot").unwrap_err().to_string();
    assert!(error.contains("unknown request \"reboot\"; known are tracking"), "{error}");
    drop(thread);
    assert!(!path.exists());
    let error = ask(&path, "tracking").unwrap_err().to_string();
    assert!(error.contains("no daemon answers here"), "{error}");
}

#[test]
fn odd_clients_get_an_error_or_nothing_and_disturb_nobody() {
    let scratch = Scratch::new("odd");
    let path = scratch.socket();
    let thread = Server::start(&path, published().0).unwrap();
    assert!(raw(&path, &[b'x'; 10_000]).contains("at most 4096 bytes"));
    assert!(raw(&path, b"\xff\xfe\n").contains("unknown request"));
    assert!(raw(&path, b"\n").contains("unknown request"));
    assert!(raw(&path, b"tracking\r\nsources\n").starts_with("{\"phase\""));
    // Fifteen dawdlers hold a place each, and one is left.
    let dawdlers: Vec<UnixStream> =
        (1..CLIENTS_MAX).map(|_| UnixStream::connect(&path).unwrap()).collect();
    assert!(ask(&path, "version").is_ok());
    // Going away gives the places back.
    drop(dawdlers);
    for _ in 0..3 * CLIENTS_MAX {
        assert!(ask(&path, "version").is_ok());
    }
    drop(thread);
}

#[test]
fn a_living_daemon_is_left_alone_and_a_dead_one_s_socket_replaced() {
    let scratch = Scratch::new("stale");
    let path = scratch.socket();
    let first = Socket::bind(&path).unwrap();
    let error = Socket::bind(&path).unwrap_err().to_string();
    assert!(error.ends_with("another daemon answers here already"), "{error}");
    // A daemon that was killed: its file stays, nobody listens.
    fs::rename(&path, scratch.0.join("kept")).unwrap();
    drop(first);
    fs::rename(scratch.0.join("kept"), &path).unwrap();
    let second = Socket::bind(&path).unwrap();
    drop(second);
    assert!(!path.exists());
}

#[test]
fn a_socket_is_not_bound_over_a_file_or_where_anybody_writes() {
    let scratch = Scratch::new("refused");
    let path = scratch.socket();
    fs::write(&path, "precious").unwrap();
    let error = Socket::bind(&path).unwrap_err().to_string();
    assert!(error.contains("is no socket"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    let open = scratch.0.join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    let error = Socket::bind(&open.join("s")).unwrap_err().to_string();
    assert!(error.contains("everybody may write here"), "{error}");
    // With the sticky bit, as /tmp has it, nobody replaces another's file.
    fs::set_permissions(&open, Permissions::from_mode(0o1777)).unwrap();
    Socket::bind(&open.join("s")).unwrap();
    let new = scratch.0.join("new");
    Socket::bind(&new.join("s")).unwrap();
    assert_eq!(fs::metadata(&new).unwrap().mode() & 0o777, 0o750);
    assert!(Socket::bind(&new.join("a/b/s")).is_err());
    assert!(Socket::bind(&new.join("x".repeat(120)).join("s")).is_err());
    assert!(Socket::bind(Path::new("s")).is_err());
}

#[test]
fn somebody_else_s_file_is_not_removed() {
    let scratch = Scratch::new("other");
    let path = scratch.socket();
    let socket = Socket::bind(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "another's").unwrap();
    drop(socket);
    assert!(path.exists());
}

#[test]
fn what_answers_but_is_no_maser_is_told_apart() {
    let scratch = Scratch::new("alien");
    let path = scratch.socket();
    let listener = UnixListener::bind(&path).unwrap();
    let alien = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 9];
        stream.read_exact(&mut request).unwrap();
        let _ = stream.write_all(b"220 smtp ready\n");
    });
    let error = ask(&path, "tracking").unwrap_err().to_string();
    alien.join().unwrap();
    assert!(error.ends_with("what answers here is no maser"), "{error}");
}
