//! Serial lines as plain bytes: no echo, no editing, no signals, 8N1 at any speed.
//!
//! `termios2` with BOTHER takes the speed as a number, so that a receiver at 460 800 or 921 600
//! needs no table and an odd one works too. Carrier detect is left to the pulse (CLOCAL), and an
//! open never waits for it. Pseudo terminals take all of this too, which is what tests and
//! demonstrations use.

use crate::abi;
use crate::error::{Error, Result, check};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// An open serial line that never blocks.
#[derive(Debug)]
pub struct Tty {
    fd: OwnedFd,
    path: PathBuf,
}

/// How to open a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Bits per second, both ways.
    pub speed: u32,
    /// Refuse later opens by others (TIOCEXCL; the superuser still may).
    pub exclusive: bool,
}

impl Tty {
    /// Opens `path` as described by `line` and discards what had arrived before.
    ///
    /// Fails with ENOTTY if `path` is no terminal.
    pub fn open(path: impl AsRef<Path>, line: Line) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(&path)
            .map_err(|source| Error::new("open", path.display(), source))?;
        let tty = Self { fd: file.into(), path };
        if line.exclusive {
            // SAFETY: TIOCEXCL takes no argument.
            let returned = unsafe { libc::ioctl(tty.fd.as_raw_fd(), libc::TIOCEXCL) };
            check(returned, "ioctl(TIOCEXCL)", tty.path.display())?;
        }
        tty.configure(line.speed)?;
        tty.discard_input()?;
        Ok(tty)
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Changes the speed, bits per second, both ways.
    pub fn set_speed(&self, speed: u32) -> Result<()> {
        self.configure(speed)
    }

    /// The speed the driver runs at, bits per second; it may differ from what was asked for.
    pub fn speed(&self) -> Result<u32> {
        Ok(self.settings()?.c_ospeed)
    }

    /// Reads what has arrived, without waiting; 0 if nothing has.
    ///
    /// A line that was hung up (an unplugged adapter, a closed pseudo terminal) is an error.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        read(self.fd.as_fd(), buffer, &self.path)
    }

    /// Writes what fits, without waiting; returns how many bytes.
    pub fn write(&self, bytes: &[u8]) -> Result<usize> {
        write(self.fd.as_fd(), bytes, &self.path)
    }

    /// Discards what has arrived and was not read.
    pub fn discard_input(&self) -> Result<()> {
        // SAFETY: tcflush takes no pointers.
        let returned = unsafe { libc::tcflush(self.fd.as_raw_fd(), libc::TCIFLUSH) };
        check(returned, "tcflush", self.path.display())?;
        Ok(())
    }

    /// Attaches line discipline `number`, for example [`abi::N_PPS`]; 0 is the ordinary one.
    pub fn set_discipline(&self, number: i32) -> Result<()> {
        // SAFETY: TIOCSETD reads one int.
        let returned =
            unsafe { libc::ioctl(self.fd.as_raw_fd(), libc::TIOCSETD, &raw const number) };
        check(returned, "ioctl(TIOCSETD)", self.path.display())?;
        Ok(())
    }

    fn configure(&self, speed: u32) -> Result<()> {
        let settings = plain(self.settings()?, speed);
        // SAFETY: TCSETS2 reads one termios2.
        let returned =
            unsafe { libc::ioctl(self.fd.as_raw_fd(), abi::TCSETS2, &raw const settings) };
        check(returned, "ioctl(TCSETS2)", self.path.display())?;
        Ok(())
    }

    fn settings(&self) -> Result<libc::termios2> {
        settings(self.fd.as_fd(), &self.path)
    }
}

impl AsFd for Tty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The near end of a pseudo terminal; its far end is a path to open as a serial line.
#[derive(Debug)]
pub struct Pty {
    master: OwnedFd,
    path: PathBuf,
    // Without one open far end the near one reports a hang-up until somebody comes, and again
    // each time the last one leaves.
    _far: File,
}

