//! What one service thread remembers of its clients: a table of fixed size, least recently seen out
//! first.
//!
//! Every client sits in one slot of an array that is allocated once. Two threads run through the
//! slots as indices: a chain per hash bucket to find a client, and one list from the newest to the
//! oldest to find whom to forget. All operations are O(1); a flood of spoofed addresses turns the
//! table over and costs no memory, and a real client that is heard again simply starts anew with an
//! empty bucket. The hash is keyed, so nobody can aim at one chain.
//!
//! ```text
//!   buckets      slots                         newest ─► C ─► A ─► B ◄─ oldest
//!   [ 2 ] ─────► A ─chain─► C                  an eviction takes B, a visit moves to the front
//!   [ 1 ] ─────► B
//! ```

use core::net::IpAddr;

use super::access::{mapped, mask};
use super::interleave::{Departure, Key, Transmission, Transmissions, receive_after};
use super::rate::Pace;
use super::siphash::siphash;
use super::{Counters, Outcome};
use crate::time::{NtpTimestamp, System, Timestamp};
use crate::wire::ntp::{Mode, Version};

/// One service thread's memory. Nobody else touches it.
#[derive(Debug)]
pub struct Clients {
    slots: Vec<Slot>,
    capacity: usize,
    /// Heads of the chains; their count is a power of two.
    buckets: Box<[u32]>,
    newest: u32,
    oldest: u32,
    key: [u64; 2],
    ipv6_prefix: u8,
    counters: Counters,
    transmissions: Transmissions,
}

/// What is known of one client: an IPv4 address, or the IPv6 addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The address it last used; IPv4 is never shown mapped.
    pub address: IpAddr,
    /// When this entry began.
    pub first_seen: Timestamp<System>,
    /// When it last asked.
    pub last_seen: Timestamp<System>,
    /// Requests, answered or not, since this entry began.
    pub requests: u64,
    /// Of those, how many got no time: silence or a kiss.
    pub refused: u64,
    /// Of those, how many got a kiss.
    pub kisses: u64,
    /// Of the last request.
    pub version: Version,
    /// Of the last request.
    pub mode: Mode,
    pub(super) pace: Pace,
    /// The last T2 it was given; zero before the first.
    receive: NtpTimestamp,
}

/// How large the table is and who counts as one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableSize {
    /// Clients remembered; rounded up to a power of two, 16 to 2²².
    pub clients: usize,
    /// IPv6 addresses that agree in so many bits, at most 128, share one entry and one rate limit.
    /// Link-local addresses never share: no router hands out such prefixes.
    pub ipv6_prefix: u8,
}

impl Default for TableSize {
    /// 4096 clients; a /64 is one client, because whoever has one address of it has all.
    fn default() -> Self {
        Self { clients: 4096, ipv6_prefix: 64 }
    }
}

impl Clients {
    /// An empty table with all the memory it will ever use. The key must be random and secret where
    /// strangers may ask.
    pub fn new(size: TableSize, key: [u64; 2]) -> Self {
        let capacity = rounded(size.clients);
        Self {
            slots: Vec::with_capacity(capacity),
            capacity,
            // Twice as many chains as clients: two in five chains hold anybody, few hold two.
            buckets: vec![NOBODY; 2 * capacity].into_boxed_slice(),
            newest: NOBODY,
            oldest: NOBODY,
            key,
            ipv6_prefix: size.ipv6_prefix.min(128),
            counters: Counters::default(),
            transmissions: Transmissions::new(capacity, key),
        }
    }

    /// Tells when a reply truly left: the kernel's or the card's transmit stamp, never a reading of
    /// the clock after sending. Its client is told when it asks for it (RFC 9769 §2).
    pub fn note_sent(&mut self, departure: &Departure, stamp: Timestamp<System>) {
        if let Some(transmission) = departure.at(stamp) {
            let (address, receive) = departure.reply;
            self.transmissions.put(self.key(address, receive), transmission);
        }
    }

    /// When the reply left that had this T2; known once.
    #[cold]
    pub(super) fn take_sent(
        &mut self,
        address: IpAddr,
        receive: NtpTimestamp,
    ) -> Option<Transmission> {
        self.transmissions.take(self.key(address, receive))
    }

