//! SipHash-2-4 of 16 bytes: places clients in the table so that nobody who does not know the key
//! can choose addresses that collide (Aumasson and Bernstein, "SipHash: a fast short-input PRF").
//!
//! The standard library's keyed hasher is deprecated there and its default one changes from process
//! to process; the same seed must give the same run.

/// The hash of `message` (as 16 bytes, little-endian) under a key that is a secret of this process.
pub(crate) const fn siphash(key: [u64; 2], message: u128) -> u64 {
    let mut v = [
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    ];
    #[expect(clippy::cast_possible_truncation, reason = "the halves of the message")]
    let words = [message as u64, (message >> 64) as u64, MESSAGE_BYTES << 56];
    let mut index = 0;
    while index < words.len() {
        v[3] ^= words[index];
        v = round(round(v));
        v[0] ^= words[index];
        index += 1;
    }
    v[2] ^= 0xff;
    v = round(round(round(round(v))));
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

const fn round([a, b, c, d]: [u64; 4]) -> [u64; 4] {
    let a = a.wrapping_add(b);
    let c = c.wrapping_add(d);
    let b = b.rotate_left(13) ^ a;
    let d = d.rotate_left(16) ^ c;
    let a = a.rotate_left(32);
    let c = c.wrapping_add(b);
    let a = a.wrapping_add(d);
    let b = b.rotate_left(17) ^ c;
    let d = d.rotate_left(21) ^ a;
    [a, b, c.rotate_left(32), d]
}

const MESSAGE_BYTES: u64 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_vector_of_sixteen_bytes() {
        // `vectors_sip64[16]` of the reference implementation: key and message count 00, 01, 02, …
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let message = u128::from_le_bytes(core::array::from_fn(|i| u8::try_from(i).unwrap()));
        let expected = [0xdb, 0x9b, 0xc2, 0x57, 0x7f, 0xcc, 0x2a, 0x3f];
        assert_eq!(siphash(key, message), u64::from_le_bytes(expected));
    }

    #[test]
    #[expect(deprecated, reason = "the standard library's SipHash-2-4 as a second opinion")]
    fn agrees_with_the_standard_library() {
        use core::hash::{Hasher, SipHasher};
        for n in 0..1000u64 {
            let key = [n.wrapping_mul(0x9e37_79b9_7f4a_7c15), !n];
            let message = u128::from(n) << 60 | u128::from(key[0]);
            let mut other = SipHasher::new_with_keys(key[0], key[1]);
            other.write(&message.to_le_bytes());
            assert_eq!(siphash(key, message), other.finish());
        }
    }
}
