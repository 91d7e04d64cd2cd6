// SPDX-License-Identifier: GPL-2.0

//! The common header of SCTP (RFC 9260, section 3.1).

use crate::{be16, be32, Malformed};

/// A header, read in place.
#[derive(Clone, Copy, Debug)]
pub struct Sctp<'a> {
    bytes: &'a [u8; Sctp::LEN],
}

impl<'a> Sctp<'a> {
    /// The IP protocol number.
    pub const PROTOCOL: u8 = 132;
    /// Bytes of the header; chunks follow.
    pub const LEN: usize = 12;
    /// Offset of the checksum field, which [`crate::crc32c`] is about.
    pub const CHECK: usize = 8;

    /// Reads a header.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        bytes
            .first_chunk()
            .map(|bytes| Self { bytes })
            .ok_or(Malformed)
    }

    /// Source and destination port.
    #[inline]
    pub fn ports(&self) -> (u16, u16) {
        (
            be16(self.bytes, 0).unwrap_or(0),
            be16(self.bytes, 2).unwrap_or(0),
        )
    }

    /// The verification tag: what the receiver has chosen to know its peer by.
    #[inline]
    pub fn tag(&self) -> u32 {
        be32(self.bytes, 4).unwrap_or(0)
    }

    /// The checksum field.
    #[inline]
    pub fn check(&self) -> [u8; 4] {
        let &[.., a, b, c, d] = self.bytes;
        [a, b, c, d]
    }
}
