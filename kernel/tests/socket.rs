//! Stamped sockets on loopback, on the real kernel.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use maser_kernel::Timespec;
use maser_kernel::clock::{self, ClockId};
use maser_kernel::event::{Interest, Watch, wait};
use maser_kernel::socket::{
    Arena, Envelope, Identification, Local, NoRoom, Notice, Options, Outbox, Outcome, Stage,
    Stamping, TimestampingSocket, TransmitStamp,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

const SOFTWARE: Stamping = Stamping { software: true, hardware: false };
const SECOND: Duration = Duration::from_secs(1);

fn stamped() -> Options {
    Options { stamping: SOFTWARE, ..Options::default() }
}

fn loopback(address: impl Into<IpAddr>, options: &Options) -> (TimestampingSocket, SocketAddr) {
    let socket = TimestampingSocket::bind((address.into(), 0).into(), options).unwrap();
    let address = socket.local_address().unwrap();
    (socket, address)
}

fn plain(to: SocketAddr) -> Envelope {
    Envelope { to, from: None, stamp: false }
}

fn with_stamp(to: SocketAddr) -> Envelope {
    Envelope { to, from: None, stamp: true }
}

fn receive(socket: &TimestampingSocket, arena: &mut Arena) -> usize {
    wait(&mut [Watch::new(socket.as_fd(), Interest::Read)], Some(SECOND)).unwrap();
    socket.receive(arena).unwrap()
}

fn transmit_stamps(socket: &TimestampingSocket, wanted: usize) -> Vec<TransmitStamp> {
    let mut arena = Arena::new(4, 64);
    let mut stamps = Vec::new();
    while stamps.len() < wanted {
        let mut watches = [Watch::new(socket.as_fd(), Interest::Priority)];
        assert_eq!(wait(&mut watches, Some(SECOND)).unwrap(), 1, "no report in 1 s");
        assert!(watches[0].readiness().priority, "SO_SELECT_ERR_QUEUE has no effect");
        while socket.receive_errors(&mut arena).unwrap() > 0 {
            stamps.extend(arena.notices().map(|notice| match notice {
                Notice::Stamp(stamp) => stamp,
                other => panic!("{other:?}"),
            }));
        }
    }
    stamps
}

/// The kernel begins to stamp a moment after the first socket asks: send until it has.
fn warm_up(socket: &mut TimestampingSocket, own: SocketAddr) {
    let mut arena = Arena::new(1, 64);
    for _ in 0..1000 {
        socket.send_to(b"warm-up", plain(own)).unwrap();
        assert_eq!(receive(socket, &mut arena), 1);
        if arena.received(0).unwrap().stamps.software.is_some() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("the kernel never stamps on loopback");
}

fn has_v6_loopback() -> bool {
    let configured = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let present =
        configured.lines().any(|line| line.starts_with("00000000000000000000000000000001"));
    if !present {
        eprintln!("SKIPPED: this machine has no ::1 (/proc/net/if_inet6)");
    }
    present
}

/// Sends ten datagrams with stamps and checks transmit ≤ receive ≤ now, all within a second.
fn stamps_arrive_in_order(address: IpAddr, identification: Option<Identification>) {
    let options = Options { identification, ..stamped() };
    let (mut socket, own) = loopback(address, &options);
    warm_up(&mut socket, own);
    let mut arena = Arena::new(16, 64);
    for round in 0_u8..10 {
        let before = clock::now(ClockId::Realtime);
        let id = socket.send_to(&[round], with_stamp(own)).unwrap().unwrap();
        assert_eq!(id, u32::from(round));
        assert_eq!(receive(&socket, &mut arena), 1);
        let after = clock::now(ClockId::Realtime);
        let received = arena.received(0).unwrap();
        assert_eq!((received.bytes, received.source), (&[round][..], own));
        assert!(!received.truncated && !received.control_truncated);
        let arrival = received.stamps.software.expect("no receive stamp");
        assert_eq!(received.stamps.hardware, None);
        let [departure] = transmit_stamps(&socket, 1)[..] else { panic!("not one stamp") };
        assert_eq!((departure.id, departure.stage), (id, Stage::Sent));
        let departure = departure.stamps.software.expect("no transmit stamp");
        assert!(
            before <= departure && departure <= arrival && arrival <= after,
            "{before:?} {departure:?} {arrival:?} {after:?}"
        );
        assert!(after.nanoseconds_since(before) < 1_000_000_000);
    }
}

#[test]
fn v4_stamps_arrive_in_order() {
    stamps_arrive_in_order(Ipv4Addr::LOCALHOST.into(), None);
}

#[test]
fn v6_stamps_arrive_in_order() {
    if has_v6_loopback() {
        stamps_arrive_in_order(Ipv6Addr::LOCALHOST.into(), None);
    }
}

#[test]
fn ids_counted_by_the_kernel_match_too() {
    stamps_arrive_in_order(Ipv4Addr::LOCALHOST.into(), Some(Identification::Counted));
}

#[test]
fn unasked_datagrams_bring_no_report() {
    let (mut socket, own) = loopback(Ipv4Addr::LOCALHOST, &stamped());
    socket.send_to(b"quiet", plain(own)).unwrap();
    let mut arena = Arena::new(4, 64);
    assert_eq!(receive(&socket, &mut arena), 1);
    assert_eq!(socket.receive_errors(&mut arena).unwrap(), 0);
    assert!(arena.is_empty() && arena.received(0).is_none() && arena.notice(0).is_none());
    // A socket that does not stamp takes the request and promises nothing.
    let (mut bare, own) = loopback(Ipv4Addr::LOCALHOST, &Options::default());
    assert_eq!(bare.send_to(b"bare", with_stamp(own)).unwrap(), None);
}

/// A failure between stamped datagrams must not shift the ids of those after it.
fn ids_survive_failures(identification: Identification) {
    let options = Options { identification: Some(identification), ..stamped() };
    let (mut socket, own) = loopback(Ipv4Addr::LOCALHOST, &options);
    let mut outbox = Outbox::new(8, 70_000);
    let too_long = vec![0; 66_000];
    let nowhere = SocketAddr::from((Ipv4Addr::BROADCAST, 9));
    for bytes in [&b"first"[..], &too_long, b"third"] {
        outbox.push(bytes, with_stamp(own)).unwrap();
    }
    // Broadcasting without SO_BROADCAST is refused by the kernel.
    outbox.push(b"fourth", with_stamp(nowhere)).unwrap();
    outbox.push(b"fifth", with_stamp(own)).unwrap();
    assert_eq!(socket.send(&mut outbox), 3);
    let outcomes: Vec<_> = outbox.outcomes().collect();
    assert_eq!(outcomes[1], Outcome::Failed(libc::EMSGSIZE));
    assert_eq!(outcomes[3], Outcome::Failed(libc::EACCES));
    let ids: Vec<_> = [0, 2, 4]
        .iter()
        .map(|&index| match outcomes[index] {
            Outcome::Sent { id: Some(id) } => id,
            other => panic!("{index}: {other:?}"),
        })
        .collect();
    let stamps: Vec<_> = transmit_stamps(&socket, 3).iter().map(|stamp| stamp.id).collect();
    // The count of the kernel restarts under the reports not yet read, so only the ids after the
    // last failure are exact there.
    match identification {
        Identification::Chosen => assert_eq!(stamps, ids),
        Identification::Counted => assert_eq!(stamps[2], ids[2]),
    }
    let id = socket.send_to(b"sixth", with_stamp(own)).unwrap().unwrap();
    assert_eq!(transmit_stamps(&socket, 1)[0].id, id);
    assert!(socket.send_to(&too_long, with_stamp(own)).is_err());
    let id = socket.send_to(b"eighth", with_stamp(own)).unwrap().unwrap();
    assert_eq!(transmit_stamps(&socket, 1)[0].id, id);
}

#[test]
fn chosen_ids_survive_failures() {
    let (socket, _) = loopback(Ipv4Addr::LOCALHOST, &stamped());
    if socket.identification() == Identification::Counted {
        eprintln!("SKIPPED: this kernel is older than 6.13 and takes no ids");
        return;
    }
    ids_survive_failures(Identification::Chosen);
}

#[test]
fn counted_ids_survive_failures() {
    ids_survive_failures(Identification::Counted);
}

#[test]
fn a_batch_goes_on_after_a_failing_datagram() {
    let (mut socket, own) = loopback(Ipv4Addr::LOCALHOST, &Options::default());
    let mut outbox = Outbox::new(4, 16);
    let nowhere = SocketAddr::from((Ipv4Addr::BROADCAST, 9));
    outbox.push(b"first", plain(own)).unwrap();
    outbox.push(b"second", plain(nowhere)).unwrap();
    outbox.push(b"third", plain("[::1]:9".parse().unwrap())).unwrap();
    let room = outbox.vacant().unwrap();
    room[..6].copy_from_slice(b"fourth");
    assert_eq!(outbox.commit(17, plain(own)), Err(NoRoom));
    outbox.commit(6, plain(own)).unwrap();
    assert_eq!(outbox.push(b"fifth", plain(own)), Err(NoRoom));
    assert_eq!(socket.send(&mut outbox), 2);
    let outcomes: Vec<_> = outbox.outcomes().collect();
    assert_eq!(outcomes[0], Outcome::Sent { id: None });
    assert_eq!(outcomes[1], Outcome::Failed(libc::EACCES));
    assert!(matches!(outcomes[2], Outcome::Failed(_)), "{:?}", outcomes[2]);
    assert_eq!(outcomes[3], Outcome::Sent { id: None });
    // Sending again sends nothing twice.
    assert_eq!(socket.send(&mut outbox), 0);
    let mut arena = Arena::new(8, 16);
    assert_eq!(receive(&socket, &mut arena), 2);
    let bytes: Vec<_> = arena.iter().map(|received| received.bytes.to_vec()).collect();
    assert_eq!(bytes, [&b"first"[..], b"fourth"]);
    outbox.clear();
    assert_eq!(outbox.outcome(0), None);
    assert_eq!(outbox.push(&[0; 17], plain(own)), Err(NoRoom));
    assert!(outbox.is_empty());
}

#[test]
fn a_wildcard_socket_replies_from_where_it_was_asked() {
    let (mut server, bound) = loopback(Ipv4Addr::UNSPECIFIED, &stamped());
    let (mut client, own) = loopback(Ipv4Addr::LOCALHOST, &Options::default());
    let asked = SocketAddr::from(([127, 0, 0, 2], bound.port()));
    client.send_to(b"who?", plain(asked)).unwrap();
    let mut arena = Arena::new(4, 64);
    assert_eq!(receive(&server, &mut arena), 1);
    let question = arena.received(0).unwrap();
    let destination = question.destination.unwrap();
    assert_eq!(destination.address, asked.ip());
    assert_ne!(destination.interface, 0);
    let from = question.reply_from();
    assert_eq!(from, Some(Local { address: asked.ip(), interface: 0 }));
    let mut outbox = Outbox::new(4, 64);
    outbox.push(b"I", Envelope { to: question.source, from, stamp: true }).unwrap();
    assert_eq!(server.send(&mut outbox), 1);
    assert_eq!(receive(&client, &mut arena), 1);
    let answer = arena.received(0).unwrap();
    assert_eq!((answer.bytes, answer.source), (&b"I"[..], asked));
    assert_eq!(answer.destination.unwrap().address, own.ip());
    assert_eq!(transmit_stamps(&server, 1).len(), 1);
}

#[test]
fn a_v6_wildcard_socket_takes_v6_only_and_knows_the_destination() {
    if !has_v6_loopback() {
        return;
    }
    let (mut server, bound) = loopback(Ipv6Addr::UNSPECIFIED, &stamped());
    // The same port of the other family is free: IPV6_V6ONLY is on.
    let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, bound.port()));
    TimestampingSocket::bind(v4, &Options::default()).unwrap();
    let (mut client, own) = loopback(Ipv6Addr::LOCALHOST, &Options::default());
    client.send_to(b"?", plain((Ipv6Addr::LOCALHOST, bound.port()).into())).unwrap();
    let mut arena = Arena::new(4, 64);
    assert_eq!(receive(&server, &mut arena), 1);
    let question = arena.received(0).unwrap();
    assert_eq!(question.source, own);
    assert_eq!(question.destination.unwrap().address, IpAddr::from(Ipv6Addr::LOCALHOST));
    let from = question.reply_from();
    server.send_to(b"!", Envelope { to: own, from, stamp: false }).unwrap();
    assert_eq!(receive(&client, &mut arena), 1);
}

