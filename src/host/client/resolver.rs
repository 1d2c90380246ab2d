//! Names to addresses, on a thread of its own for each name: a resolver may be silent for half a
//! minute, and nobody who keeps time waits for it.
//!
//! A name that nobody knows now, or a network that is down, is asked for again with growing pauses.
//! The thread is not waited for at the end: it holds nothing but its end of a ring.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Builder;
use std::time::{Duration as Pause, Instant};

use maser_kernel::event::{EventFd, Interest, Watch, wait};
use tracing::{info, warn};

use crate::pipe::{Consumer, Producer, Put, Take, Words, ring};

/// A name's resolver: the end that asks.
#[derive(Debug)]
pub(super) struct Resolver {
    bell: Arc<EventFd>,
    found: Consumer<Found>,
}

/// What a name means: a few addresses in the resolver's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    count: usize,
    addresses: [SocketAddr; Self::MAX],
}

/// Whose name it is.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The operator's name for the server.
    pub name: String,
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl Resolver {
    /// Begins to resolve, at once and whenever asked again.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn start(asked: Asked, stop: Arc<AtomicBool>) -> Result<Self, String> {
        let (producer, found) = ring(FOUND_WAITING);
        let bell = Arc::new(EventFd::new().map_err(|error| error.to_string())?);
        if let Ok(ip) = asked.host.parse::<IpAddr>() {
            // Nobody needs to be asked, and nothing changes.
            let mut producer = producer;
            let _ = producer.push(Found::of(&[SocketAddr::new(ip, asked.port)]));
            return Ok(Self { bell, found });
        }
        let name = format!("maser-name-{}", asked.name);
        let run = {
            let bell = Arc::clone(&bell);
            move || resolve(&asked, producer, &bell, &stop)
        };
        // Longer names are cut by the kernel.
        let spawned = Builder::new().name(name.replace('\0', "")).spawn(run);
        spawned.map_err(|error| format!("a thread for names: {error}"))?;
        Ok(Self { bell, found })
    }

    /// Asks anew.
    pub fn ask(&self) {
        self.bell.ring();
    }

    /// What was found since the last look.
    pub fn poll(&mut self) -> Option<Found> {
        let mut latest = None;
        while let Some(found) = self.found.pop() {
            latest = Some(found);
        }
        latest
    }
}

