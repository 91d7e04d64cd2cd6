// SPDX-License-Identifier: GPL-2.0

//! The TCP header (RFC 9293).

use crate::{be16, be32, Malformed};

/// The control bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// The last segment of its sender.
    pub const fn fin(self) -> bool {
        self.0 & 0x01 != 0
    }

    /// The first segment of its sender.
    pub const fn syn(self) -> bool {
        self.0 & 0x02 != 0
    }

    /// The connection is over.
    pub const fn rst(self) -> bool {
        self.0 & 0x04 != 0
    }

    /// The acknowledgement number counts.
    pub const fn ack(self) -> bool {
        self.0 & 0x10 != 0
    }

    /// A segment in the middle of a connection: it acknowledges, and neither begins nor ends anything.
    pub const fn is_midstream(self) -> bool {
        self.0 & 0x17 == 0x10
    }
}

/// A header, read in place.
#[derive(Clone, Copy, Debug)]
pub struct Tcp<'a> {
    bytes: &'a [u8],
    header_len: usize,
}

impl<'a> Tcp<'a> {
    /// Bytes of a header without options.
    pub const MIN: usize = 20;
    /// Bytes of options there may be.
    pub const MAX_OPTIONS: usize = 40;
    /// Offset of the sequence number.
    pub const SEQ: usize = 4;
    /// Offset of the acknowledgement number.
    pub const ACK: usize = 8;
    /// Offset of the header's length and the control bits.
    pub const OFFSET_FLAGS: usize = 12;
    /// Offset of the checksum field.
    pub const CHECK: usize = 16;

    /// Reads the fixed part of a header; options may be missing from `bytes`.
    #[inline]
    pub fn parse_fixed(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let &offset = bytes.get(Self::OFFSET_FLAGS).ok_or(Malformed)?;
        let header_len = usize::from(offset >> 4) << 2;
        if bytes.len() < Self::MIN || header_len < Self::MIN {
            return Err(Malformed);
        }
        Ok(Self { bytes, header_len })
    }

    /// Reads a header that must be there with all its options.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        Self::parse_fixed(bytes).and_then(|header| match bytes.len() < header.header_len {
            true => Err(Malformed),
            false => Ok(header),
        })
    }

    /// Bytes of the header, options included.
    #[inline]
    pub fn header_len(&self) -> usize {
        self.header_len
    }

    /// Source and destination port.
    #[inline]
    pub fn ports(&self) -> (u16, u16) {
        (
            be16(self.bytes, 0).unwrap_or(0),
            be16(self.bytes, 2).unwrap_or(0),
        )
    }

    /// The sequence number.
    #[inline]
    pub fn seq(&self) -> u32 {
        be32(self.bytes, Self::SEQ).unwrap_or(0)
    }

    /// The acknowledgement number.
    #[inline]
    pub fn ack(&self) -> u32 {
        be32(self.bytes, Self::ACK).unwrap_or(0)
    }

    /// The control bits.
    #[inline]
    pub fn flags(&self) -> Flags {
        Flags(self.bytes.get(13).copied().unwrap_or(0))
    }

    /// The options, as far as they are in `bytes`.
    #[inline]
    pub fn options(&self) -> &'a [u8] {
        let end = self.header_len.min(self.bytes.len());
        self.bytes.get(Self::MIN..end).unwrap_or(&[])
    }

    /// The first words of the header with another length: bytes 12 and 13.
    #[inline]
    pub fn offset_flags(&self, header_len: usize) -> [u8; 2] {
        let [offset, flags] = self
            .bytes
            .get(Self::OFFSET_FLAGS..)
            .and_then(<[u8]>::first_chunk)
            .copied()
            .unwrap_or_default();
        // CAST: A header is at most 60 bytes long.
        [(offset & 0x0f) | ((header_len as u8) << 2), flags]
    }
}