#[test]
fn a_slot_serves_stamped_datagrams_after_one_without() {
    // recvmmsg shrinks msg_controllen to what it used; unless it is set anew, the slot offers the
    // next datagram no room for a stamp and reports MSG_CTRUNC for ever.
    let (mut sender, _) = loopback(Ipv4Addr::LOCALHOST, &stamped());
    let (mut stamping, warm) = loopback(Ipv4Addr::LOCALHOST, &stamped());
    warm_up(&mut stamping, warm);
    let (bare, bare_address) = loopback(Ipv4Addr::LOCALHOST, &Options::default());
    let mut arena = Arena::new(1, 64);
    for round in 0..4 {
        sender.send_to(b"bare", plain(bare_address)).unwrap();
        assert_eq!(receive(&bare, &mut arena), 1);
        assert_eq!(arena.received(0).unwrap().stamps.software, None);
        // An empty error queue and an empty socket leave lengths behind as well.
        assert_eq!(stamping.receive_errors(&mut arena).unwrap(), 0);
        sender.send_to(b"stamped", plain(warm)).unwrap();
        assert_eq!(receive(&stamping, &mut arena), 1);
        let received = arena.received(0).unwrap();
        assert!(!received.control_truncated, "round {round}");
        assert!(received.stamps.software.is_some(), "round {round}");
        assert!(received.destination.is_some(), "round {round}");
    }
}

