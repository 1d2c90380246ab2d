//! MD5 (RFC 1321) of a message that fits into one block: 55 bytes at most.
//!
//! NTP names IPv6 servers by a digest of their address (RFC 5905 §7.3). Nothing is kept secret or
//! whole by it here.

/// The digest.
///
/// # Panics
/// If the message is longer than 55 bytes.
pub(super) fn digest(message: &[u8]) -> [u8; 16] {
    assert!(message.len() <= MESSAGE_MAX, "one block only");
    let mut block = [0; 64];
    block[..message.len()].copy_from_slice(message);
    block[message.len()] = 0x80;
    block[56..].copy_from_slice(&(message.len() as u64 * 8).to_le_bytes());
    let words: [u32; 16] = core::array::from_fn(|n| {
        let word = [block[4 * n], block[4 * n + 1], block[4 * n + 2], block[4 * n + 3]];
        u32::from_le_bytes(word)
    });
    let [mut a, mut b, mut c, mut d] = START;
    for step in 0..64 {
        let (mixed, word) = match step / 16 {
            0 => (b & c | !b & d, step),
            1 => (d & b | !d & c, 5 * step + 1),
            2 => (b ^ c ^ d, 3 * step + 5),
            _ => (c ^ (b | !d), 7 * step),
        };
        let sum = a.wrapping_add(mixed).wrapping_add(words[word % 16]).wrapping_add(constant(step));
        let turned = sum.rotate_left(TURNS[step / 16][step % 4]);
        (a, b, c, d) = (d, b.wrapping_add(turned), b, c);
    }
    let mut out = [0; 16];
    for (n, (start, end)) in START.into_iter().zip([a, b, c, d]).enumerate() {
        out[4 * n..4 * n + 4].copy_from_slice(&start.wrapping_add(end).to_le_bytes());
    }
    out
}

/// ⌊2³² · |sin(step + 1)|⌋ (RFC 1321 §3.4).
fn constant(step: usize) -> u32 {
    let sine = libm::sin((step + 1) as f64).abs();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0..2³²")]
    let constant = (sine * 4_294_967_296.0) as u32;
    constant
}

const MESSAGE_MAX: usize = 55;
const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

#[cfg(test)]
mod tests {
    use core::fmt::Write;

    use super::*;

    /// RFC 1321 §A.5.
    #[test]
    fn the_suite_of_the_rfc() {
        for (message, expected) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("a", "0cc175b9c0f1b6a831c399e269772661"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
        ] {
            let mut hex = String::new();
            for byte in digest(message.as_bytes()) {
                let _ = write!(hex, "{byte:02x}");
            }
            assert_eq!(hex, expected, "{message}");
        }
    }
}