fn resolve(asked: &Asked, mut found: Producer<Found>, bell: &EventFd, stop: &AtomicBool) {
    let mut known = None;
    let mut pause = PAUSE_MIN;
    let mut complained = false;
    // None: the name is known, and nobody wants to know more.
    let mut due = Some(Instant::now());
    while !stop.load(Ordering::Relaxed) {
        let left = due.map_or(LOOK, |due| due.saturating_duration_since(Instant::now()));
        let mut watch = [Watch::new(std::os::fd::AsFd::as_fd(bell), Interest::Read)];
        let rung = wait(&mut watch, Some(left.min(LOOK))).unwrap_or(0) > 0 && bell.clear();
        // One that fails is not asked more often because somebody is impatient.
        due = due.or_else(|| rung.then(Instant::now));
        if due.is_none_or(|due| Instant::now() < due) {
            continue;
        }
        match (asked.host.as_str(), asked.port).to_socket_addrs() {
            Ok(addresses) => {
                let new = Found::of(&addresses.collect::<Vec<SocketAddr>>());
                if known.replace(new) != Some(new) {
                    let list: Vec<String> =
                        new.addresses().iter().map(|address| address.ip().to_string()).collect();
                    info!("{}: {} is {}", asked.name, asked.host, list.join(", "));
                }
                // Full only if nobody listens any more.
                let _ = found.push(new);
                (due, pause, complained) = (None, PAUSE_MIN, false);
            }
            Err(error) => {
                if !complained {
                    warn!("{}: {}: {error}; trying again", asked.name, asked.host);
                }
                complained = true;
                due = Some(Instant::now() + pause);
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

impl Found {
    /// More addresses of one server than anybody waits for.
    pub const MAX: usize = 8;

    /// The first few of these, each once.
    pub fn of(addresses: &[SocketAddr]) -> Self {
        let mut found = Self { count: 0, addresses: [NOWHERE; Self::MAX] };
        for address in addresses {
            if !found.addresses().contains(address) && found.count < Self::MAX {
                found.addresses[found.count] = *address;
                found.count += 1;
            }
        }
        found
    }

    /// In the resolver's order.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses[..self.count]
    }
}

impl Words for Found {
    type Row = [u64; 1 + 3 * Self::MAX];

    fn put(&self, row: &mut Put<'_>) {
        row.u64(self.count as u64);
        self.addresses.iter().for_each(|address| put(row, *address));
    }

    fn take(row: &mut Take<'_>) -> Self {
        let count = usize::try_from(row.u64()).unwrap_or(0).min(Self::MAX);
        Self { count, addresses: core::array::from_fn(|_| take(row)) }
    }
}

/// Three words: family, port and scope; the address.
pub(super) fn put(row: &mut Put<'_>, address: SocketAddr) {
    let (scope, family, ip) = match address {
        SocketAddr::V4(v4) => (0, 4, v4.ip().to_ipv6_mapped()),
        SocketAddr::V6(v6) => (v6.scope_id(), 6, *v6.ip()),
    };
    row.u64(u64::from(scope) << 32 | u64::from(address.port()) << 16 | family);
    row.i128(i128::from_be_bytes(ip.octets()));
}

/// The inverse of [`put`].
pub(super) fn take(row: &mut Take<'_>) -> SocketAddr {
    let [family, _, port_low, port_high, scope @ ..] = row.u64().to_le_bytes();
    let port = u16::from_le_bytes([port_low, port_high]);
    let ip = Ipv6Addr::from(row.i128().to_be_bytes());
    match (family, ip.to_ipv4_mapped()) {
        (4, Some(v4)) => (v4, port).into(),
        _ => SocketAddrV6::new(ip, port, 0, u32::from_le_bytes(scope)).into(),
    }
}

pub(super) const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
const FOUND_WAITING: usize = 4;
/// The end is noticed within this time.
const LOOK: Pause = Pause::from_secs(1);
const PAUSE_MIN: Pause = Pause::from_secs(1);
const PAUSE_MAX: Pause = Pause::from_secs(64);

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(host: &str) -> Asked {
        Asked { name: "test".to_owned(), host: host.to_owned(), port: 123 }
    }

    fn wait_for(resolver: &mut Resolver) -> Found {
        for _ in 0..500 {
            if let Some(found) = resolver.poll() {
                return found;
            }
            std::thread::sleep(Pause::from_millis(10));
        }
        panic!("nothing was found");
    }

    #[test]
    fn an_address_needs_no_resolver() {
        let stop = Arc::new(AtomicBool::new(true));
        let mut resolver = Resolver::start(asked("2001:db8::1"), stop).unwrap();
        let expected = "[2001:db8::1]:123".parse().unwrap();
        assert_eq!(resolver.poll().unwrap().addresses(), [expected]);
        assert_eq!(resolver.poll(), None);
    }

    #[test]
    fn a_name_is_resolved_and_again_when_asked() {
        let stop = Arc::new(AtomicBool::new(false));
        let mut resolver = Resolver::start(asked("localhost"), Arc::clone(&stop)).unwrap();
        let found = wait_for(&mut resolver);
        assert!(found.addresses().iter().all(|address| address.ip().is_loopback()));
        resolver.ask();
        assert_eq!(wait_for(&mut resolver), found);
        stop.store(true, Ordering::Relaxed);
    }

    #[test]
    fn a_few_addresses_each_once() {
        let many: Vec<SocketAddr> = (0..20).map(|n| ([10, 0, 0, n / 2], 123).into()).collect();
        let found = Found::of(&many);
        assert_eq!(found.addresses().len(), Found::MAX);
        assert_eq!(found.addresses()[7], ([10, 0, 0, 7], 123).into());
    }

    #[test]
    fn addresses_travel_through_a_ring() {
        let scoped = SocketAddrV6::new("fe80::1".parse().unwrap(), 123, 0, 0xdead_beef);
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:1".parse().unwrap();
        let addresses = [scoped.into(), "192.0.2.1:65535".parse().unwrap(), mapped];
        let (mut producer, mut consumer) = ring(2);
        producer.push(Found::of(&addresses)).unwrap();
        assert_eq!(consumer.pop().unwrap().addresses(), addresses);
    }
}