#[test]
fn a_long_datagram_is_cut_and_says_so() {
    let (mut socket, own) = loopback(Ipv4Addr::LOCALHOST, &Options::default());
    socket.send_to(&[7; 100], plain(own)).unwrap();
    socket.send_to(&[], plain(own)).unwrap();
    let mut arena = Arena::new(4, 64);
    assert_eq!(receive(&socket, &mut arena), 2);
    let long = arena.received(0).unwrap();
    assert!(long.truncated && long.bytes == [7; 64]);
    let empty = arena.received(1).unwrap();
    assert!(!empty.truncated && empty.bytes.is_empty());
}

#[test]
fn drops_are_counted() {
    let options = Options { receive_buffer: Some(4096), ..stamped() };
    let (socket, own) = loopback(Ipv4Addr::LOCALHOST, &options);
    let (mut sender, _) = loopback(Ipv4Addr::LOCALHOST, &Options::default());
    let sent = 500;
    for _ in 0..sent {
        sender.send_to(&[0; 512], plain(own)).unwrap();
    }
    let mut arena = Arena::new(64, 512);
    let mut received = 0;
    while let count @ 1.. = socket.receive(&mut arena).unwrap() {
        assert!(arena.iter().all(|datagram| datagram.overflow.is_none()), "queued before a drop");
        received += count;
    }
    assert!((1..sent).contains(&received), "{received} of {sent} fit into 4096 bytes");
    // The count rides on the next datagram that fits.
    sender.send_to(b"after", plain(own)).unwrap();
    assert_eq!(receive(&socket, &mut arena), 1);
    let overflow = arena.received(0).unwrap().overflow.expect("no count");
    assert_eq!(usize::try_from(overflow).unwrap(), sent - received);
}

