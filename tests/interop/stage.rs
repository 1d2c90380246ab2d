//! What the tests stand on: started programs, network namespaces, the demo, and their ends.
//!
//! Everything ends with its test: a process is killed on drop with all that it started, and by the
//! kernel if the test's own thread dies; the demo also ends by itself.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A test that lacks its means ends here: without CI with a reason, in CI with a failure.
pub fn lacking<T>(what: &str) -> Option<T> {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci.is_empty()), "in CI there must be: {what}");
    println!("skipped: {what}");
    None
}

/// Prints a figure that `tests/run` repeats in its summary.
pub fn measured(what: &str, figure: f64, unit: &str) {
    println!("measured: {what} {figure:.2} {unit}");
}

/// The middle of the values; the tests give an odd or a large number of them.
pub fn median(mut values: Vec<f64>) -> f64 {
    assert!(!values.is_empty(), "a median of nothing");
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Asks until there is an answer, ten times a second.
pub fn wait_for<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begin.elapsed() < limit, "{what}: not within {limit:?}");
        sleep(Duration::from_millis(100));
    }
}

/// The starter of a peer, which drops the right to set clocks; `PEERS` names another folder.
pub fn peer(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("PEERS").map_or_else(|| target().join("peers"), PathBuf::from);
    let starter = folder.join("bin").join(name);
    if starter.exists() { Some(starter) } else { lacking(&format!("{name} by tests/peers.sh")) }
}

fn target() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// The program under test, as users get it; `MASER` names another build of it.
pub fn maser() -> PathBuf {
    let program =
        std::env::var_os("MASER").map_or_else(|| target().join("release/maser"), PathBuf::from);
    assert!(program.exists(), "{} is missing: cargo build --release", program.display());
    program
}

/// A folder that goes with its test.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// An empty private folder.
    pub fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(unique(name));
        std::fs::DirBuilder::new().mode(0o700).create(&folder).unwrap();
        Self(folder)
    }

    /// A path in it.
    pub fn at(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file into it and returns its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.0.join(name), text).unwrap();
        self.at(name)
    }

    /// The text of a file in it; empty while there is none.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A name that no other test and no other run uses.
fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("maser-test-{}-{number}-{name}", std::process::id())
}

/// Where programs run: on this machine's loopback, or in a network of their own.
#[derive(Debug)]
pub enum Place {
    /// The network of the test itself.
    Here,
    /// A namespace with nothing but a loopback.
    Namespace(String),
}

impl Place {
    /// A namespace of its own, with all ports free.
    pub fn namespace() -> Option<Self> {
        let name = unique("net");
        let made = Command::new("ip").args(["netns", "add", &name]).output();
        if !made.is_ok_and(|made| made.status.success()) {
            return lacking("the right to make network namespaces (root)");
        }
        let place = Self::Namespace(name);
        place.ip(&["link", "set", "lo", "up"]);
        Some(place)
    }

    /// Two namespaces with a line between them; they have [`LEFT`] and [`RIGHT`].
    pub fn pair() -> Option<(Self, Self)> {
        let (left, right) = (Self::namespace()?, Self::namespace()?);
        let Self::Namespace(far) = &right else { unreachable!("it is one") };
        left.ip(&["link", "add", "line", "type", "veth", "peer", "name", "line", "netns", far]);
        for (place, address) in [(&left, LEFT), (&right, RIGHT)] {
            place.ip(&["addr", "add", &format!("{address}/30"), "dev", "line"]);
            place.ip(&["link", "set", "line", "up"]);
        }
        Some((left, right))
    }

    /// Names known in a namespace, which `ip netns exec` shows there as /etc/hosts. Only a process
    /// started later sees the file; what is written into it later, any.
    pub fn hosts(&self, text: &str) {
        let Self::Namespace(name) = self else { panic!("names of this machine are left alone") };
        let folder = Path::new("/etc/netns").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("hosts"), text).unwrap();
    }

    /// Runs `ip`, which must succeed.
    pub fn ip(&self, arguments: &[&str]) {
        let done = self.run(Path::new("ip"), arguments);
        assert!(done.status.success(), "ip {arguments:?}: {}", said(&done));
    }

    /// The command that runs a program here, without the right to set clocks.
    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = match self {
            Self::Here => Command::new("setpriv"),
            Self::Namespace(name) => {
                let mut inside = Command::new("ip");
                inside.args(["netns", "exec", name, "setpriv"]);
                inside
            }
        };
        if is_root() {
            command.args(["--bounding-set=-sys_time", "--inh-caps=-sys_time"]);
        }
        command.arg("--pdeathsig=KILL").arg("--").arg(program).args(arguments);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a program to its end, 60 s at most, and returns what it said.
    pub fn run(&self, program: &Path, arguments: &[&str]) -> Output {
        let limited = [&["60", program.to_str().unwrap()], arguments].concat();
        self.command(Path::new("timeout"), &limited).output().unwrap()
    }

    /// Starts a program; what it says goes to a file.
    pub fn start(&self, program: &Path, arguments: &[&str], log: &str) -> Running {
        let out = std::fs::File::create(log).unwrap();
        let mut command = self.command(program, arguments);
        command.stdout(out.try_clone().unwrap()).stderr(out).process_group(0);
        Running { child: command.spawn().unwrap() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Namespace(name) = self {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
            let _ = std::fs::remove_dir_all(Path::new("/etc/netns").join(name));
            // Gone with the last of them.
            let _ = std::fs::remove_dir("/etc/netns");
        }
    }
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status
        .lines()
        .any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"))
}

