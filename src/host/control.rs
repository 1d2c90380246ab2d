//! The control socket: one line in, one line of JSON out, then it closes.
//!
//! It answers from snapshots on a thread of its own, so nobody who asks can hold up the clock. The
//! socket is made in a private directory and moved into place with its final permissions (0660), so
//! there is no moment at which strangers can connect. What a dead daemon left behind is replaced; a
//! living one is not.

use std::fmt;
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::client::Place;
use super::published::Published;
use crate::engine::SourceReport;
use crate::observe::{Ledger, Service, Sight, Sources, Tracking};
use crate::pipe::Reader;

/// A bound control socket. Dropping it removes its file.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the file, so that only our own is removed.
    identity: (u64, u64),
}

/// A running control thread. Dropping it ends the thread and removes the socket.
#[derive(Debug)]
pub struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Why there is no control socket, or no answer from one; a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl Socket {
    /// Binds the socket; makes its directory if only that is missing.
    ///
    /// # Errors
    /// A daemon answers there already, something else than a socket is there, the directory can be
    /// written by everybody, or the kernel refuses.
    pub fn bind(path: &Path) -> Result<Self, Error> {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.ok_or_else(|| failed(path, "is not an absolute path"))?;
        prepare(directory)?;
        refuse_occupied(path)?;
        let (listener, bound) = bind_in_private(directory)?;
        let placed = fs::set_permissions(&bound, Permissions::from_mode(0o660))
            .and_then(|()| fs::rename(&bound, path))
            .and_then(|()| fs::symlink_metadata(path));
        if let Some(private) = bound.parent() {
            // Left over only if the move failed.
            let _ = fs::remove_file(&bound);
            let _ = fs::remove_dir(private);
        }
        let metadata = placed.map_err(|error| failed(path, error))?;
        listener.set_nonblocking(true).map_err(|error| failed(path, error))?;
        Ok(Self { listener, path: path.to_owned(), identity: (metadata.dev(), metadata.ino()) })
    }

    /// Answers until `stop` is sent or dropped. Blocks: give it a thread.
    ///
    /// # Errors
    /// If the runtime cannot be started.
    pub fn serve(self, published: Published, stop: oneshot::Receiver<()>) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let listener = self.listener.try_clone()?;
            let listener = tokio::net::UnixListener::from_std(listener)?;
            tokio::select! {
                () = accept(&listener, Arc::new(published)) => {}
                _ = stop => {}
            }
            Ok(())
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let ours = |metadata: fs::Metadata| (metadata.dev(), metadata.ino()) == self.identity;
        if fs::symlink_metadata(&self.path).is_ok_and(ours) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Server {
    /// Binds the socket and answers on a thread of its own.
    ///
    /// # Errors
    /// Those of [`Socket::bind`].
    pub fn start(path: &Path, published: Published) -> Result<Self, Error> {
        Self::on(Socket::bind(path)?, published)
    }

    /// Answers on a socket bound before.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn on(socket: Socket, published: Published) -> Result<Self, Error> {
        let path = socket.path.clone();
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            if let Err(error) = socket.serve(published, stopped) {
                tracing::error!("control socket: {error}");
            }
        };
        let thread = thread::Builder::new().name("maser-control".to_owned()).spawn(run);
        let thread = thread.map_err(|error| failed(&path, error))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been told already.
            let _ = thread.join();
        }
    }
}

/// Asks a daemon and returns its line of JSON. Blocks for 5 s at most.
///
/// # Errors
/// Nobody answers there, the caller may not ask, or the daemon does not know the request.
pub fn ask(path: &Path, request: &str) -> Result<String, Error> {
    let told = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            failed(path, "no daemon answers here; is maser running, with this control socket?")
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            failed(path, "the daemon does not answer within 5 s")
        }
        _ => failed(path, error),
    };
    let mut stream = UnixStream::connect(path).map_err(told)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(told)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(told)?;
    stream.write_all(format!("{request}\n").as_bytes()).map_err(told)?;
    let mut reply = String::new();
    stream.take(REPLY_MAX).read_to_string(&mut reply).map_err(told)?;
    let reply = reply.trim_end().to_owned();
    match serde_json::from_str::<serde_json::Value>(&reply) {
        Ok(value) => match value.get("error").and_then(serde_json::Value::as_str) {
            Some(error) => Err(failed(path, error)),
            None => Ok(reply),
        },
        Err(_) => Err(failed(path, "what answers here is no maser")),
    }
}

