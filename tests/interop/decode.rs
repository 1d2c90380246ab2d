//! tshark, which knows NTP by heart, reads every kind of answer and finds nothing malformed.
//!
//! The answers are written into a capture file as packets on the wire, so that what is decoded does
//! not depend on timing.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use maser::server::{
    Access, AccessTable, Clients, Policy, REPLY_MAX, RateLimit, Request, Rule, TableSize, respond,
};
use maser::state::{Phase, State};
use maser::time::{Duration, LeapIndicator, System, Timestamp};
use serde_json::Value;

use crate::stage::{Folder, Place, lacking, said};

/// 2036-02-07T06:28:32Z, 16 s into NTP's era 1: the figures have wrapped.
const T0: Timestamp<System> = Timestamp::from_seconds(2_085_978_512);

/// One answer, and what tshark has to find in it.
struct Case {
    name: &'static str,
    answer: Vec<u8>,
    to: SocketAddr,
    /// `ntp.…` fields and their values.
    fields: Vec<(&'static str, String)>,
}

#[test]
fn tshark_finds_no_fault_in_any_answer() {
    if !Path::new("/usr/bin/tshark").exists() {
        let _: Option<()> = lacking("tshark");
        return;
    }
    let cases = cases();
    let folder = Folder::new("decode");
    std::fs::write(folder.at("answers.pcap"), capture(&cases)).unwrap();
    let packets = decoded(&folder.at("answers.pcap"));
    assert_eq!(packets.len(), cases.len());
    for (case, packet) in cases.iter().zip(&packets) {
        let faults = complaints(packet);
        assert!(faults.is_empty(), "{}: {faults:?}", case.name);
        for (field, expected) in &case.fields {
            let found = find(packet, field);
            assert_eq!(found.as_ref(), Some(expected), "{}: {field}", case.name);
        }
    }
}

#[test]
fn tshark_does_find_faults() {
    if !Path::new("/usr/bin/tshark").exists() {
        let _: Option<()> = lacking("tshark");
        return;
    }
    let mut cases = cases();
    cases.truncate(1);
    // The transmit timestamp is cut off.
    cases[0].answer.truncate(40);
    let folder = Folder::new("faults");
    std::fs::write(folder.at("answers.pcap"), capture(&cases)).unwrap();
    let packets = decoded(&folder.at("answers.pcap"));
    assert!(!complaints(&packets[0]).is_empty(), "{packets:?}");
}

/// Every kind of answer.
fn cases() -> Vec<Case> {
    let locked = State {
        phase: Phase::Locked,
        anchor: T0,
        stratum: 1,
        leap: LeapIndicator::Insert,
        reference_id: *b"GPS\0",
        reference_time: Some(Timestamp::from_seconds(2_085_978_500)),
        ..State::default()
    };
    let open = Policy::default();
    let rules = [Rule { prefix: "192.0.2.0/24".parse().unwrap(), access: Access::Deny }];
    let denying = Policy { access: AccessTable::new(Access::Allow, &rules), ..Policy::default() };
    let limit = RateLimit::default();
    let mut cases = Vec::new();
    for version in 1..=4 {
        for (mode, answer_mode) in [(3, 4), (1, 2)] {
            let mut case = answered("time", &locked, &open, (version, mode), 1, "192.0.2.7");
            case.fields.extend([
                ("ntp.flags.li", "1".to_owned()),
                ("ntp.flags.vn", version.to_string()),
                ("ntp.flags.mode", answer_mode.to_string()),
                ("ntp.stratum", "1".to_owned()),
                ("ntp.refid", "47:50:53:00".to_owned()),
                ("ntp.org", "Feb  7, 2036 06:28:16.500000000 UTC".to_owned()),
                ("ntp.reftime", "Feb  7, 2036 06:28:20.000000000 UTC".to_owned()),
            ]);
            cases.push(case);
        }
    }
    let mut six = answered("IPv6", &locked, &open, (4, 3), 1, "2001:db8::7");
    six.fields.push(("ntp.stratum", "1".to_owned()));
    cases.push(six);
    let mut deny = answered("DENY", &locked, &denying, (4, 3), 1, "192.0.2.7");
    deny.fields.push(("ntp.refid", "44:45:4e:59".to_owned()));
    let requests = usize::try_from(limit.burst).unwrap() + 1;
    let mut rate = answered("RATE", &locked, &open, (4, 3), requests, "192.0.2.7");
    rate.fields.push(("ntp.refid", "52:41:54:45".to_owned()));
    let cold = State { anchor: T0, ..State::default() };
    let mut init = answered("unsynchronised", &cold, &open, (4, 3), 1, "192.0.2.7");
    init.fields.push(("ntp.refid", "49:4e:49:54".to_owned()));
    for mut refused in [deny, rate, init] {
        refused.fields.extend([
            ("ntp.flags.li", "3".to_owned()),
            ("ntp.flags.mode", "4".to_owned()),
            ("ntp.stratum", "0".to_owned()),
        ]);
        cases.push(refused);
    }
    cases
}

/// The answer to the last of so many equal requests.
fn answered(
    name: &'static str,
    state: &State,
    policy: &Policy,
    (version, mode): (u8, u8),
    requests: usize,
    from: &str,
) -> Case {
    let mut bytes = [0; 48];
    bytes[0] = version << 3 | mode;
    // Half a second into second 16 of era 1.
    bytes[40..].copy_from_slice(&[0, 0, 0, 0, 0x80, 0, 0, 0]);
    bytes[43] = 0;
    let source = SocketAddr::new(from.parse().unwrap(), 123);
    let mut clients = Clients::new(TableSize::default(), [1, 2]);
    let mut answer = None;
    for _ in 0..requests {
        let now = T0 + Duration::from_micros(20);
        let request = Request { bytes: &bytes, source, received: Some(T0), now, smear: None };
        answer = respond(&request, state, policy, &mut clients).reply();
    }
    let mut out = [0; REPLY_MAX];
    let reply = answer.unwrap_or_else(|| panic!("{name}: no answer"));
    let length = reply.write(T0 + Duration::from_micros(30), &mut out);
    Case { name, answer: out[..length].to_vec(), to: source, fields: Vec::new() }
}

/// A capture file (libpcap 2.4) of packets from port 123.
fn capture(cases: &[Case]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, LINKTYPE_RAW] {
        file.extend(word.to_le_bytes());
    }
    for case in cases {
        let packet = packet(&case.answer, case.to);
        let length = u32::try_from(packet.len()).unwrap();
        for word in [0, 0, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

/// The IP packet that carries an answer.
fn packet(answer: &[u8], to: SocketAddr) -> Vec<u8> {
    let length = u16::try_from(answer.len() + 8).unwrap();
    let mut datagram = [123_u16, to.port(), length, 0].map(u16::to_be_bytes).concat();
    datagram.extend(answer);
    let (mut packet, addresses) = match to.ip() {
        IpAddr::V4(to) => {
            let addresses = [Ipv4Addr::new(192, 0, 2, 1).octets(), to.octets()].concat();
            let total = (length + 20).to_be_bytes();
            let head = [0x45, 0, total[0], total[1], 0, 0, 0x40, 0, 64, UDP, 0, 0];
            let mut head = [&head[..], &addresses].concat();
            let sum = checksum(&head).to_be_bytes();
            head[10..12].copy_from_slice(&sum);
            (head, addresses)
        }
        IpAddr::V6(to) => {
            let from: std::net::Ipv6Addr = "2001:db8::1".parse().unwrap();
            let addresses = [from.octets(), to.octets()].concat();
            let length = length.to_be_bytes();
            let head = [0x60, 0, 0, 0, length[0], length[1], UDP, 64];
            ([&head[..], &addresses].concat(), addresses)
        }
    };
    let pseudo = [&addresses[..], &[0, UDP], &length.to_be_bytes(), &datagram].concat();
    let sum = checksum(&pseudo).to_be_bytes();
    datagram[6..8].copy_from_slice(&sum);
    packet.extend(datagram);
    packet
}

/// RFC 1071; the data here have an even length.
fn checksum(data: &[u8]) -> u16 {
    let pairs = data.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum: u32 = pairs.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap()
}

/// The packets of a capture as tshark reads them.
fn decoded(file: &str) -> Vec<Value> {
    let answer = Place::Here.run(
        Path::new("tshark"),
        &[
            "-n",
            "-r",
            file,
            "-T",
            "json",
            "-o",
            "ip.check_checksum:TRUE",
            "-o",
            "udp.check_checksum:TRUE",
        ],
    );
    serde_json::from_slice(&answer.stdout).unwrap_or_else(|_| panic!("{}", said(&answer)))
}

/// What tshark says against a packet: malformed parts, expert remarks, or no NTP at all.
fn complaints(packet: &Value) -> Vec<String> {
    let layers = &packet["_source"]["layers"];
    let mut found = Vec::new();
    if layers.get("ntp").is_none() {
        found.push("not decoded as NTP".to_owned());
    }
    remarks(layers, &mut found);
    found
}

fn remarks(value: &Value, found: &mut Vec<String>) {
    let Value::Object(fields) = value else { return };
    for (name, inner) in fields {
        if name.starts_with("_ws.malformed") || name.starts_with("_ws.expert") {
            found.push(format!("{name}: {inner}"));
        }
        remarks(inner, found);
    }
}

/// The value of a field, wherever it stands in the tree.
fn find(value: &Value, field: &str) -> Option<String> {
    let Value::Object(fields) = value else { return None };
    match fields.get(field) {
        Some(Value::String(text)) => Some(text.clone()),
        _ => fields.values().find_map(|inner| find(inner, field)),
    }
}

const LINKTYPE_RAW: u32 = 101;
const UDP: u8 = 17;