/// Both outputs of a program that ended.
pub fn said(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    let _ = write!(text, "{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// A process with all that it started; ended on drop, by force after half a second.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

impl Running {
    /// Whether it has not ended.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let kill = |signal| Command::new("kill").args([signal, "--", &group]).output();
        // Asked first, so that it may put away what it made.
        let _ = kill("-TERM");
        for _ in 0..50 {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = kill("-KILL");
        let _ = self.child.wait();
    }
}

/// The demo, locked.
#[derive(Debug)]
pub struct Demo {
    /// Where it serves.
    pub address: SocketAddr,
    _process: Running,
    _folder: Folder,
}

impl Demo {
    /// A demo on this machine's loopback, shared by the tests that run at the same time.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Demo>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(demo) = shared.upgrade() {
            return demo;
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        // The thread that starts it may end before the others are done, so a thread starts it that
        // does not: the kernel ends the demo with its starter.
        let (send, receive) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            send.send(Self::start(&Place::Here, address)).unwrap();
            std::thread::park();
        });
        let demo = Arc::new(receive.recv().expect("the demo did not start"));
        *shared = Arc::downgrade(&demo);
        demo
    }

    /// Starts a demo and waits until its answers are synchronised.
    pub fn start(place: &Place, address: SocketAddr) -> Self {
        let folder = Folder::new("demo");
        let log = folder.at("log");
        let listen = address.to_string();
        let arguments = ["demo", "--listen", &listen, "--seconds", "240", "--json"];
        let mut process = place.start(&maser(), &arguments, &log);
        let asked = format!("127.0.0.1:{}", address.port());
        wait_for(Duration::from_secs(40), "the demo locks", || {
            assert!(process.is_alive(), "the demo ended: {}", folder.read("log"));
            // Exit statuses tell no answer, unsynchronised, and an offset apart.
            let query = place.run(&maser(), &["query", &asked, "--json"]);
            query.status.success().then_some(())
        });
        Self { address, _process: process, _folder: folder }
    }
}

/// A UDP port of the loopback that nobody has.
pub fn free_port() -> u16 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap().port()
}

#[test]
fn a_process_ends_with_its_value_and_cannot_set_clocks() {
    let folder = Folder::new("ends");
    let script = "grep CapBnd /proc/self/status; sleep 100 & echo $!; wait";
    let shell = Path::new("/bin/sh");
    let mut process = Place::Here.start(shell, &["-c", script], &folder.at("log"));
    let (rights, child) = wait_for(Duration::from_secs(10), "the child's id", || {
        let log = folder.read("log");
        let (rights, child) = log.trim().split_once('\n')?;
        Some((rights.to_owned(), child.to_owned()))
    });
    let rights = u64::from_str_radix(rights.split_whitespace().nth(1).unwrap(), 16).unwrap();
    assert!(!is_root() || rights >> CAP_SYS_TIME & 1 == 0, "{rights:x}");
    assert!(process.is_alive());
    drop(process);
    wait_for(Duration::from_secs(10), "the child's end", || {
        let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        (state.is_empty() || state.contains(") Z")).then_some(())
    });
}

#[test]
fn a_namespace_has_its_own_port_123() {
    let Some(place) = Place::namespace() else { return };
    let Place::Namespace(name) = &place else { unreachable!("a namespace was asked for") };
    let links = said(&place.run(Path::new("ip"), &["-brief", "link"]));
    assert_eq!(links.lines().filter(|line| !line.starts_with("lo ")).count(), 0, "{links}");
    let file = Path::new("/run/netns").join(name);
    assert!(file.exists());
    drop(place);
    assert!(!file.exists());
}

/// Ends of the line between a pair of namespaces.
pub const LEFT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub const RIGHT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// linux/capability.h.
const CAP_SYS_TIME: u32 = 25;
