//! The tables `[[server]]`: each becomes a source after those of `[[source]]`, with chrony's
//! defaults.
//!
//! An address is checked as far as it can be without asking anybody: a name is resolved when the
//! daemon runs, again and again if need be, so a name that nobody knows today is no mistake.

use std::net::{IpAddr, Ipv6Addr};

use toml::Spanned;

use super::check::{Check, DAY, NTP_PORT, flag};
use super::file::{File, Server};
use crate::engine::{Role, ServerPlan, SourcePlan};
use crate::host::plan::Driver;
use crate::sample::SourceId;
use crate::source::association::AssociationPlan;
use crate::source::pairing::Declared;
use crate::time::{Duration, Exponent};
use crate::wire::ntp::{ReferenceId, Version};

impl Check<'_> {
    /// Appends the servers to the sources, in the order of the file.
    pub(super) fn servers(
        &mut self,
        file: &File,
        sources: &mut Vec<SourcePlan>,
        drivers: &mut Vec<Driver>,
    ) {
        let before = file.source.len();
        let too_many = SourceId::COUNT_MAX.checked_sub(before).and_then(|n| file.server.get(n));
        if let Some(table) = too_many {
            let count = before + file.server.len();
            let most = SourceId::COUNT_MAX;
            self.error(&table.span(), format!("{count} sources and servers; at most {most}"));
        }
        for table in &file.server {
            let Some((source, driver)) = self.server(table) else { continue };
            self.asked_once(table, &driver, drivers);
            if let Some(other) = sources.iter().position(|other| other.name == source.name) {
                let name = table.get_ref().name.as_ref();
                let span = name.map_or_else(|| table.span(), Spanned::span);
                let name = &source.name;
                let other = match other.checked_sub(before) {
                    None => format!("source[{other}]"),
                    Some(server) => format!("server[{server}]"),
                };
                let reason = format!("{other} is called \"{name}\" too; give each its `name`");
                self.error(&span, reason);
            }
            sources.push(source);
            drivers.push(driver);
        }
    }

    fn server(&mut self, table: &Spanned<Server>) -> Option<(SourcePlan, Driver)> {
        let server = table.get_ref();
        let Some(key) = &server.address else {
            let reason = "`address` is missing; a name or an address, such as \"ntp.example.org\"";
            self.error(&table.span(), reason);
            return None;
        };
        let address = key.get_ref().clone();
        if let Err(why) = host(&address) {
            self.error(&key.span(), format!("\"{address}\" {why}"));
        }
        let port =
            self.whole(server.port.as_ref(), 1..=u16::MAX, NTP_PORT, "a UDP port is 1..=65535");
        let name = match &server.name {
            Some(key) => self.source_name(key),
            None => called(&address, port),
        };
        let association = self.association(server);
        let source = self.server_source(server, name, &address, &association);
        Some((source, Driver::Server { address, port, association }))
    }

    fn server_source(
        &mut self,
        server: &Server,
        name: String,
        address: &str,
        association: &AssociationPlan,
    ) -> SourcePlan {
        let (prefer, noselect) = self.wishes(server.prefer.as_ref(), server.noselect.as_ref());
        let delay_max = Duration::from_micros(1)..=Duration::from_seconds(16);
        let AssociationPlan { poll_min, poll_max, .. } = *association;
        SourcePlan {
            name,
            // A name has none until it is resolved; the host says it then.
            reference_id: address.parse().map_or([0; 4], |ip| ReferenceId::of_address(ip).0),
            stratum: 0,
            role: Role::Server(ServerPlan {
                poll_min,
                poll_max,
                delay_max: self.time(server.delay_max.as_ref(), delay_max, DELAY_MAX).seconds(),
            }),
            declared: Declared {
                offset: self.time(server.offset.as_ref(), -DAY..=DAY, Duration::ZERO),
                // The server says itself what it may be wrong by, and the round trip the rest.
                uncertainty: 0.0,
                quantization: 0.0,
                grain: Duration::ZERO,
                grain_corrected: 0.0,
            },
            sigma: SIGMA,
            poll: poll_min,
            prefer,
            noselect,
            trust: flag(server.trust.as_ref()),
            distance_max: self.distance_max(server.distance_max.as_ref()),
        }
    }

    fn association(&mut self, server: &Server) -> AssociationPlan {
        let (minpoll, maxpoll) = (server.minpoll.as_ref(), server.maxpoll.as_ref());
        // One that is said alone moves the other's default along.
        let said = |key: Option<&Spanned<i64>>| {
            key.and_then(|key| i8::try_from(*key.get_ref()).ok().filter(|n| POLLS.contains(n)))
        };
        let (least, most) = (MINPOLL.min(said(maxpoll).unwrap_or(MINPOLL)), MAXPOLL);
        let most = most.max(said(minpoll).unwrap_or(MAXPOLL));
        let least = self.whole(minpoll, POLLS, least, POLL_RIGHT);
        let most = self.whole(maxpoll, POLLS, most, POLL_RIGHT);
        if let (true, Some(key)) = (least > most, maxpoll) {
            self.error(&key.span(), format!("is below `minpoll`, which is {least}"));
        }
        let version = server.version.as_ref();
        let version = self.whole(version, 1..=4, 4, "this program speaks versions 1 to 4");
        let interleaved = flag(server.interleaved.as_ref());
        if let (true, true, Some(key)) = (interleaved, version < 4, &server.interleaved) {
            self.error(&key.span(), "only version 4 has interleaved modes; leave `version` out");
        }
        AssociationPlan {
            poll_min: Exponent(least),
            poll_max: Exponent(most),
            iburst: flag(server.iburst.as_ref()),
            burst: flag(server.burst.as_ref()),
            interleaved,
            version: Version::new(version).unwrap_or(Version::V4),
        }
    }

    /// Two associations with one server are one server's word counted twice.
    fn asked_once(&mut self, table: &Spanned<Server>, driver: &Driver, others: &[Driver]) {
        let Driver::Server { address, port, .. } = driver else { return };
        let same = |other: &Driver| match other {
            Driver::Server { address: a, port: p, .. } => {
                a.eq_ignore_ascii_case(address) && p == port
            }
            _ => false,
        };
        if let (true, Some(key)) = (others.iter().any(same), &table.get_ref().address) {
            let reason = "another server has this address and port; ask each server once";
            self.error(&key.span(), reason);
        }
    }
}

