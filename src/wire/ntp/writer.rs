//! Appends extension fields and an authenticator to a packet (RFC 7822 §3).
//!
//! The packet is built in a buffer of the caller's. What does not fit is refused and leaves the
//! packet as it was.

use core::error::Error;
use core::fmt;

use super::extension::{FIELD_MIN, LAST_FIELD_MIN};
use super::{FieldType, Header};

/// A packet under construction: a header, and room behind it.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    length: usize,
}

impl<'a> Writer<'a> {
    /// Begins a packet with its header.
    ///
    /// # Errors
    /// [`Full`] if the buffer does not hold a header.
    #[inline]
    pub fn new(buffer: &'a mut [u8], header: &Header) -> Result<Self, Full> {
        let out = buffer.first_chunk_mut().ok_or(Full)?;
        header.write(out);
        Ok(Self { buffer, length: Header::LENGTH })
    }

    /// Appends a field, its body padded with zeros to a multiple of 4 and to 16 bytes in all.
    ///
    /// # Errors
    /// [`Full`] if the buffer or a 16-bit length does not hold the field.
    pub fn field(&mut self, kind: FieldType, body: &[u8]) -> Result<(), Full> {
        self.padded(kind, body, FIELD_MIN)
    }

    /// The same for the last field of a packet that gets no MAC: at least 28 bytes in all.
    ///
    /// # Errors
    /// [`Full`] if the buffer or a 16-bit length does not hold the field.
    pub fn last_field(&mut self, kind: FieldType, body: &[u8]) -> Result<(), Full> {
        self.padded(kind, body, LAST_FIELD_MIN)
    }

    /// Appends an authenticator. An empty digest with key id 0 is a crypto-NAK.
    ///
    /// # Errors
    /// [`Full`] if the buffer does not hold it.
    pub fn mac(&mut self, key_id: u32, digest: &[u8]) -> Result<(), Full> {
        let out = self.grow(4 + digest.len())?;
        out[..4].copy_from_slice(&key_id.to_be_bytes());
        out[4..].copy_from_slice(digest);
        Ok(())
    }

    /// The packet so far: what a MAC covers.
    #[inline]
    pub fn packet(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    /// Ends the packet and tells its length.
    #[inline]
    pub fn finish(self) -> usize {
        self.length
    }

    fn padded(&mut self, kind: FieldType, body: &[u8], length_min: usize) -> Result<(), Full> {
        let length = (4 + body.len()).next_multiple_of(4).max(length_min);
        let on_wire = u16::try_from(length).map_err(|_| Full)?;
        let out = self.grow(length)?;
        out[..2].copy_from_slice(&kind.0.to_be_bytes());
        out[2..4].copy_from_slice(&on_wire.to_be_bytes());
        out[4..4 + body.len()].copy_from_slice(body);
        out[4 + body.len()..].fill(0);
        Ok(())
    }

    fn grow(&mut self, by: usize) -> Result<&mut [u8], Full> {
        let out = self.buffer[self.length..].get_mut(..by).ok_or(Full)?;
        self.length += by;
        Ok(out)
    }
}

/// The buffer has no room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the packet's buffer is full")
    }
}

impl Error for Full {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::ntp::{Authenticator, Extensions, Version};

    fn header() -> Header {
        Header::parse(&[0x24; 48]).unwrap().0
    }

    #[test]
    fn a_field_stands_as_the_rfc_draws_it() {
        let mut buffer = [0xff; 96];
        let mut writer = Writer::new(&mut buffer, &header()).unwrap();
        writer.field(FieldType(0x0104), &[1, 2, 3, 4, 5]).unwrap();
        writer.last_field(FieldType(0xf323), &[9]).unwrap();
        let length = writer.finish();
        assert_eq!(length, 48 + 16 + 28);
        assert_eq!(buffer[..48], [0x24; 48]);
        assert_eq!(buffer[48..64], [1, 4, 0, 16, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(buffer[64..69], [0xf3, 0x23, 0, 28, 9]);
        assert_eq!(buffer[69..length], [0; 23]);
        assert_eq!(buffer[length..], [0xff; 4]);
    }

    #[test]
    fn what_does_not_fit_leaves_the_packet_alone() {
        assert_eq!(Writer::new(&mut [0; 47], &header()).unwrap_err(), Full);
        let mut buffer = [0; 48 + 19];
        let mut writer = Writer::new(&mut buffer, &header()).unwrap();
        assert_eq!(writer.mac(1, &[0; 16]), Err(Full));
        assert_eq!(writer.last_field(FieldType(1), &[]), Err(Full));
        writer.field(FieldType(1), &[]).unwrap();
        assert_eq!(writer.field(FieldType(1), &[]), Err(Full));
        assert_eq!(writer.packet().len(), 64);
        let mut buffer = vec![0; 80_000];
        let mut writer = Writer::new(&mut buffer, &header()).unwrap();
        assert_eq!(writer.field(FieldType(1), &[0; 65_532]), Err(Full));
        writer.field(FieldType(1), &[0; 65_528]).unwrap();
        assert_eq!(writer.packet().len(), 48 + 65_532);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            bodies in proptest::collection::vec(
                (1u16.., proptest::collection::vec(any::<u8>(), 0..70)), 0..6),
            key_id: u32,
            digest in proptest::option::of(any::<[u8; 20]>()),
        ) {
            let mut buffer = [0; 1024];
            let mut writer = Writer::new(&mut buffer, &header()).unwrap();
            for (i, (kind, body)) in bodies.iter().enumerate() {
                if i + 1 == bodies.len() && digest.is_none() {
                    writer.last_field(FieldType(*kind), body).unwrap();
                } else {
                    writer.field(FieldType(*kind), body).unwrap();
                }
            }
            let covered = writer.packet().len();
            if let Some(digest) = &digest {
                writer.mac(key_id, digest).unwrap();
            }
            let length = writer.finish();
            let got = Extensions::parse(Version::V4, &buffer[48..length]).unwrap();
            prop_assert_eq!(got.covered(), covered);
            prop_assert_eq!(got.fields().count(), bodies.len());
            for (field, (kind, body)) in got.fields().zip(&bodies) {
                prop_assert_eq!(field.kind.0, *kind);
                prop_assert_eq!(&field.body[..body.len()], &body[..]);
                prop_assert!(field.body[body.len()..].iter().all(|&pad| pad == 0));
            }
            let expected = match &digest {
                Some(digest) => Authenticator::Mac { key_id, digest },
                None => Authenticator::None,
            };
            prop_assert_eq!(got.authenticator(), expected);
        }
    }
}
