//! Streams whole, cut, broken and hostile, and what the splitter makes of them.

use proptest::prelude::*;

use super::*;

const ZDA: &[u8] = b"$GPZDA,,,,,,*48";

fn ubx_frame(payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; ubx::HEADER + payload.len() + ubx::CHECKSUM];
    let length = ubx::encode(0x0d, 0x01, payload, &mut out).unwrap();
    assert_eq!(length, out.len());
    out
}

/// First and last place of every frame, and its bytes without UBX framing.
fn split(chunks: &[&[u8]]) -> (Vec<(u64, u64, Vec<u8>)>, Refusals) {
    let mut splitter = Splitter::new();
    let mut frames = Vec::new();
    for mut chunk in chunks.iter().copied() {
        while let Some(framed) = splitter.next(&mut chunk) {
            let (Frame::Nmea(bytes) | Frame::Ubx { payload: bytes, .. }) = framed.frame;
            frames.push((framed.first, framed.last, bytes.to_vec()));
        }
        assert!(chunk.is_empty());
    }
    (frames, splitter.refusals())
}

fn bytes_of(frames: &[(u64, u64, Vec<u8>)]) -> Vec<&[u8]> {
    frames.iter().map(|(_, _, bytes)| &bytes[..]).collect()
}

#[test]
fn both_kinds_and_where_they_stood() {
    let ubx = ubx_frame(b"$GP");
    let stream = [ZDA, b"\r\n", &ubx, ZDA, b"\n\n", ZDA].concat();
    let expected = vec![
        (0, 14, ZDA.to_vec()),
        (17, 27, b"$GP".to_vec()),
        (28, 42, ZDA.to_vec()),
        (45, 59, ZDA.to_vec()),
    ];
    let whole = split(&[&stream]);
    assert_eq!(whole, (expected, Refusals::default()));
    let single: Vec<_> = stream.chunks(1).collect();
    assert_eq!(split(&single), whole);
}

#[test]
fn a_frame_is_told_with_its_last_byte() {
    let mut splitter = Splitter::new();
    let (mut start, mut end) = ZDA.split_at(ZDA.len() - 1);
    assert_eq!(splitter.next(&mut start), None);
    assert!(splitter.next(&mut end).is_some());
}

#[test]
fn sentences_that_are_none() {
    let refusals = |bytes: &[u8]| {
        let (frames, refusals) = split(&[&[bytes, ZDA].concat()]);
        assert_eq!(bytes_of(&frames), [ZDA], "the good sentence behind is found");
        refusals
    };
    let none = Refusals::default();
    let wrong = Refusals { checksum: 1, garbage: 15, ..none };
    assert_eq!(refusals(b"$GPZDA,,,,,,*49\r\n"), wrong);
    assert_eq!(refusals(b"$GPZDA,,,,,,*4G\r\n"), wrong);
    assert_eq!(refusals(b"$GPZDA,\r\n"), Refusals { no_checksum: 1, garbage: 7, ..none });
    assert_eq!(refusals(b"$GPZDA,"), Refusals { truncated: 1, garbage: 7, ..none });
    assert_eq!(refusals(b"$GPZDA\xff*00"), Refusals { truncated: 1, garbage: 10, ..none });
    assert_eq!(refusals(b"noise\r\n"), Refusals { garbage: 5, ..none });
    let long = [&b"$"[..], &[b','; 200]].concat();
    assert_eq!(refusals(&long), Refusals { too_long: 1, garbage: 201, ..none });
}

#[test]
fn the_longest_sentence_has_120_bytes() {
    let sentence = |length: usize| {
        let body = vec![b','; length - 4];
        let sum = nmea::checksum(&body);
        [&b"$"[..], &body, format!("*{sum:02X}").as_bytes()].concat()
    };
    for length in 118..=120 {
        assert_eq!(bytes_of(&split(&[&sentence(length)]).0), [&sentence(length)]);
    }
    for length in 121..=125 {
        let (frames, refusals) = split(&[&sentence(length)]);
        assert_eq!((frames.len(), refusals.too_long), (0, 1), "{length}");
    }
}

#[test]
fn a_false_start_does_not_swallow_what_follows() {
    // Claims 100 bytes of payload, and a sentence and a frame stand within.
    let ubx = ubx_frame(&[7; 20]);
    let stream = [&[ubx::SYNC_1, ubx::SYNC_2, 1, 2, 100, 0], ZDA, &ubx, &[b'x'; 80]].concat();
    let (frames, refusals) = split(&[&stream]);
    assert_eq!(bytes_of(&frames), [ZDA, &[7; 20]]);
    assert_eq!(refusals, Refusals { checksum: 1, garbage: 86, ..Refusals::default() });
    // A sync byte alone, twice, then a frame.
    let stream = [&[ubx::SYNC_1, ubx::SYNC_1][..], &ubx].concat();
    assert_eq!(bytes_of(&split(&[&stream]).0), [&[7; 20]]);
}

#[test]
fn giving_up_frees_what_stands_behind() {
    let stream = [&[ubx::SYNC_1, ubx::SYNC_2, 1, 2, 0, 0x10], ZDA].concat();
    let mut splitter = Splitter::new();
    assert_eq!(splitter.next(&mut &stream[..]), None);
    splitter.give_up();
    let framed = splitter.next(&mut &[][..]).unwrap();
    assert_eq!((framed.first, framed.frame), (6, Frame::Nmea(ZDA)));
    assert_eq!(splitter.next(&mut &[][..]), None);
    let expected = Refusals { truncated: 1, garbage: 6, ..Refusals::default() };
    assert_eq!(splitter.refusals(), expected);
    splitter.give_up();
    assert_eq!(splitter.refusals(), expected, "nothing is left to give up");
}

#[test]
fn large_frames() {
    for length in [0, 1200, 8176, UBX_PAYLOAD_MAX] {
        let payload = vec![0xb5; length];
        let stream = [ubx_frame(&payload), ubx_frame(&payload), ubx_frame(b"end")].concat();
        let (frames, refusals) = split(&stream.chunks(4093).collect::<Vec<_>>());
        assert_eq!(bytes_of(&frames), [&payload[..], &payload, b"end"]);
        assert_eq!(refusals, Refusals::default());
    }
    let beyond = [ubx_frame(&vec![0; UBX_PAYLOAD_MAX + 1]), ZDA.to_vec()].concat();
    let (frames, refusals) = split(&[&beyond]);
    assert_eq!((bytes_of(&frames), refusals.too_long), (vec![ZDA], 1));
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(ZDA.to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"$".to_vec()),
        Just(vec![ubx::SYNC_1, ubx::SYNC_2]),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|payload| ubx_frame(&payload)),
        proptest::collection::vec(any::<u8>(), 0..9000),
    ]
}

proptest! {
    #[test]
    fn chunks_do_not_matter_and_every_byte_is_accounted_for(
        pieces in proptest::collection::vec(piece(), 0..12),
        length in 1usize..3000,
    ) {
        let stream = pieces.concat();
        let whole = split(&[&stream]);
        let chunked = split(&stream.chunks(length).collect::<Vec<_>>());
        prop_assert_eq!(&whole, &chunked);
        let (frames, refusals) = whole;
        let mut end = 0;
        let mut framed = 0;
        for (first, last, _) in &frames {
            prop_assert!(*first >= end && last >= first);
            end = last + 1;
            framed += last + 1 - first;
        }
        let left = stream.len() as u64 - framed;
        prop_assert!(end <= stream.len() as u64 && refusals.garbage <= left);
    }
}