#[test]
fn icmp_is_reported_and_not_mistaken_for_a_stamp() {
    let options = Options { report_icmp: true, ..stamped() };
    let (mut socket, _) = loopback(Ipv4Addr::LOCALHOST, &options);
    let (gone, closed) = loopback(Ipv4Addr::LOCALHOST, &Options::default());
    drop(gone);
    let id = socket.send_to(b"anyone?", with_stamp(closed)).unwrap();
    let mut arena = Arena::new(4, 64);
    let (mut stamps, mut refusals) = (0, 0);
    while stamps + refusals < 2 {
        let mut watches = [Watch::new(socket.as_fd(), Interest::Priority)];
        assert_eq!(wait(&mut watches, Some(SECOND)).unwrap(), 1, "no report in 1 s");
        socket.receive_errors(&mut arena).unwrap();
        for notice in arena.notices() {
            match notice {
                Notice::Stamp(stamp) => {
                    assert_eq!(Some(stamp.id), id);
                    stamps += 1;
                }
                Notice::Icmp(error) => {
                    // Port unreachable: type 3, code 3.
                    assert_eq!((error.errno, error.kind, error.code), (libc::ECONNREFUSED, 3, 3));
                    assert_eq!(error.destination, Some(closed));
                    assert_eq!(error.offender, Some(closed.ip()));
                    refusals += 1;
                }
                Notice::Unreadable => panic!("unreadable"),
            }
        }
    }
    assert_eq!((stamps, refusals), (1, 1));
    // The refusal is pending on the socket too; it must fail neither sending nor receiving.
    let (other, address) = loopback(Ipv4Addr::LOCALHOST, &Options::default());
    socket.send_to(b"refused", plain(closed)).unwrap();
    std::thread::sleep(Duration::from_millis(10));
    let mut outbox = Outbox::new(1, 16);
    outbox.push(b"fine", plain(address)).unwrap();
    assert_eq!(socket.send(&mut outbox), 1, "{:?}", outbox.outcome(0));
    assert_eq!(receive(&other, &mut arena), 1);
    socket.send_to(b"refused", plain(closed)).unwrap();
    std::thread::sleep(Duration::from_millis(10));
    assert_eq!(socket.receive(&mut arena).unwrap(), 0);
}

