//! Who may ask: the rule of the longest prefix that holds an address decides.
//!
//! The rules are flattened once, when the table is built, into the list of addresses at which the
//! decision changes. A lookup is one binary search in that list: no allocation, and at most
//! log2(2 × rules) comparisons.
//!
//! IPv4 lives at `::ffff:0:0/96` (RFC 4291 §2.5.5.2), so an IPv4-mapped address and a mapped prefix
//! mean IPv4. A shorter IPv6 prefix, `::/0` too, says nothing about IPv4.

use core::fmt;
use core::net::{IpAddr, Ipv6Addr};
use core::str::FromStr;

/// What an address may expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// An answer.
    Allow,
    /// A kiss-o'-death `DENY` now and then (RFC 5905 §7.4), silence in between.
    Deny,
    /// Silence.
    Ignore,
}

/// Addresses that begin alike.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// First address, IPv4 mapped into IPv6; the bits beyond `length` are zero.
    base: u128,
    /// Significant bits of `base`, 0..=128.
    length: u8,
}

impl Prefix {
    /// The first `length` bits of `address`; the rest is ignored, as `allow 10.1.2.3/8` of other
    /// servers does.
    ///
    /// # Errors
    /// If the address has fewer bits than that.
    pub fn new(address: IpAddr, length: u8) -> Result<Self, PrefixError> {
        let bits = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        if length > bits {
            return Err(PrefixError::Length { length, bits });
        }
        let length = length + (128 - bits);
        Ok(Self { base: mapped(address) & mask(length), length })
    }

    /// Whether the address begins like this.
    pub fn contains(self, address: IpAddr) -> bool {
        let address = mapped(address);
        // ::/0 and its like hold the mapped block by arithmetic, not by meaning.
        let is_foreign = self.length < IPV4.length && IPV4.holds(address);
        self.holds(address) && !is_foreign
    }

    const fn holds(self, address: u128) -> bool {
        address & mask(self.length) == self.base
    }

    const fn last(self) -> u128 {
        self.base | !mask(self.length)
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    /// `10.0.0.0/8`, `2001:db8::/32`; without a length, the one address.
    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| PrefixError::Address)?;
        let length = match length {
            // `parse` alone would take "+8".
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| PrefixError::Digits)?
            }
            Some(_) => return Err(PrefixError::Digits),
            None if address.is_ipv4() => 32,
            None => 128,
        };
        Self::new(address, length)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Ipv6Addr::from_bits(self.base);
        match address.to_ipv4_mapped() {
            Some(v4) if self.length >= IPV4.length => {
                write!(f, "{v4}/{}", self.length - IPV4.length)
            }
            _ => write!(f, "{address}/{}", self.length),
        }
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a prefix cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefixError {
    /// What stands before the slash is not an IPv4 or IPv6 address.
    Address,
    /// What follows the slash is not a count of bits.
    Digits,
    /// The address has fewer bits.
    Length {
        /// Bits asked for.
        length: u8,
        /// Bits there are.
        bits: u8,
    },
}

impl fmt::Display for PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("not an IPv4 or IPv6 address"),
            Self::Digits => f.write_str("the prefix length is not a number of 0 to 128"),
            Self::Length { length, bits } => {
                write!(f, "prefix length {length}, but the address has {bits} bits")
            }
        }
    }
}

impl core::error::Error for PrefixError {}

/// One line of the operator's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// For whom.
    pub prefix: Prefix,
    /// What.
    pub access: Access,
}

/// Every address's access, ready for lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessTable {
    /// Where the decision changes, ascending; the first entry starts at address 0.
    changes: Vec<Change>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    start: u128,
    access: Access,
}

impl AccessTable {
    /// The longest matching rule decides, of equal prefixes the later one, and `default` where none
    /// matches.
    pub fn new(default: Access, rules: &[Rule]) -> Self {
        let everything = Prefix { base: 0, length: 0 };
        // The default once more for IPv4, so that a rule for ::/0 stops there.
        let defaults = [everything, IPV4].map(|prefix| Rule { prefix, access: default });
        let mut rules = [&defaults, rules].concat();
        // Outer prefixes before inner ones; the sort is stable, so equal ones stay in order.
        rules.sort_by_key(|rule| rule.prefix);

        let mut changes = Vec::with_capacity(2 * rules.len());
        let mut open: Vec<Rule> = Vec::new();
        for rule in rules {
            while let Some(inner) = open.pop_if(|o| !o.prefix.holds(rule.prefix.base)) {
                close(&mut changes, inner.prefix, open.last());
            }
            changes.push(Change { start: rule.prefix.base, access: rule.access });
            open.push(rule);
        }
        while let Some(inner) = open.pop() {
            close(&mut changes, inner.prefix, open.last());
        }
        Self { changes: simplify(&changes) }
    }