    fn key(&self, address: IpAddr, receive: NtpTimestamp) -> Key {
        Key { client: identity(address, self.ipv6_prefix), receive }
    }

    /// Clients remembered now.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether nobody is remembered.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Clients that can be remembered.
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// The clients, the one heard last first.
    pub fn iter(&self) -> impl Iterator<Item = &Client> {
        let first = self.slots.get(index(self.newest));
        core::iter::successors(first, |slot| self.slots.get(index(slot.older)))
            .map(|slot| &slot.client)
    }

    /// What is known of the client that this address belongs to. Not a visit: the order stays.
    pub fn find(&self, address: IpAddr) -> Option<&Client> {
        let identity = identity(address, self.ipv6_prefix);
        self.lookup(identity).map(|at| &self.slots[index(at)].client)
    }

    /// What became of the requests so far.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    pub(super) fn count(&mut self, outcome: Outcome) {
        self.counters.count(outcome);
    }

    pub(super) fn count_unstamped(&mut self) {
        self.counters.unstamped += 1;
    }

    /// Records a request; whoever was heard longest ago makes room for a client not known yet.
    #[inline]
    pub(super) fn visit(
        &mut self,
        address: IpAddr,
        now: Timestamp<System>,
        (version, mode): (Version, Mode),
    ) -> &mut Client {
        let identity = identity(address, self.ipv6_prefix);
        let at = match self.lookup(identity) {
            Some(at) => {
                self.unlink(at);
                at
            }
            None => self.admit(identity, Client::new(address, now, version, mode)),
        };
        self.link_newest(at);
        let client = &mut self.slots[index(at)].client;
        client.address = address.to_canonical();
        client.last_seen = now;
        client.requests += 1;
        (client.version, client.mode) = (version, mode);
        client
    }

    #[inline]
    fn lookup(&self, identity: u128) -> Option<u32> {
        let mut at = self.buckets[self.bucket(identity)];
        while at != NOBODY {
            let slot = &self.slots[index(at)];
            if slot.identity == identity {
                return Some(at);
            }
            at = slot.chain;
        }
        None
    }

    /// Puts a new client into a free slot or the oldest one, and into its chain.
    fn admit(&mut self, identity: u128, client: Client) -> u32 {
        let bucket = self.bucket(identity);
        let slot = |chain| Slot { identity, chain, newer: NOBODY, older: NOBODY, client };
        let at = if self.slots.len() < self.capacity {
            let at = u32::try_from(self.slots.len()).expect("capacity is at most 2²²");
            self.slots.push(slot(self.buckets[bucket]));
            at
        } else {
            let at = self.oldest;
            self.unlink(at);
            self.unchain(at);
            // Only now: the evicted client may have been the head of this very chain.
            self.slots[index(at)] = slot(self.buckets[bucket]);
            at
        };
        self.buckets[bucket] = at;
        at
    }

    /// Takes a slot out of its chain.
    fn unchain(&mut self, at: u32) {
        let Slot { identity, chain: next, .. } = self.slots[index(at)];
        let bucket = self.bucket(identity);
        if self.buckets[bucket] == at {
            self.buckets[bucket] = next;
            return;
        }
        let mut before = self.buckets[bucket];
        while self.slots[index(before)].chain != at {
            before = self.slots[index(before)].chain;
        }
        self.slots[index(before)].chain = next;
    }

    /// Takes a slot out of the list by age.
    fn unlink(&mut self, at: u32) {
        let Slot { newer, older, .. } = self.slots[index(at)];
        match self.slots.get_mut(index(newer)) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
        match self.slots.get_mut(index(older)) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
    }

    fn link_newest(&mut self, at: u32) {
        let before = core::mem::replace(&mut self.newest, at);
        (self.slots[index(at)].newer, self.slots[index(at)].older) = (NOBODY, before);
        match self.slots.get_mut(index(before)) {
            Some(slot) => slot.newer = at,
            None => self.oldest = at,
        }
    }

    fn bucket(&self, identity: u128) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "masked to the count of buckets")]
        let hash = siphash(self.key, identity) as usize;
        hash & (self.buckets.len() - 1)
    }
}

