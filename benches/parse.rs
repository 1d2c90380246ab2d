//! What does it cost to read a sentence, a message, a burst of a receiver, an NTP header?
#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use core::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use maser::sample::ReadingKind;
use maser::source::gnss::Gnss;
use maser::time::{Duration, Timestamp};
use maser::wire::gnss::ubx::{self, Message};
use maser::wire::gnss::{Splitter, nmea};
use maser::wire::ntp::{Extensions, Header, Version};

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse");
    let rmc = sentence("GNRMC,120000.00,A,4717.11437,N,00833.91522,E,0.004,77.52,091202,,,A,V");
    assert!(matches!(nmea::parse(&rmc), Ok(Some(_))));
    group.throughput(bytes(&rmc));
    group.bench_function("NMEA RMC", |b| b.iter(|| nmea::parse(black_box(&rmc))));

    let tim_tp = [0x11; 16];
    assert!(matches!(Message::parse(0x0d, 0x01, &tim_tp), Ok(Some(_))));
    group.throughput(bytes(&tim_tp));
    group.bench_function("UBX TIM-TP", |b| {
        b.iter(|| Message::parse(0x0d, 0x01, black_box(&tim_tp)));
    });

    let burst = burst(&rmc, &tim_tp);
    assert_eq!(frames(&burst), 8);
    group.throughput(bytes(&burst));
    group.bench_function("frames of a second", |b| b.iter(|| frames(black_box(&burst))));

    let mut line = Gnss::new(Timestamp::from_seconds(1_000_000_000));
    let mut stamp = Timestamp::from_seconds(1_039_435_200);
    let mut labels = 0;
    line.handle(&burst, stamp, &mut |(_, kind)| {
        labels += usize::from(matches!(kind, ReadingKind::Label { .. }));
    });
    assert_eq!(labels, 1);
    group.bench_function("readings of a second", |b| {
        b.iter(|| {
            stamp = stamp + Duration::SECOND;
            line.handle(black_box(&burst), stamp, &mut |reading| {
                black_box(reading);
            });
        });
    });

    let mut packet = [0x5a; 48];
    packet[0] = 0x23;
    assert!(Header::parse(&packet).is_ok());
    group.throughput(bytes(&packet));
    group.bench_function("NTP header", |b| {
        b.iter(|| black_box(Header::parse(black_box(&packet))).is_ok());
    });

    // As many fields as a client with NTS sends: identifier, cookie, authenticator.
    let fields = [field(0x0104, 36), field(0x0204, 104), field(0x0404, 40)].concat();
    group.throughput(bytes(&fields));
    group.bench_function("NTP extension fields", |b| {
        b.iter(|| {
            let fields = Extensions::parse(Version::V4, black_box(&fields));
            fields.map(|fields| fields.fields().map(|field| field.body.len()).sum::<usize>())
        });
    });
    group.finish();
}

fn bytes(input: &[u8]) -> Throughput {
    Throughput::Bytes(input.len() as u64)
}

fn sentence(body: &str) -> Vec<u8> {
    format!("${body}*{:02X}\r\n", nmea::checksum(body.as_bytes())).into_bytes()
}

/// What a receiver sends each second: its time, its fix, the satellites, the next pulse's error.
fn burst(rmc: &[u8], tim_tp: &[u8]) -> Vec<u8> {
    let mut frame = [0; 64];
    let length = ubx::encode(0x0d, 0x01, tim_tp, &mut frame).expect("room for a short message");
    let mut burst = rmc.to_vec();
    for body in [
        "GNGGA,120000.00,4717.11437,N,00833.91522,E,1,08,1.01,499.6,M,48.0,M,,",
        "GNGSA,A,3,23,29,07,08,09,18,26,28,,,,,1.94,1.18,1.54,1",
        "GPGSV,3,1,10,23,38,230,44,29,71,156,47,07,29,116,41,08,09,081,36,0",
        "GPGSV,3,2,10,10,07,189,,05,05,220,,09,34,274,42,18,25,309,44,0",
        "GPGSV,3,3,10,26,82,187,47,28,43,056,46,0",
        "GNZDA,120000.00,09,12,2002,00,00",
    ] {
        burst.extend(sentence(body));
    }
    burst.extend(&frame[..length]);
    burst
}

fn frames(burst: &[u8]) -> usize {
    let mut splitter = Splitter::new();
    let (mut input, mut count) = (burst, 0);
    while splitter.next(&mut input).is_some() {
        count += 1;
    }
    count
}

fn field(kind: u16, length: u16) -> Vec<u8> {
    let mut bytes = vec![0xaa; usize::from(length)];
    bytes[..2].copy_from_slice(&kind.to_be_bytes());
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    bytes
}

criterion_group!(benches, parse);
criterion_main!(benches);
