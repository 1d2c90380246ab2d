//! Requests as Windows, xntpd, ntpdate, chronyd and small SNTP clients send them, and the 48 bytes
//! that each must get.
//!
//! The answers are read by their offsets in RFC 5905 figure 8, not by the parser of the program.

use core::net::SocketAddr;

use maser::server::{Answer, Clients, Outcome, Policy, REPLY_MAX, Request, TableSize, respond};
use maser::state::{ErrorTerms, Phase, State, Term};
use maser::time::{Duration, Exponent, LeapIndicator, System, Timestamp};

/// A request with the fields that differ between clients.
struct Asked {
    /// LI, VN, mode; stratum; poll; precision.
    first: [u8; 4],
    root_delay: u32,
    root_dispersion: u32,
    reference_id: [u8; 4],
    reference: u64,
    origin: u64,
    receive: u64,
    transmit: u64,
    port: u16,
}

impl Asked {
    const fn zeros(first: u8, port: u16) -> Self {
        Self {
            first: [first, 0, 0, 0],
            root_delay: 0,
            root_dispersion: 0,
            reference_id: [0; 4],
            reference: 0,
            origin: 0,
            receive: 0,
            transmit: 0,
            port,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.first.to_vec();
        bytes.extend(self.root_delay.to_be_bytes());
        bytes.extend(self.root_dispersion.to_be_bytes());
        bytes.extend(self.reference_id);
        for stamp in [self.reference, self.origin, self.receive, self.transmit] {
            bytes.extend(stamp.to_be_bytes());
        }
        assert_eq!(bytes.len(), 48);
        bytes
    }
}

/// w32time as a client (flag 0x8) before it ever synchronised.
const WINDOWS_CLIENT: Asked = Asked {
    first: [0xdb, 0, 17, 0xe9],
    root_dispersion: 0x0001_0290,
    transmit: 0xe8fe_5bc0_1a9f_be77,
    ..Asked::zeros(0, 123)
};

/// w32time that synchronised before: stratum, reference id and reference timestamp are set.
const WINDOWS_CLIENT_LATER: Asked = Asked {
    first: [0x1b, 2, 10, 0xe9],
    root_delay: 0x0000_0a3d,
    root_dispersion: 0x0000_8f5c,
    reference_id: [203, 0, 113, 9],
    reference: 0xe8fe_57b0_3333_3333,
    transmit: 0xe8fe_5bc0_22d0_e560,
    ..Asked::zeros(0, 123)
};

/// w32time without flag 0x8: symmetric active, the coarse clock of older releases.
const WINDOWS_SYMMETRIC: Asked = Asked {
    first: [0xd9, 0, 10, 0xfa],
    root_dispersion: 0x0001_0290,
    transmit: 0xe8fe_5bbf_c51e_b851,
    ..Asked::zeros(0, 123)
};

/// The same in its second exchange, with what it kept of the first.
const WINDOWS_SYMMETRIC_LATER: Asked = Asked {
    first: [0x19, 2, 6, 0xe9],
    root_delay: 0x0000_0123,
    root_dispersion: 0x0000_8f5c,
    reference_id: [203, 0, 113, 9],
    reference: 0xe8fe_57b0_3333_3333,
    origin: 0xe8fe_5b80_4040_0000,
    receive: 0xe8fe_5b80_4666_6666,
    transmit: 0xe8fe_5bc0_22d0_e560,
    port: 123,
};

/// `w32tm /stripchart`.
const WINDOWS_STRIPCHART: Asked =
    Asked { transmit: 0xe8fe_5bc0_3000_0000, ..Asked::zeros(0x1b, 52_100) };

/// xntpd with `server`, version 3.
const XNTPD_3: Asked = Asked {
    first: [0xdb, 0, 6, 0xf2],
    root_dispersion: 0x0000_0015,
    transmit: 0xe8fe_5bc0_2ab3_6000,
    ..Asked::zeros(0, 123)
};

/// xntpd with `server … version 2`.
const XNTPD_2: Asked = Asked { first: [0xd3, 0, 6, 0xf2], ..XNTPD_3 };

/// xntpd with `server … version 1`.
const XNTPD_1: Asked = Asked { first: [0xcb, 0, 6, 0xf2], ..XNTPD_3 };

/// xntpd with `peer`, synchronised to somebody else meanwhile.
const XNTPD_PEER: Asked = Asked {
    first: [0x19, 3, 10, 0xee],
    root_delay: 0x0000_1a2b,
    root_dispersion: 0x0000_0c0d,
    reference_id: [192, 168, 1, 177],
    reference: 0xe8fe_5b9e_1000_0000,
    origin: 0xe8fe_57c0_4040_0000,
    receive: 0xe8fe_57c0_4666_6000,
    transmit: 0xe8fe_5bc0_2ab3_6000,
    port: 123,
};

/// xntpd with `peer … version 1`.
const XNTPD_PEER_1: Asked = Asked { first: [0xc9, 0, 6, 0xf2], ..XNTPD_3 };

/// An RFC 1059 client: no mode, its own port.
const VERSION_1_WITHOUT_MODE: Asked =
    Asked { transmit: 0xe8fe_5bc0_2ab3_6000, ..Asked::zeros(0x08, 1025) };

/// ntpdate from any port, with its constants for poll, precision and distance.
const NTPDATE: Asked = Asked {
    first: [0xe3, 0, 3, 0xfa],
    root_delay: 0x0001_0000,
    root_dispersion: 0x0001_0000,
    transmit: 0xe8fe_5bc0_2ab3_6f01,
    ..Asked::zeros(0, 33_001)
};

/// ntpdate -o 3 and -o 1 from the privileged port.
const NTPDATE_3: Asked = Asked { first: [0xdb, 0, 3, 0xfa], port: 123, ..NTPDATE };
const NTPDATE_1: Asked = Asked { first: [0xcb, 0, 3, 0xfa], port: 123, ..NTPDATE };

/// chronyd: nothing but a random transmit timestamp.
const CHRONYD: Asked =
    Asked { first: [0x23, 0, 6, 0x20], transmit: 0x9c1d_33ba_7e02_55f1, ..Asked::zeros(0, 48_211) };

/// Every request, with the first byte and the poll of its answer.
const ALL: [(&str, Asked, u8, u8); 18] = [
    ("w32time client", WINDOWS_CLIENT, 0x1c, 17),
    ("w32time client, later", WINDOWS_CLIENT_LATER, 0x1c, 10),
    ("w32time symmetric", WINDOWS_SYMMETRIC, 0x1a, 10),
    ("w32time symmetric, later", WINDOWS_SYMMETRIC_LATER, 0x1a, 6),
    ("w32tm /stripchart", WINDOWS_STRIPCHART, 0x1c, 0),
    ("xntpd version 3", XNTPD_3, 0x1c, 6),
    ("xntpd version 2", XNTPD_2, 0x14, 6),
    ("xntpd version 1", XNTPD_1, 0x0c, 6),
    ("xntpd peer", XNTPD_PEER, 0x1a, 10),
    ("xntpd peer version 1", XNTPD_PEER_1, 0x0a, 6),
    ("version 1 without mode", VERSION_1_WITHOUT_MODE, 0x0c, 0),
    ("ntpdate", NTPDATE, 0x24, 3),
    ("ntpdate -o 3", NTPDATE_3, 0x1c, 3),
    ("ntpdate -o 1", NTPDATE_1, 0x0c, 3),
    ("chronyd", CHRONYD, 0x24, 6),
    ("SNTP version 1", Asked::zeros(0x0b, 50_002), 0x0c, 0),
    ("SNTP version 3", Asked::zeros(0x1b, 50_000), 0x1c, 0),
    ("SNTP version 4", Asked::zeros(0x23, 50_001), 0x24, 0),
];

/// 2023-11-14T22:13:20.25Z.
const RECEIVED: Timestamp<System> = Timestamp::from_units(1_700_000_000 << 64 | 1 << 62);
const SENT: Timestamp<System> = Timestamp::from_units(1_700_000_000 << 64 | 1 << 62 | 1 << 50);

fn synchronised() -> State {
    State {
        phase: Phase::Locked,
        anchor: Timestamp::from_seconds(1_700_000_000),
        fixed: ErrorTerms::NONE.with(Term::Declared, 1e-3),
        stratum: 1,
        reference_id: *b"GPS\0",
        reference_time: Some(Timestamp::from_seconds(1_699_999_999)),
        leap: LeapIndicator::None,
        precision: Exponent(-24),
        ..State::default()
    }
}

fn clients() -> Clients {
    Clients::new(TableSize::default(), [3, 4])
}

fn ask(
    asked: &Asked,
    state: &State,
    clients: &mut Clients,
    later: Duration,
) -> Result<[u8; REPLY_MAX], Outcome> {
    let request = Request {
        bytes: &asked.bytes(),
        source: SocketAddr::from(([10, 10, 10, 20], asked.port)),
        received: Some(RECEIVED + later),
        now: SENT + later,
        smear: None,
    };
    match respond(&request, state, &Policy::default(), clients) {
        Answer::Silence(why) => Err(why),
        Answer::Reply(reply) => {
            let mut out = [0xee; REPLY_MAX];
            assert_eq!(reply.write(SENT + later, &mut out), 48);
            Ok(out)
        }
    }
}

#[test]
fn every_old_client_gets_the_time() {
    for (name, asked, first, poll) in ALL {
        let answer = ask(&asked, &synchronised(), &mut clients(), Duration::ZERO).unwrap();
        let seconds = u32::try_from(1_700_000_000u64 + 2_208_988_800).unwrap().to_be_bytes();
        let reference = u32::try_from(1_699_999_999u64 + 2_208_988_800).unwrap().to_be_bytes();
        let mut expected = vec![first, 1, poll, 0xe8];
        expected.extend([0, 0, 0, 1]); // root delay: never 0
        expected.extend([0, 0, 0, 66]); // root dispersion: 1 ms is 65.5 / 65536 s, rounded up
        expected.extend(*b"GPS\0");
        expected.extend(reference);
        expected.extend([0; 4]);
        expected.extend(asked.transmit.to_be_bytes());
        expected.extend(seconds);
        // T2 is odd, T3 is even: what a later request quotes can be told.
        expected.extend([0x40, 0, 0, 1]);
        expected.extend(seconds);
        expected.extend([0x40, 4, 0, 0]);
        assert_eq!(answer[..], expected[..], "{name}");
    }
}

#[test]
fn symmetric_requests_are_counted_apart_and_leave_nothing_behind() {
    let mut clients = clients();
    for asked in [WINDOWS_SYMMETRIC, WINDOWS_SYMMETRIC_LATER, XNTPD_PEER, XNTPD_PEER_1] {
        ask(&asked, &synchronised(), &mut clients, Duration::ZERO).unwrap();
    }
    assert_eq!(clients.counters().of(Outcome::ServedSymmetric), 4);
    assert_eq!((clients.len(), clients.iter().next().unwrap().requests), (1, 4));
}

#[test]
fn before_synchronisation_every_old_client_is_told_so() {
    for (name, asked, first, poll) in ALL {
        let answer = ask(&asked, &State::default(), &mut clients(), Duration::ZERO).unwrap();
        assert_eq!(answer[..3], [first | 0xc0, 0, poll], "{name}");
        assert_eq!(answer[12..16], *b"INIT", "{name}");
        assert_eq!(answer[16..24], [0; 8], "{name}: reference timestamp");
        assert_eq!(answer[24..32], asked.transmit.to_be_bytes(), "{name}");
        let root_dispersion = u32::from_be_bytes(answer[8..12].try_into().unwrap());
        assert!(root_dispersion >= 16 << 16, "{name}");
    }
}

#[test]
fn announced_leap_seconds_reach_the_client() {
    for (leap, bits) in [(LeapIndicator::Insert, 0x40), (LeapIndicator::Delete, 0x80)] {
        let state = State { leap, ..synchronised() };
        let answer = ask(&NTPDATE, &state, &mut clients(), Duration::ZERO).unwrap();
        assert_eq!(answer[0], bits | 0x24);
    }
}

#[test]
fn usual_paces_are_never_limited() {
    let paces: [(&Asked, i64, i64); 5] = [
        (&WINDOWS_STRIPCHART, 2000, 1000),
        (&WINDOWS_CLIENT, 0, 8),   // a burst after a restart
        (&NTPDATE, 0, 10),         // all samples at once
        (&NTPDATE_1, 2000, 8),     // as ntpdate does
        (&CHRONYD, 1000, 100_000), // minpoll 0
    ];
    for (asked, millis, count) in paces {
        let mut clients = clients();
        for n in 0..count {
            let later = Duration::from_millis(millis * n);
            ask(asked, &synchronised(), &mut clients, later).unwrap();
        }
        assert_eq!(clients.counters().requests(), u64::try_from(count).unwrap());
    }
}

#[test]
fn who_cannot_use_the_answer_gets_none() {
    let ask_bytes = |bytes: &[u8], port| {
        let source = SocketAddr::from(([10, 10, 10, 20], port));
        let request = Request { bytes, source, received: Some(RECEIVED), now: SENT, smear: None };
        respond(&request, &synchronised(), &Policy::default(), &mut clients()).outcome()
    };
    let mut member = WINDOWS_CLIENT.bytes();
    member.extend(1105u32.to_le_bytes());
    member.extend([0; 16]);
    assert_eq!((member.len(), ask_bytes(&member, 123)), (68, Outcome::MsSntp));
    member.extend([0; 52]);
    assert_eq!((member.len(), ask_bytes(&member, 123)), (120, Outcome::MsSntp));

    let mut keyed = XNTPD_3.bytes();
    keyed.extend(1u32.to_be_bytes());
    keyed.extend([0x5a; 16]);
    assert_eq!(ask_bytes(&keyed, 123), Outcome::Unauthenticated);

    // A version 1 server's own packet must not start a circle.
    assert_eq!(ask_bytes(&Asked::zeros(0x08, 123).bytes(), 123), Outcome::NotARequest);
    // ntpq of xntp3: 12 bytes, version 2, mode 6.
    assert_eq!(ask_bytes(&[0x16, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], 40_000), Outcome::Control);
}
