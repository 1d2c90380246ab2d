//! System V shared memory as words that two processes may read and write at once.
//!
//! The other side is foreign code we cannot lock with, so every access is an atomic word: loads
//! acquire, stores release. A writer that bumps a count, writes fields and bumps it again, and a
//! reader that loads the count, the fields and the count, then see each other's order. Release
//! alone does not keep a later store behind an earlier one, so such a writer puts [`fence`]
//! between its first count and the fields, and the reader between the fields and its last count.

use crate::error::{Error, Result, check};
use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// An attached segment; detached when dropped, but not removed.
pub struct Segment {
    base: NonNull<u8>,
    size: usize,
    id: i32,
    key: i32,
}

/// Whether attaching may create the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Create {
    /// Attach to what is there, or create it.
    IfMissing,
    /// Create it; `AlreadyExists` if it is there.
    Exclusive,
    /// Attach to what is there; `NotFound` if there is none.
    Never,
}

/// What the kernel knows of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// User that owns it.
    pub owner: u32,
    /// Group that owns it.
    pub group: u32,
    /// User that created it.
    pub creator: u32,
    /// Permission bits, 0..=0o777.
    pub mode: u32,
    /// Bytes.
    pub size: usize,
    /// Attachments by all processes.
    pub attached: u64,
    /// Process of the last attach or detach.
    pub last_process: i32,
    /// Removed, and living on until its last detach.
    pub removed: bool,
}

impl Segment {
    /// Attaches to the segment of `key`, of at least `size` bytes, for reading and writing.
    ///
    /// `mode` are the permission bits of a created segment (no umask applies); an existing one
    /// keeps its own, see [`status`](Self::status). A created one is all zeroes. An existing one
    /// that is smaller is refused with `InvalidInput`.
    pub fn attach(key: i32, size: usize, mode: u32, create: Create) -> Result<Self> {
        let name = Name(key);
        if key == libc::IPC_PRIVATE {
            return Err(Error::invalid("shmget", name, "key 0 is private and finds nobody"));
        }
        let flags = match create {
            Create::IfMissing => libc::IPC_CREAT,
            Create::Exclusive => libc::IPC_CREAT | libc::IPC_EXCL,
            Create::Never => 0,
        };
        let mode = i32::try_from(mode & 0o777).unwrap_or(0o600);
        // SAFETY: shmget takes no pointers.
        let id = unsafe { libc::shmget(key, size, flags | mode) };
        check(id, "shmget", name)?;
        // SAFETY: a null address lets the kernel choose one; no mapping of ours is replaced.
        let base = unsafe { libc::shmat(id, std::ptr::null(), 0) };
        // shmat says −1 for failure, as a pointer.
        let base = NonNull::new(base.cast::<u8>())
            .filter(|base| base.as_ptr().addr() != usize::MAX)
            .ok_or_else(|| Error::last("shmat", name))?;
        // From here on, dropping detaches.
        let mut segment = Self { base, size: 0, id, key };
        segment.size = segment.status()?.size;
        if segment.size < size {
            return Err(Error::invalid("shmat", name, "smaller than asked for"));
        }
        Ok(segment)
    }

    /// Bytes in the segment: at least what was asked for.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The key it was attached by.
    pub fn key(&self) -> i32 {
        self.key
    }

    /// Owner, permissions and attachments, now.
    pub fn status(&self) -> Result<Status> {
        // SAFETY: shmid_ds is integers only, for which all zeroes is a value.
        let mut raw: libc::shmid_ds = unsafe { std::mem::zeroed() };
        // SAFETY: `raw` is a live, writable shmid_ds, which is what IPC_STAT fills.
        let returned = unsafe { libc::shmctl(self.id, libc::IPC_STAT, &raw mut raw) };
        check(returned, "shmctl(IPC_STAT)", Name(self.key))?;
        let mode = u32::from(raw.shm_perm.mode);
        Ok(Status {
            owner: raw.shm_perm.uid,
            group: raw.shm_perm.gid,
            creator: raw.shm_perm.cuid,
            mode: mode & 0o777,
            size: raw.shm_segsz,
            attached: raw.shm_nattch,
            last_process: raw.shm_lpid,
            removed: mode & SHM_DEST != 0,
        })
    }

