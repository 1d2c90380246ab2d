//! SIGINT, SIGTERM and SIGHUP as a flag that a loop looks at.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

/// A flag that is set by the first SIGINT, SIGTERM or SIGHUP. A second one ends the process as usual.
///
/// # Errors
/// If no thread or no signal handler can be had.
pub fn watch() -> io::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&flag);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let guard = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // The terminal is gone, or the session: what was started is cleared away all the same.
    let mut hang_up = signal(SignalKind::hangup())?;
    drop(guard);
    std::thread::Builder::new().name("maser-signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
            seen.store(true, Ordering::Relaxed);
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            std::process::exit(130);
        });
    })?;
    Ok(flag)
}
