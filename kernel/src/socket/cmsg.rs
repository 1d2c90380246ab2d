//! Control messages: what rides beside a datagram, as checked functions over bytes.
//!
//! ```text
//!  0        8      12     16              len      len rounded up to 8
//!  ├ len u64┼ level┼ kind ┼ payload ──────┤ padding ┤ next header
//! ```
//! cmsg(3) describes macros that follow `len` wherever it points. Here a length that does not fit
//! what is left ends the walk with an error, so that a short or odd buffer cannot be read past its
//! end, and cannot stall the walk.

/// Walks the control messages in a buffer. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

/// One control message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Protocol level, for example `SOL_SOCKET`.
    pub level: i32,
    /// Meaning within the level.
    pub kind: i32,
    /// The bytes after the header, unaligned.
    pub payload: &'a [u8],
}

/// A length that is shorter than its header or longer than what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl<'a> Messages<'a> {
    /// The messages in `control`, which holds exactly the bytes the kernel filled.
    pub fn new(control: &'a [u8]) -> Self {
        Self { rest: control }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        // Less than a header is padding after the last message, as in CMSG_NXTHDR.
        let (header, _) = self.rest.split_first_chunk::<HEADER>()?;
        let length = usize::from_ne_bytes(field(header, 0));
        if length < HEADER || length > self.rest.len() {
            self.rest = &[];
            return Some(Err(Malformed));
        }
        let message = Message {
            level: i32::from_ne_bytes(field(header, 8)),
            kind: i32::from_ne_bytes(field(header, 12)),
            payload: &self.rest[HEADER..length],
        };
        // The last message need not be padded.
        self.rest = self.rest.get(aligned(length)..).unwrap_or(&[]);
        Some(Ok(message))
    }
}

/// Writes control messages one after another into a fixed buffer.
#[derive(Debug)]
pub struct Encoder<'a> {
    buffer: &'a mut [u8],
    length: usize,
}

/// The buffer has no room for the message; nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl<'a> Encoder<'a> {
    /// An encoder that fills `buffer` from its start.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, length: 0 }
    }

    /// Appends one message, padded with zeroes.
    pub fn push(&mut self, level: i32, kind: i32, payload: &[u8]) -> Result<(), Full> {
        let end = HEADER + payload.len();
        let room = &mut self.buffer[self.length..];
        let slot = room.get_mut(..aligned(end)).ok_or(Full)?;
        slot[..8].copy_from_slice(&end.to_ne_bytes());
        slot[8..12].copy_from_slice(&level.to_ne_bytes());
        slot[12..16].copy_from_slice(&kind.to_ne_bytes());
        slot[HEADER..end].copy_from_slice(payload);
        slot[end..].fill(0);
        self.length += slot.len();
        Ok(())
    }

    /// Bytes written: the value for `msg_controllen`.
    pub fn length(&self) -> usize {
        self.length
    }
}

/// `N` bytes of `payload` at `offset`, if it is that long.
pub(super) fn bytes_at<const N: usize>(payload: &[u8], offset: usize) -> Option<[u8; N]> {
    payload.get(offset..)?.first_chunk().copied()
}

fn field<const N: usize>(header: &[u8; HEADER], offset: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&header[offset..offset + N]);
    bytes
}

const fn aligned(length: usize) -> usize {
    length.next_multiple_of(8)
}

/// A length (8), a level (4), a kind (4): `struct cmsghdr` of 64-bit Linux.
const HEADER: usize = size_of::<libc::cmsghdr>();

#[cfg(test)]
mod tests {
    use super::*;

    /// A message written by hand: the length field says `length`, whatever the payload's is.
    fn raw(length: usize, level: i32, kind: i32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }

    fn walk(control: &[u8]) -> Vec<Result<(i32, i32, Vec<u8>), Malformed>> {
        // A walk that never ends must fail, not hang.
        let messages = Messages::new(control).take(1000);
        messages.map(|m| m.map(|m| (m.level, m.kind, m.payload.to_vec()))).collect()
    }