#[test]
fn a_port_is_shared_only_when_asked() {
    let sharing = Options { reuse_port: true, ..Options::default() };
    let (_first, address) = loopback(Ipv4Addr::LOCALHOST, &sharing);
    TimestampingSocket::bind(address, &sharing).unwrap();
    let error = TimestampingSocket::bind(address, &Options::default()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().starts_with(&format!("bind on {address}")), "{error}");
}

#[test]
fn a_device_that_is_not_there_is_named() {
    let options = Options { device: Some("nowhere0".into()), ..Options::default() };
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let error = TimestampingSocket::bind(any, &options).unwrap_err();
    assert!(error.to_string().contains("SO_BINDTODEVICE) on nowhere0"), "{error}");
    let options = Options { device: Some("lo".into()), ..Options::default() };
    TimestampingSocket::bind(any, &options).unwrap();
}

#[test]
fn a_connected_socket_hears_its_peer_only() {
    let (mut peer, peer_address) = loopback(Ipv4Addr::LOCALHOST, &Options::default());
    let (mut stranger, _) = loopback(Ipv4Addr::LOCALHOST, &Options::default());
    let (socket, own) = loopback(Ipv4Addr::LOCALHOST, &Options::default());
    socket.connect(peer_address).unwrap();
    stranger.send_to(b"stranger", plain(own)).unwrap();
    peer.send_to(b"peer", plain(own)).unwrap();
    let mut arena = Arena::new(4, 64);
    assert_eq!(receive(&socket, &mut arena), 1);
    assert_eq!(arena.received(0).unwrap().bytes, b"peer");
    assert!(Timespec::ZERO < clock::now(ClockId::Realtime));
}

/// Binds four sockets to one port of `any` and asks them from many ports of each of `clients`;
/// returns for each client which sockets heard it.
fn hearers(any: IpAddr, server: IpAddr, clients: &[IpAddr]) -> Vec<Vec<usize>> {
    let sharing = Options { reuse_port: true, ..Options::default() };
    let (first, address) = loopback(any, &sharing);
    let mut group = vec![first];
    group.resize_with(4, || TimestampingSocket::bind(address, &sharing).unwrap());
    group[0].steer_by_source(4).unwrap();
    let mut arena = Arena::new(64, 16);
    let ask = |&client: &IpAddr| {
        for _ in 0..16 {
            let (mut socket, _) = loopback(client, &Options::default());
            socket.send_to(b"?", plain((server, address.port()).into())).unwrap();
        }
        let mut heard = Vec::new();
        for (index, socket) in group.iter().enumerate() {
            match socket.receive(&mut arena).unwrap() {
                0 => {}
                count => {
                    assert_eq!(count, 16, "{client} is heard by several sockets");
                    heard.push(index);
                }
            }
        }
        heard
    };
    clients.iter().map(ask).collect()
}

#[test]
fn clients_stay_with_one_socket_whatever_their_port() {
    let clients: Vec<IpAddr> = (1..=32).map(|host| IpAddr::from([127, 1, 0, host])).collect();
    let heard = hearers(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::LOCALHOST.into(), &clients);
    assert!(heard.iter().all(|sockets| sockets.len() == 1), "{heard:?}");
    for socket in 0..4 {
        let share = heard.iter().filter(|sockets| sockets[0] == socket).count();
        assert!((2..=16).contains(&share), "{heard:?}");
    }
}

#[test]
fn v6_clients_stay_with_one_socket_too() {
    if has_v6_loopback() {
        let localhost = IpAddr::from(Ipv6Addr::LOCALHOST);
        let heard = hearers(Ipv6Addr::UNSPECIFIED.into(), localhost, &[localhost]);
        assert_eq!(heard[0].len(), 1, "{heard:?}");
    }
}

#[test]
fn steering_needs_a_shared_port_and_a_count() {
    let sharing = Options { reuse_port: true, ..Options::default() };
    let (socket, _) = loopback(Ipv4Addr::LOCALHOST, &sharing);
    assert_eq!(socket.steer_by_source(0).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    let (alone, _) = loopback(Ipv4Addr::LOCALHOST, &Options::default());
    assert!(alone.steer_by_source(2).is_err());
}
