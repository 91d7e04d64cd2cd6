// SPDX-License-Identifier: GPL-2.0

//! The UDP header (RFC 768).

use crate::{be16, Malformed};

/// A header, read in place.
#[derive(Clone, Copy, Debug)]
pub struct Udp<'a> {
    bytes: &'a [u8; Udp::LEN],
}

impl<'a> Udp<'a> {
    /// Bytes of the header.
    pub const LEN: usize = 8;
    /// Offset of the checksum field.
    pub const CHECK: usize = 6;

    /// Reads a header.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let header = Self {
            bytes: bytes.first_chunk().ok_or(Malformed)?,
        };
        match header.len() < Self::LEN {
            true => Err(Malformed),
            false => Ok(header),
        }
    }

    /// Bytes of the datagram with its header, as the header claims.
    #[inline]
    #[expect(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        usize::from(be16(self.bytes, 4).unwrap_or(0))
    }

    /// Source and destination port.
    #[inline]
    pub fn ports(&self) -> (u16, u16) {
        (
            be16(self.bytes, 0).unwrap_or(0),
            be16(self.bytes, 2).unwrap_or(0),
        )
    }
}