    #[test]
    fn layout_is_the_c_librarys() {
        assert_eq!(HEADER, 16);
        let mut buffer = [0xff; 64];
        let mut encoder = Encoder::new(&mut buffer);
        encoder.push(1, 2, &[3, 4, 5]).unwrap();
        assert_eq!(encoder.length(), 24);
        assert_eq!(buffer[..24], raw(19, 1, 2, &[3, 4, 5]));
        assert_eq!(buffer[24..], [0xff; 40], "wrote past its message");
    }

    #[test]
    fn several_messages_come_back_in_order() {
        let mut buffer = [0; 72];
        let mut encoder = Encoder::new(&mut buffer);
        encoder.push(1, 37, &[7; 8]).unwrap();
        encoder.push(0, 8, &[]).unwrap();
        encoder.push(41, 50, &[9; 1]).unwrap();
        let length = encoder.length();
        assert_eq!(encoder.push(1, 1, &[]), Err(Full));
        assert_eq!(
            walk(&buffer[..length]),
            [Ok((1, 37, vec![7; 8])), Ok((0, 8, vec![])), Ok((41, 50, vec![9]))]
        );
    }

    #[test]
    fn an_encoder_out_of_room_writes_nothing() {
        for room in 0..24 {
            let mut buffer = vec![0xee; room];
            let mut encoder = Encoder::new(&mut buffer);
            assert_eq!(encoder.push(1, 2, &[3]), Err(Full), "{room}");
            assert_eq!(encoder.length(), 0);
            assert!(buffer.iter().all(|&byte| byte == 0xee));
        }
    }

    #[test]
    fn nothing_and_padding_are_no_message() {
        for length in 0..16 {
            assert_eq!(walk(&vec![0; length]), []);
        }
    }

    #[test]
    fn zero_and_short_lengths_end_the_walk() {
        for length in 0..16 {
            assert_eq!(walk(&raw(length, 1, 2, &[0; 32])), [Err(Malformed)], "{length}");
        }
    }

    #[test]
    fn absurd_lengths_end_the_walk() {
        for length in [49, 50, 1 << 31, 1 << 32, usize::MAX / 2, usize::MAX - 7, usize::MAX] {
            assert_eq!(walk(&raw(length, 1, 2, &[0; 32])), [Err(Malformed)], "{length}");
        }
    }

    #[test]
    fn a_good_message_before_a_bad_one_is_kept() {
        let mut control = raw(20, 1, 40, &[1, 2, 3, 4]);
        control.extend(raw(4, 1, 40, &[]));
        control.extend(raw(20, 1, 40, &[5, 6, 7, 8]));
        assert_eq!(walk(&control), [Ok((1, 40, vec![1, 2, 3, 4])), Err(Malformed)]);
    }

    #[test]
    fn a_length_over_the_next_header_takes_it_as_payload() {
        let mut control = raw(40, 1, 40, &[1; 8]);
        control.extend(raw(16, 9, 9, &[]));
        let messages = walk(&control);
        assert_eq!(messages.len(), 1, "{messages:?}");
        assert_eq!(messages[0].as_ref().unwrap().2.len(), 24);
    }

    #[test]
    fn every_truncation_of_a_buffer_is_walked_safely() {
        let mut control = raw(20, 1, 40, &[1, 2, 3, 4]);
        control.extend(raw(28, 0, 8, &[5; 12]));
        for length in 0..=control.len() {
            let messages = walk(&control[..length]);
            // 20 bytes hold the first message whole, its padding is not needed.
            assert_eq!(messages.first().is_some_and(Result::is_ok), length >= 20, "{length}");
            assert_eq!(messages.get(1).is_some_and(Result::is_ok), length >= 24 + 28, "{length}");
        }
    }

    #[test]
    fn payload_fields_are_bounded() {
        assert_eq!(bytes_at::<4>(&[0, 1, 2, 3, 4], 1), Some([1, 2, 3, 4]));
        assert_eq!(bytes_at::<4>(&[0, 1, 2, 3, 4], 2), None);
        assert_eq!(bytes_at::<4>(&[0], usize::MAX), None);
    }
}
