//! Shared memory between two attachments, on the real kernel.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use maser_kernel::shm::{Create, Segment};
use std::io::ErrorKind;

/// A new segment under a key of this process, removed at the end whatever happens.
struct Fresh(Segment);

impl Fresh {
    fn new(salt: i32, size: usize) -> Self {
        let process = i32::try_from(std::process::id() & 0x00ff_ffff).unwrap();
        let first = 0x5e00_0000 | process;
        // A key may be taken by a run that was killed: look for a free one.
        for attempt in 0..64 {
            match Segment::attach(first ^ (salt << 16) ^ attempt, size, 0o600, Create::Exclusive) {
                Ok(segment) => return Self(segment),
                Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}"),
            }
        }
        panic!("64 keys taken");
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let _ = self.0.remove();
    }
}

#[test]
fn two_attachments_see_each_others_words() {
    let fresh = Fresh::new(1, 96);
    let ours = &fresh.0;
    let theirs = Segment::attach(ours.key(), 96, 0o600, Create::Never).unwrap();
    for offset in (0..96).step_by(4) {
        assert_eq!(theirs.load_u32(offset), 0, "a new segment is zero");
    }
    ours.store_i32(0, -1);
    ours.store_u32(4, 0xdead_beef);
    ours.store_i64(8, i64::MIN);
    theirs.store_u64(88, u64::MAX);
    assert_eq!(theirs.load_u32(0), u32::MAX);
    assert_eq!(theirs.load_i32(0), -1);
    assert_eq!(
        theirs.load_u64(0),
        u64::from_le_bytes([255, 255, 255, 255, 0xef, 0xbe, 0xad, 0xde])
    );
    assert_eq!(theirs.load_i64(8), i64::MIN);
    assert_eq!(ours.load_u64(88), u64::MAX);
    assert_eq!(ours.load_u64(80), 0);
}

#[test]
fn status_tells_owner_mode_and_attachments() {
    let fresh = Fresh::new(2, 100);
    let status = fresh.0.status().unwrap();
    assert_eq!((status.mode, status.size, status.attached), (0o600, 100, 1));
    assert_eq!(status.owner, status.creator);
    assert_eq!(u32::try_from(status.last_process).unwrap(), std::process::id());
    let second = Segment::attach(fresh.0.key(), 96, 0o666, Create::IfMissing).unwrap();
    // It was there: its own mode and size stay.
    let status = second.status().unwrap();
    assert_eq!((status.mode, status.size, status.attached), (0o600, 100, 2));
    assert_eq!(second.size(), 100);
    drop(second);
    assert_eq!(fresh.0.status().unwrap().attached, 1);
}

#[test]
fn creation_says_what_was_in_the_way() {
    let fresh = Fresh::new(3, 96);
    let key = fresh.0.key();
    let attach = |size, create| Segment::attach(key, size, 0o600, create).map_err(|e| e.kind());
    assert_eq!(attach(96, Create::Exclusive).unwrap_err(), ErrorKind::AlreadyExists);
    assert_eq!(attach(97, Create::Never).unwrap_err(), ErrorKind::InvalidInput);
    assert_eq!(
        Segment::attach(0, 96, 0o600, Create::IfMissing).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    fresh.0.remove().unwrap();
    assert_eq!(attach(96, Create::Never).unwrap_err(), ErrorKind::NotFound);
    // Removed is not gone: we are attached still.
    fresh.0.store_u32(0, 7);
    assert_eq!(fresh.0.load_u32(0), 7);
    assert!(fresh.0.status().unwrap().removed);
    let error = Segment::attach(key, 96, 0o600, Create::Never).unwrap_err();
    assert!(error.to_string().starts_with(&format!("shmget on shared memory {key:#010x}: ")));
}

#[test]
fn words_outside_or_askew_are_refused() {
    let fresh = Fresh::new(4, 96);
    let refused = |access: &dyn Fn(&Segment)| {
        let attempt = std::panic::AssertUnwindSafe(|| access(&fresh.0));
        assert!(std::panic::catch_unwind(attempt).is_err());
    };
    refused(&|s| s.store_u32(96, 1));
    refused(&|s| s.store_u64(92, 1));
    refused(&|s| s.store_u64(96, 1));
    refused(&|s| {
        s.load_u32(2);
    });
    refused(&|s| {
        s.load_u64(4);
    });
    refused(&|s| {
        s.load_u32(usize::MAX - 3);
    });
    fresh.0.store_u32(92, 1);
    fresh.0.store_u64(88, 1);
}