async fn accept(listener: &tokio::net::UnixListener, published: Arc<Published>) {
    let places = Arc::new(Semaphore::new(CLIENTS_MAX));
    loop {
        // Whoever finds no place waits in the kernel's queue; each place is free within 5 s.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let published = Arc::clone(&published);
                tokio::spawn(async move {
                    let _place = place;
                    // Whoever goes away or dawdles gets no answer and needs none.
                    let _ = timeout(PATIENCE, converse(stream, &published)).await;
                });
            }
            // Out of descriptors, for one: it passes, but not at once.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn converse(mut stream: tokio::net::UnixStream, published: &Published) -> io::Result<()> {
    let mut line = Vec::new();
    let mut chunk = [0; 256];
    let request = loop {
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            break String::from_utf8_lossy(&line[..end]).trim().to_owned();
        }
        if line.len() > REQUEST_MAX {
            break String::new();
        }
        match stream.read(&mut chunk).await? {
            0 => return Ok(()),
            length => line.extend_from_slice(&chunk[..length]),
        }
    };
    let reply = if line.len() > REQUEST_MAX {
        error_line(&format!("a request has at most {REQUEST_MAX} bytes"))
    } else {
        answer(&request, published)
    };
    stream.write_all(reply.as_bytes()).await?;
    stream.write_all(b"\n").await?;
    stream.shutdown().await
}

/// The JSON line that answers a request.
fn answer(request: &str, published: &Published) -> String {
    match request {
        "tracking" => with_sight(published, Tracking::of),
        "sources" => with_sight(published, Sources::of),
        "ledger" => with_sight(published, Ledger::of),
        "version" => json(&serde_json::json!({ "version": env!("CARGO_PKG_VERSION") })),
        _ => {
            let shown: String = request.chars().take(40).collect();
            let known = "tracking, sources, ledger, version";
            error_line(&format!("unknown request {shown:?}; known are {known}"))
        }
    }
}

fn with_sight<T: Serialize>(published: &Published, report: impl FnOnce(&Sight<'_>) -> T) -> String {
    let names: Vec<String> =
        published.plan.engine.sources.iter().map(|source| source.name.clone()).collect();
    let sources: Vec<SourceReport> = published.sources.iter().map(|reader| reader.read()).collect();
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let place = |reader: &Reader<Place>| reader.read().0.unwrap_or(nowhere);
    let servers: Vec<Option<SocketAddr>> =
        published.places.iter().map(|reader| reader.as_ref().map(place)).collect();
    let mut service = Service::default();
    for reader in &published.services {
        let report = reader.read();
        service.counters += report.counters;
        service.clients += report.clients;
        service.overflowed += report.overflowed;
        service.unsent += report.unsent;
    }
    // The state before the clock: a state is evaluated at its anchor or later.
    let state = published.state.read();
    json(&report(&Sight {
        now: published.clock.now(),
        state: &state,
        names: &names,
        sources: &sources,
        servers: &servers,
        dropped: published.conductor.read().dropped,
        service: (!published.services.is_empty()).then_some(service),
    }))
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| error_line(&error.to_string()))
}

fn error_line(error: &str) -> String {
    serde_json::json!({ "error": error }).to_string()
}

/// Makes the directory if it is missing, and refuses one in which anybody could replace the socket.
fn prepare(directory: &Path) -> Result<(), Error> {
    match DirBuilder::new().mode(0o750).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(failed(directory, format!("directory for the control socket: {error}")));
        }
        _ => {}
    }
    let metadata = fs::metadata(directory).map_err(|error| failed(directory, error))?;
    let mode = metadata.mode();
    if !metadata.is_dir() {
        return Err(failed(directory, "is not a directory"));
    }
    if mode & 0o002 != 0 && mode & 0o1000 == 0 {
        let why = "everybody may write here and replace the control socket; chmod o-w it";
        return Err(failed(directory, why));
    }
    Ok(())
}

fn refuse_occupied(path: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(path, error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            Err(failed(path, "is there already and is no socket; move it away"))
        }
        // A socket that nobody listens to was left behind.
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => Err(failed(path, "another daemon answers here already")),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            Err(error) => Err(failed(path, error)),
        },
    }
}

/// A listener whose file lies in a new directory that only we can enter.
fn bind_in_private(directory: &Path) -> Result<(UnixListener, PathBuf), Error> {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let private = directory.join(format!(".m{}-{number}", std::process::id()));
    let bound = private.join("s");
    let make = || DirBuilder::new().mode(0o700).create(&private);
    let made = make().or_else(|_| {
        // Of a process that had our number and died here.
        let _ = fs::remove_file(&bound);
        let _ = fs::remove_dir(&private);
        make()
    });
    made.map_err(|error| failed(directory, error))?;
    match UnixListener::bind(&bound) {
        Ok(listener) => Ok((listener, bound)),
        Err(error) => {
            let _ = fs::remove_dir(&private);
            Err(failed(directory, format!("control socket: {error}")))
        }
    }
}

fn failed(path: &Path, why: impl fmt::Display) -> Error {
    Error(format!("{}: {why}", path.display()))
}

/// Clients at a time.
const CLIENTS_MAX: usize = 16;
/// Bytes of a request.
const REQUEST_MAX: usize = 4096;
/// Bytes of a reply that a client reads: 64 sources are some tens of kilobytes.
const REPLY_MAX: u64 = 4 << 20;
/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