impl Pty {
    /// A new pair, for plain bytes, its far end accessible to this user only.
    pub fn open() -> Result<Self> {
        let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_NONBLOCK | libc::O_CLOEXEC;
        // SAFETY: posix_openpt takes no pointers.
        let fd = unsafe { libc::posix_openpt(flags) };
        check(fd, "posix_openpt", "/dev/ptmx")?;
        // SAFETY: the descriptor was just opened and nobody else owns it.
        let master = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: unlockpt takes no pointers.
        let returned = unsafe { libc::unlockpt(master.as_raw_fd()) };
        check(returned, "unlockpt", "/dev/ptmx")?;
        let path = far_path(master.as_fd())?;
        let failed = |call: &'static str| move |source| Error::new(call, "pseudo terminal", source);
        let far = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(&path)
            .map_err(failed("open"))?;
        far.set_permissions(PermissionsExt::from_mode(0o600)).map_err(failed("fchmod"))?;
        let settings = plain(settings(far.as_fd(), &path)?, 9600);
        // SAFETY: TCSETS2 reads one termios2.
        let returned = unsafe { libc::ioctl(far.as_raw_fd(), abi::TCSETS2, &raw const settings) };
        check(returned, "ioctl(TCSETS2)", path.display())?;
        Ok(Self { master, path, _far: far })
    }

    /// The path of the far end.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what the far end wrote, without waiting; 0 if nothing.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        read(self.master.as_fd(), buffer, &self.path)
    }

    /// Writes to the far end what fits, without waiting; returns how many bytes.
    pub fn write(&self, bytes: &[u8]) -> Result<usize> {
        write(self.master.as_fd(), bytes, &self.path)
    }
}

impl AsFd for Pty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }
}

fn far_path(master: BorrowedFd<'_>) -> Result<PathBuf> {
    let mut name = [0_u8; 64];
    // SAFETY: `name` is writable for its length.
    let errno =
        unsafe { libc::ptsname_r(master.as_raw_fd(), name.as_mut_ptr().cast(), name.len()) };
    if errno != 0 {
        return Err(Error::new("ptsname_r", "/dev/ptmx", io::Error::from_raw_os_error(errno)));
    }
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
    Ok(PathBuf::from(String::from_utf8_lossy(&name[..end]).into_owned()))
}

fn settings(fd: BorrowedFd<'_>, path: &Path) -> Result<libc::termios2> {
    // SAFETY: termios2 is integers only, for which all zeroes is a value.
    let mut settings: libc::termios2 = unsafe { std::mem::zeroed() };
    // SAFETY: TCGETS2 writes one termios2.
    let returned = unsafe { libc::ioctl(fd.as_raw_fd(), abi::TCGETS2, &raw mut settings) };
    check(returned, "ioctl(TCGETS2)", path.display())?;
    Ok(settings)
}

/// `settings` with everything off that would change a byte, 8N1, at `speed`.
fn plain(mut settings: libc::termios2, speed: u32) -> libc::termios2 {
    settings.c_iflag = 0;
    settings.c_oflag = 0;
    settings.c_lflag = 0;
    // The input speed of 0 in CIBAUD means "as the output speed".
    settings.c_cflag &=
        !(libc::CBAUD | CIBAUD | libc::CSIZE | libc::CSTOPB | libc::PARENB | libc::CRTSCTS);
    settings.c_cflag |= libc::BOTHER | libc::CS8 | libc::CREAD | libc::CLOCAL;
    settings.c_ispeed = speed;
    settings.c_ospeed = speed;
    settings.c_cc[libc::VMIN] = 1;
    settings.c_cc[libc::VTIME] = 0;
    settings
}

fn read(fd: BorrowedFd<'_>, buffer: &mut [u8], path: &Path) -> Result<usize> {
    let read = transfer("read", path, || {
        // SAFETY: the kernel writes at most `buffer.len()` bytes into `buffer`.
        unsafe { libc::read(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) }
    })?;
    match read {
        // A terminal without data would block; the end of file is a hang-up.
        Some(0) if !buffer.is_empty() => {
            let hung_up = io::Error::new(io::ErrorKind::UnexpectedEof, "line hung up");
            Err(Error::new("read", path.display(), hung_up))
        }
        read => Ok(read.unwrap_or(0)),
    }
}

fn write(fd: BorrowedFd<'_>, bytes: &[u8], path: &Path) -> Result<usize> {
    let written = transfer("write", path, || {
        // SAFETY: the kernel reads at most `bytes.len()` bytes of `bytes`.
        unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) }
    })?;
    Ok(written.unwrap_or(0))
}

/// Repeats an interrupted call; `None` if it would block.
fn transfer(
    call: &'static str,
    path: &Path,
    mut attempt: impl FnMut() -> isize,
) -> Result<Option<usize>> {
    loop {
        if let Ok(count) = usize::try_from(attempt()) {
            return Ok(Some(count));
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::WouldBlock => return Ok(None),
            io::ErrorKind::Interrupted => {}
            _ => return Err(Error::new(call, path.display(), error)),
        }
    }
}

/// The input speed's half of c_cflag (asm-generic/termbits-common.h).
const CIBAUD: libc::tcflag_t = libc::CBAUD << 16;
