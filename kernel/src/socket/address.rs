//! Socket addresses as the kernel's bytes: `sockaddr_in` and `sockaddr_in6`.

use super::cmsg::bytes_at;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Room for either address, aligned as the kernel's structs.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub(super) struct Name(pub [u8; Name::ROOM]);

impl Name {
    /// A `sockaddr_in6` and padding.
    pub const ROOM: usize = 32;
    pub const EMPTY: Self = Self([0; Self::ROOM]);

    /// Writes `address` and returns the length to give the kernel.
    pub fn encode(&mut self, address: SocketAddr) -> libc::socklen_t {
        let bytes = &mut self.0;
        bytes.fill(0);
        bytes[2..4].copy_from_slice(&address.port().to_be_bytes());
        match address {
            SocketAddr::V4(v4) => {
                bytes[..2].copy_from_slice(&FAMILY_V4.to_ne_bytes());
                bytes[4..8].copy_from_slice(&v4.ip().octets());
                16
            }
            SocketAddr::V6(v6) => {
                bytes[..2].copy_from_slice(&FAMILY_V6.to_ne_bytes());
                bytes[4..8].copy_from_slice(&v6.flowinfo().to_be_bytes());
                bytes[8..24].copy_from_slice(&v6.ip().octets());
                bytes[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
                28
            }
        }
    }
}

/// Reads the address in `bytes`; `None` for another family or too few bytes.
pub(super) fn decode(bytes: &[u8]) -> Option<SocketAddr> {
    let port = u16::from_be_bytes(bytes_at(bytes, 2)?);
    match u16::from_ne_bytes(bytes_at(bytes, 0)?) {
        FAMILY_V4 => {
            let address = Ipv4Addr::from(bytes_at::<4>(bytes, 4)?);
            Some(SocketAddrV4::new(address, port).into())
        }
        FAMILY_V6 => {
            let flow = u32::from_be_bytes(bytes_at(bytes, 4)?);
            let address = Ipv6Addr::from(bytes_at::<16>(bytes, 8)?);
            let scope = u32::from_ne_bytes(bytes_at(bytes, 24)?);
            Some(SocketAddrV6::new(address, port, flow, scope).into())
        }
        _ => None,
    }
}

/// Whether an address means something on one link only, so that replies must leave by it.
pub(super) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

pub(super) const FAMILY_V4: u16 = 2;
pub(super) const FAMILY_V6: u16 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_libcs() {
        assert_eq!(i32::from(FAMILY_V4), libc::AF_INET);
        assert_eq!(i32::from(FAMILY_V6), libc::AF_INET6);
    }

    #[test]
    fn addresses_come_back_and_short_ones_do_not() {
        let addresses: [SocketAddr; 3] = [
            "192.0.2.7:123".parse().unwrap(),
            "[2001:db8::7]:65535".parse().unwrap(),
            SocketAddrV6::new("fe80::1".parse().unwrap(), 123, 0xabcde, 7).into(),
        ];
        for address in addresses {
            let mut name = Name([0xff; Name::ROOM]);
            let length = usize::try_from(name.encode(address)).unwrap();
            assert_eq!(decode(&name.0[..length]), Some(address));
            // sockaddr_in pads to 16; its last 8 bytes carry nothing.
            let needed = if address.is_ipv4() { 8 } else { 28 };
            for short in 0..needed {
                assert_eq!(decode(&name.0[..short]), None, "{address} in {short}");
            }
        }
        assert_eq!(decode(&[1; 28]), None, "no such family");
    }

    #[test]
    fn link_local_is_by_prefix() {
        for (text, expected) in
            [("169.254.1.1", true), ("10.0.0.1", false), ("fe80::1", true), ("::1", false)]
        {
            assert_eq!(is_link_local(text.parse().unwrap()), expected, "{text}");
        }
    }
}