    /// Removes the key: nobody finds the segment any more; those attached keep it.
    pub fn remove(&self) -> Result<()> {
        // SAFETY: IPC_RMID reads no buffer.
        let returned = unsafe { libc::shmctl(self.id, libc::IPC_RMID, std::ptr::null_mut()) };
        check(returned, "shmctl(IPC_RMID)", Name(self.key))?;
        Ok(())
    }

    /// The 32-bit word at `offset`, acquiring.
    ///
    /// # Panics
    ///
    /// As all accesses here: if the word is not wholly inside, or `offset` not a multiple of its
    /// size.
    pub fn load_u32(&self, offset: usize) -> u32 {
        self.word32(offset).load(Ordering::Acquire)
    }

    /// Stores the 32-bit word at `offset`, releasing.
    pub fn store_u32(&self, offset: usize, value: u32) {
        self.word32(offset).store(value, Ordering::Release);
    }

    /// The signed 32-bit word at `offset`, acquiring.
    pub fn load_i32(&self, offset: usize) -> i32 {
        self.load_u32(offset).cast_signed()
    }

    /// Stores the signed 32-bit word at `offset`, releasing.
    pub fn store_i32(&self, offset: usize, value: i32) {
        self.store_u32(offset, value.cast_unsigned());
    }

    /// The 64-bit word at `offset`, acquiring.
    pub fn load_u64(&self, offset: usize) -> u64 {
        self.word64(offset).load(Ordering::Acquire)
    }

    /// Stores the 64-bit word at `offset`, releasing.
    pub fn store_u64(&self, offset: usize, value: u64) {
        self.word64(offset).store(value, Ordering::Release);
    }

    /// The signed 64-bit word at `offset`, acquiring.
    pub fn load_i64(&self, offset: usize) -> i64 {
        self.load_u64(offset).cast_signed()
    }

    /// Stores the signed 64-bit word at `offset`, releasing.
    pub fn store_i64(&self, offset: usize, value: i64) {
        self.store_u64(offset, value.cast_unsigned());
    }

    fn word32(&self, offset: usize) -> &AtomicU32 {
        let pointer = self.word::<u32>(offset).as_ptr();
        // SAFETY: `word` gives an aligned word inside the mapping, which lives as long as `self`;
        // this process touches it by atomics only.
        unsafe { AtomicU32::from_ptr(pointer) }
    }

    fn word64(&self, offset: usize) -> &AtomicU64 {
        let pointer = self.word::<u64>(offset).as_ptr();
        // SAFETY: as in `word32`.
        unsafe { AtomicU64::from_ptr(pointer) }
    }

    /// A pointer to an aligned `T` wholly inside the mapping.
    fn word<T>(&self, offset: usize) -> NonNull<T> {
        let end = offset.checked_add(size_of::<T>());
        assert!(end.is_some_and(|end| end <= self.size), "offset {offset} of {}", self.size);
        assert!(offset.is_multiple_of(align_of::<T>()), "offset {offset} is not aligned");
        // SAFETY: `offset` was just checked to be inside the mapping, whose base is page aligned.
        unsafe { self.base.add(offset) }.cast()
    }
}

/// Keeps loads and stores before it before those after it, in a count-fields-count protocol.
pub fn fence() {
    std::sync::atomic::fence(Ordering::SeqCst);
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: `base` came from shmat and is detached once, here; no reference outlives `self`.
        let returned = unsafe { libc::shmdt(self.base.as_ptr().cast()) };
        debug_assert_eq!(returned, 0);
    }
}

// SAFETY: the mapping belongs to the process, not to a thread, and is touched by atomics only.
unsafe impl Send for Segment {}
// SAFETY: as above; every method takes atomics or asks the kernel.
unsafe impl Sync for Segment {}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Segment {{ {}, {} bytes }}", Name(self.key), self.size)
    }
}

/// How messages name a segment: as `ipcs` prints its key.
#[derive(Clone, Copy)]
struct Name(i32);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shared memory {:#010x}", self.0)
    }
}

/// Mode bit of a removed segment (linux/shm.h).
const SHM_DEST: u32 = 0o1000;