impl Client {
    const fn new(address: IpAddr, now: Timestamp<System>, version: Version, mode: Mode) -> Self {
        Self {
            address,
            first_seen: now,
            last_seen: now,
            requests: 0,
            refused: 0,
            kisses: 0,
            version,
            mode,
            pace: Pace::new(now),
            receive: NtpTimestamp::ZERO,
        }
    }

    /// Whether it was answered before this request.
    pub(super) const fn is_known(&self) -> bool {
        self.requests - self.refused > 1
    }

    /// The T2 of this request, distinct from its others.
    #[inline]
    pub(super) fn date(&mut self, received: NtpTimestamp) -> NtpTimestamp {
        self.receive = receive_after(self.receive, received);
        self.receive
    }
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    identity: u128,
    /// Next in the same bucket.
    chain: u32,
    newer: u32,
    older: u32,
    client: Client,
}

/// One number per client. IPv4 is mapped whole; no masked IPv6 address meets that block, since its
/// last 16 bits before the host part are all ones and those before them all zero.
#[inline]
fn identity(address: IpAddr, ipv6_prefix: u8) -> u128 {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_unicast_link_local() => v6.to_bits() & mask(ipv6_prefix),
        whole => mapped(whole),
    }
}

fn rounded(clients: usize) -> usize {
    clients.clamp(CLIENTS_MIN, CLIENTS_MAX).next_power_of_two()
}

const fn index(at: u32) -> usize {
    at as usize
}