    /// Answers everybody.
    pub fn open() -> Self {
        Self::new(Access::Allow, &[])
    }

    /// What this address may expect.
    pub fn of(&self, address: IpAddr) -> Access {
        let address = mapped(address);
        let after = self.changes.partition_point(|change| change.start <= address);
        self.changes[after - 1].access
    }
}

/// Behind a prefix the rule around it holds again.
fn close(changes: &mut Vec<Change>, inner: Prefix, outer: Option<&Rule>) {
    if let (Some(start), Some(outer)) = (inner.last().checked_add(1), outer) {
        changes.push(Change { start, access: outer.access });
    }
}

/// Of changes at one address only the last counts, and only if it does change something.
fn simplify(changes: &[Change]) -> Vec<Change> {
    let mut kept: Vec<Change> = Vec::new();
    for (index, change) in changes.iter().enumerate() {
        let is_overruled = changes.get(index + 1).is_some_and(|next| next.start == change.start);
        if !is_overruled && kept.last().is_none_or(|last| last.access != change.access) {
            kept.push(*change);
        }
    }
    kept
}

/// The address in IPv6's space.
pub(super) const fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The first `length` bits set, 0..=128.
pub(super) const fn mask(length: u8) -> u128 {
    match length {
        0 => 0,
        _ => u128::MAX << (128 - length),
    }
}