/// What a server is called unless it has a name.
fn called(address: &str, port: u16) -> String {
    match port {
        NTP_PORT => address.to_owned(),
        _ if address.contains(':') => format!("[{address}]:{port}"),
        _ => format!("{address}:{port}"),
    }
}

/// What is wrong with a name or address, as far as its letters tell.
fn host(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.len() > HOST_MAX {
        return Err("is no name or address; 1 to 253 characters");
    }
    if text.starts_with('[') {
        return Err("has brackets; an address stands alone and `port` beside it");
    }
    if text.contains("://") {
        return Err("is a link; only the name of the server is wanted");
    }
    let (bare, scope) = text.split_once('%').map_or((text, None), |(a, b)| (a, Some(b)));
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return address(ip, scope);
    }
    match text.matches(':').count() {
        0 => {}
        1 => return Err("names a port; say it with the key `port`"),
        _ => return Err("is no IPv6 address"),
    }
    if scope.is_some() {
        return Err("has a scope; only IPv6 addresses have one");
    }
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err("is no IPv4 address");
    }
    let letters = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    // A name in another script is for whoever runs the resolver to spell in ASCII.
    if !text.bytes().all(letters) || text.starts_with(['-', '.']) || text.contains("..") {
        return Err("is no name of a host; letters, digits, hyphens and single dots");
    }
    Ok(())
}

fn address(ip: IpAddr, scope: Option<&str>) -> Result<(), &'static str> {
    let link_local = matches!(ip, IpAddr::V6(ip) if ip.segments()[0] & 0xffc0 == 0xfe80);
    match scope {
        Some("") => return Err("lacks the interface behind its %"),
        Some(_) if !ip.is_ipv6() => return Err("has a scope; only IPv6 addresses have one"),
        None if link_local => {
            return Err("is of one link; say which by its interface, such as fe80::1%eth0");
        }
        _ => {}
    }
    let broadcast = ip == IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
    let unspecified = ip.is_unspecified() || ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    if ip.is_multicast() || unspecified || broadcast {
        return Err("is no address of one server");
    }
    Ok(())
}

const POLLS: std::ops::RangeInclusive<i8> = -6..=17;
const POLL_RIGHT: &str = "log2 of seconds, -6 (64 a second) to 17 (36 h)";
const MINPOLL: i8 = 6;
const MAXPOLL: i8 = 10;
/// chrony's `maxdelay`.
const DELAY_MAX: Duration = Duration::from_seconds(3);
/// First guess of the noise, one sigma, s; what the path does is learned.
const SIGMA: f64 = 1e-4;
/// RFC 1035 §2.3.4, without the root.
const HOST_MAX: usize = 253;