/// No slot: `get` finds nothing there.
const NOBODY: u32 = u32::MAX;
const CLIENTS_MIN: usize = 16;
/// Less than 1 GiB: a slot takes 192 bytes.
const CLIENTS_MAX: usize = 1 << 22;

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, Ipv6Addr};
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;
    use crate::time::Duration;

    const ASKED: (Version, Mode) = (Version::V4, Mode::Client);
    const KEY: [u64; 2] = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210];

    fn clients(clients: usize) -> Clients {
        Clients::new(TableSize { clients, ..TableSize::default() }, KEY)
    }

    fn at(seconds: i64) -> Timestamp<System> {
        Timestamp::EPOCH + Duration::from_seconds(seconds)
    }

    fn v4(n: u32) -> IpAddr {
        Ipv4Addr::from_bits(n).into()
    }

    fn v6(text: &str) -> IpAddr {
        text.parse::<Ipv6Addr>().unwrap().into()
    }

    impl Clients {
        /// Every slot hangs in exactly one chain and stands once in the list, both ways alike.
        fn check(&self) {
            let mut chained = vec![0; self.slots.len()];
            for (bucket, head) in self.buckets.iter().enumerate() {
                let mut at = *head;
                while at != NOBODY {
                    chained[index(at)] += 1;
                    assert_eq!(self.bucket(self.slots[index(at)].identity), bucket);
                    at = self.slots[index(at)].chain;
                }
            }
            assert!(chained.iter().all(|count| *count == 1));
            let (mut forward, mut at, mut newer) = (0, self.newest, NOBODY);
            while at != NOBODY {
                assert_eq!(self.slots[index(at)].newer, newer);
                (newer, at) = (at, self.slots[index(at)].older);
                forward += 1;
            }
            assert_eq!((forward, newer), (self.slots.len(), self.oldest));
        }
    }

    #[test]
    fn a_visit_is_recorded() {
        let mut table = clients(16);
        table.visit(v4(1), at(1), (Version::V3, Mode::SymmetricActive));
        table.visit(v4(2), at(2), ASKED);
        table.visit(v4(1), at(5), ASKED);
        let first = table.find(v4(1)).unwrap();
        assert_eq!((first.requests, first.first_seen, first.last_seen), (2, at(1), at(5)));
        assert_eq!((first.version, first.mode), ASKED);
        assert_eq!(table.find(v4(3)), None);
        assert_eq!(table.iter().map(|c| c.address).collect::<Vec<_>>(), [v4(1), v4(2)]);
    }

    #[test]
    fn one_client_has_one_entry_however_it_is_written() {
        let mut table = clients(16);
        for address in ["::ffff:192.0.2.1", "2001:db8::1", "2001:db8::ffff:0:1", "::1", "fe80::1"] {
            table.visit(v6(address), at(0), ASKED);
        }
        table.visit("192.0.2.1".parse().unwrap(), at(0), ASKED);
        table.visit(v6("2001:db8:0:1::1"), at(0), ASKED);
        // Neighbours on one link share no entry, the hosts of one /64 do.
        table.visit(v6("fe80::2"), at(0), ASKED);
        let requests: Vec<_> = table.iter().map(|c| (c.address.to_string(), c.requests)).collect();
        let expected = [
            ("fe80::2", 1),
            ("2001:db8:0:1::1", 1),
            ("192.0.2.1", 2),
            ("fe80::1", 1),
            ("::1", 1),
            ("2001:db8::ffff:0:1", 2),
        ];
        assert_eq!(requests, expected.map(|(a, n)| (a.to_owned(), n)));
        let whole = TableSize { ipv6_prefix: 128, ..TableSize::default() };
        let mut table = Clients::new(whole, KEY);
        table.visit(v6("2001:db8::1"), at(0), ASKED);
        table.visit(v6("2001:db8::2"), at(0), ASKED);
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn no_prefix_of_ipv6_meets_ipv4() {
        for prefix in 0..=128 {
            for address in ["::", "::fffe:ffff:ffff", "::1:ffff:0:1", "::ff80:0:0"] {
                assert_ne!(identity(v6(address), prefix), identity(v4(0), prefix), "/{prefix}");
            }
        }
    }

    #[test]
    fn sizes_are_rounded_and_bounded() {
        for (asked, given) in [(0, 16), (17, 32), (4096, 4096), (usize::MAX, 1 << 22)] {
            assert_eq!(rounded(asked), given);
        }
        let table = clients(17);
        assert!(size_of::<Slot>() <= 192, "{}", size_of::<Slot>());
        assert_eq!((table.capacity(), table.slots.capacity(), table.buckets.len()), (32, 32, 64));
    }

    #[test]
    fn a_flood_turns_the_table_over_and_forgets_the_oldest() {
        let mut table = clients(4096);
        let memory = table.slots.capacity();
        let regular = v6("2001:db8::123");
        for n in 0..1_000_000 {
            table.visit(v4(n), at(i64::from(n) / 1000), ASKED);
            // Heard every 4000 requests: within the table's memory, so never forgotten.
            if n % 4000 == 0 {
                table.visit(regular, at(i64::from(n) / 1000), ASKED);
            }
        }
        assert_eq!((table.len(), table.slots.capacity()), (4096, memory));
        assert_eq!(table.find(regular).unwrap().requests, 250);
        assert!(table.find(v4(999_999)).is_some());
        assert!(table.find(v4(999_999 - 4096)).is_none());
        table.check();
    }

    #[test]
    fn chains_stay_short() {
        let mut table = clients(4096);
        for n in 0..4096 {
            table.visit(v4(n << 8), at(0), ASKED);
        }
        let longest = table.buckets.iter().map(|head| {
            core::iter::successors(table.slots.get(index(*head)), |slot| {
                table.slots.get(index(slot.chain))
            })
            .count()
        });
        assert!(longest.max().unwrap() <= 8);
    }

    proptest! {
        /// A list that is searched and shifted, as the definition of "least recently seen" says.
        #[test]
        fn the_table_agrees_with_a_list(visits in prop::collection::vec(0u32..40, 0..300)) {
            let mut table = clients(16);
            let mut list: VecDeque<(u32, u64)> = VecDeque::new();
            for (n, who) in visits.into_iter().enumerate() {
                let seen = list.iter().position(|(other, _)| *other == who);
                let requests = seen.and_then(|place| list.remove(place)).map_or(0, |(_, n)| n);
                list.push_front((who, requests + 1));
                list.truncate(16);
                table.visit(v4(who), at(i64::try_from(n).unwrap()), ASKED);
                table.check();
            }
            let table: Vec<_> = table.iter().map(|c| (c.address, c.requests)).collect();
            let list: Vec<_> = list.into_iter().map(|(who, n)| (v4(who), n)).collect();
            prop_assert_eq!(table, list);
        }
    }
}