/// ::ffff:0:0/96
const IPV4: Prefix = Prefix { base: 0xffff << 32, length: 96 };

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn rule(prefix: &str, access: Access) -> Rule {
        Rule { prefix: prefix.parse().unwrap(), access }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_longest_prefix_wins_whatever_the_order() {
        let rules = [
            rule("10.1.2.3", Access::Allow),
            rule("10.0.0.0/8", Access::Allow),
            rule("10.1.0.0/16", Access::Ignore),
            rule("2001:db8::/32", Access::Allow),
            rule("2001:db8:bad::/48", Access::Deny),
        ];
        let reversed: Vec<Rule> = rules.iter().rev().copied().collect();
        for rules in [&rules[..], &reversed] {
            let table = AccessTable::new(Access::Deny, rules);
            assert_eq!(table.of(ip("10.255.255.255")), Access::Allow);
            assert_eq!(table.of(ip("11.0.0.0")), Access::Deny);
            assert_eq!(table.of(ip("9.255.255.255")), Access::Deny);
            assert_eq!(table.of(ip("10.1.2.2")), Access::Ignore);
            assert_eq!(table.of(ip("10.1.2.3")), Access::Allow);
            assert_eq!(table.of(ip("10.1.2.4")), Access::Ignore);
            assert_eq!(table.of(ip("10.2.0.0")), Access::Allow);
            assert_eq!(table.of(ip("::ffff:10.1.2.3")), Access::Allow);
            assert_eq!(table.of(ip("2001:db8:bad::1")), Access::Deny);
            assert_eq!(table.of(ip("2001:db8:bae::")), Access::Allow);
            assert_eq!(table.of(ip("2001:db9::")), Access::Deny);
        }
    }

    #[test]
    fn of_equal_prefixes_the_later_rule_wins() {
        let rules = [rule("10.0.0.0/8", Access::Deny), rule("10.9.9.9/8", Access::Allow)];
        assert_eq!(AccessTable::new(Access::Ignore, &rules).of(ip("10.0.0.1")), Access::Allow);
        let all = [rule("0.0.0.0/0", Access::Allow), rule("0.0.0.0/0", Access::Ignore)];
        let table = AccessTable::new(Access::Deny, &all);
        assert_eq!(table.of(ip("255.255.255.255")), Access::Ignore);
        assert_eq!(table.of(ip("::1")), Access::Deny);
    }

    #[test]
    fn ipv6_rules_leave_ipv4_alone() {
        let table = AccessTable::new(Access::Ignore, &[rule("::/0", Access::Allow)]);
        assert_eq!(table.of(ip("192.0.2.1")), Access::Ignore);
        assert_eq!(table.of(ip("::ffff:192.0.2.1")), Access::Ignore);
        assert_eq!(table.of(ip("::fffe:ffff:ffff")), Access::Allow);
        assert_eq!(table.of(ip("::1:0:0:0")), Access::Allow);
        assert_eq!(table.of(ip("ffff::1")), Access::Allow);
        let mapped = AccessTable::new(Access::Ignore, &[rule("::ffff:10.0.0.0/104", Access::Deny)]);
        assert_eq!(mapped.of(ip("10.3.4.5")), Access::Deny);
    }

    #[test]
    fn an_empty_list_is_its_default() {
        for default in [Access::Allow, Access::Deny, Access::Ignore] {
            let table = AccessTable::new(default, &[]);
            assert_eq!(table.changes.len(), 1);
            for address in ["0.0.0.0", "255.255.255.255", "::", "ffff:ffff::"] {
                assert_eq!(table.of(ip(address)), default);
            }
        }
        assert_eq!(AccessTable::open().of(ip("::")), Access::Allow);
    }

    #[test]
    fn prefixes_read_and_print() {
        for text in ["10.0.0.0/8", "0.0.0.0/0", "192.0.2.1/32", "2001:db8::/32", "::/0", "::1/128"]
        {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), text);
        }
        assert_eq!("10.1.2.3/8".parse::<Prefix>().unwrap().to_string(), "10.0.0.0/8");
        assert_eq!("192.0.2.7".parse::<Prefix>().unwrap().to_string(), "192.0.2.7/32");
        assert_eq!("::ffff:10.0.0.0/104".parse::<Prefix>().unwrap().to_string(), "10.0.0.0/8");
        for (text, error) in [
            ("10.0.0.0/33", PrefixError::Length { length: 33, bits: 32 }),
            ("::/129", PrefixError::Length { length: 129, bits: 128 }),
            ("10.0.0.0/", PrefixError::Digits),
            ("10.0.0.0/+8", PrefixError::Digits),
            ("10.0.0.0/8/8", PrefixError::Digits),
            ("10.0.0.0/256", PrefixError::Digits),
            ("10.0.0/8", PrefixError::Address),
            ("", PrefixError::Address),
        ] {
            assert_eq!(text.parse::<Prefix>(), Err(error), "{text}");
        }
    }

    /// The definition, read literally.
    fn oracle(default: Access, rules: &[Rule], address: IpAddr) -> Access {
        let matching = rules.iter().filter(|rule| rule.prefix.contains(address));
        // `max_by_key` returns the last of equals.
        matching.max_by_key(|rule| rule.prefix.length).map_or(default, |rule| rule.access)
    }

    fn access() -> impl Strategy<Value = Access> {
        prop_oneof![Just(Access::Allow), Just(Access::Deny), Just(Access::Ignore)]
    }

    /// Few distinct bits, so that prefixes nest and touch.
    fn address() -> impl Strategy<Value = IpAddr> {
        let sparse = prop_oneof![Just(0u8), Just(255), Just(128), Just(1), any::<u8>()];
        let v6 = prop::array::uniform16(sparse.clone()).prop_map(IpAddr::from);
        let v4 = prop::array::uniform4(sparse).prop_map(IpAddr::from);
        let near = (any::<bool>(), 0u32..3).prop_map(|(above, by)| {
            let edge = if above { IPV4.last() } else { IPV4.base.wrapping_sub(1) };
            IpAddr::from(Ipv6Addr::from_bits(edge.wrapping_add(by.into())))
        });
        prop_oneof![v6, v4, near]
    }

    fn prefix() -> impl Strategy<Value = Prefix> {
        (address(), 0u8..=128).prop_map(|(address, length)| {
            let length = if address.is_ipv4() { length % 33 } else { length };
            Prefix::new(address, length).unwrap()
        })
    }

    proptest! {
        #[test]
        fn the_table_agrees_with_a_linear_search(
            default in access(),
            rules in prop::collection::vec(
                (prefix(), access()).prop_map(|(prefix, access)| Rule { prefix, access }),
                0..24,
            ),
            addresses in prop::collection::vec(address(), 1..24),
        ) {
            let table = AccessTable::new(default, &rules);
            prop_assert!(table.changes.len() <= 2 * (rules.len() + 2));
            // Where rules begin and end is where a table errs.
            let edges = rules.iter().flat_map(|rule| {
                let Prefix { base, .. } = rule.prefix;
                let last = rule.prefix.last();
                [base, base.wrapping_sub(1), last, last.wrapping_add(1)]
            });
            let edges = edges.map(|bits| IpAddr::from(Ipv6Addr::from_bits(bits)));
            for address in addresses.into_iter().chain(edges) {
                prop_assert_eq!(table.of(address), oracle(default, &rules, address), "{}", address);
                prop_assert_eq!(table.of(address), table.of(address.to_canonical()));
            }
        }

        #[test]
        fn a_prefix_holds_its_own_addresses(v4 in any::<u32>(), length in 0u8..=32) {
            let address = IpAddr::from(Ipv4Addr::from_bits(v4));
            let prefix = Prefix::new(address, length).unwrap();
            prop_assert!(prefix.contains(address));
            prop_assert_eq!(prefix.to_string().parse::<Prefix>().unwrap(), prefix);
        }
    }
}
