// SPDX-License-Identifier: GPL-2.0

//! The IPv4 header (RFC 791).

use crate::{be16, Fragment, Malformed};

/// Bytes of a header without options.
pub(crate) const MIN: usize = 20;

/// A header, read in place.
#[derive(Clone, Copy, Debug)]
pub struct Ipv4<'a> {
    bytes: &'a [u8],
    header_len: usize,
}

impl<'a> Ipv4<'a> {
    /// Offset of the checksum field.
    pub const CHECK: usize = 10;
    /// Offset of the source address, which the destination follows.
    pub const ADDRESSES: usize = 12;
    /// Offset of the total length.
    pub const LENGTH: usize = 2;
    /// Offset of the time to live.
    pub const TTL: usize = 8;

    /// Reads the fixed part of a header; options may be missing from `bytes`.
    #[inline]
    pub fn parse_fixed(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (&first, _) = bytes.split_first().ok_or(Malformed)?;
        let header_len = usize::from(first & 0xf) << 2;
        if bytes.len() < MIN || first >> 4 != 4 || header_len < MIN {
            return Err(Malformed);
        }
        let header = Self { bytes, header_len };
        if usize::from(header.total_len()) < header_len {
            return Err(Malformed);
        }
        Ok(header)
    }

    /// Reads a header that must be there with all its options.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        Self::parse_fixed(bytes).and_then(|header| match bytes.len() < header.header_len {
            true => Err(Malformed),
            false => Ok(header),
        })
    }

    /// Bytes of the header, options included: where the transport header starts.
    #[inline]
    pub fn header_len(&self) -> usize {
        self.header_len
    }

    /// Bytes of the datagram, as the header claims.
    #[inline]
    pub fn total_len(&self) -> u16 {
        be16(self.bytes, Self::LENGTH).unwrap_or(0)
    }

    /// The type of service: DSCP and ECN.
    #[inline]
    pub fn tos(&self) -> u8 {
        self.bytes.get(1).copied().unwrap_or(0)
    }

    /// The identification, which fragments share.
    #[inline]
    pub fn id(&self) -> u16 {
        be16(self.bytes, 4).unwrap_or(0)
    }

    /// Whether routers may not fragment it.
    #[inline]
    pub fn dont_fragment(&self) -> bool {
        be16(self.bytes, 6).unwrap_or(0) & 0x4000 != 0
    }

    /// Whether it is a part of a datagram.
    #[inline]
    pub fn is_fragment(&self) -> bool {
        be16(self.bytes, 6).unwrap_or(0) & 0x3fff != 0
    }

    /// Whether it is a part of a datagram other than the first.
    #[inline]
    pub fn is_later_fragment(&self) -> bool {
        be16(self.bytes, 6).unwrap_or(0) & 0x1fff != 0
    }

    /// What is said of a part; `None` for a whole datagram.
    #[inline]
    pub fn fragment(&self) -> Option<Fragment> {
        let place = be16(self.bytes, 6).unwrap_or(0);
        let fragment = Fragment {
            id: u32::from(self.id()),
            offset: place & 0x1fff,
            more: place & 0x2000 != 0,
        };
        fragment.is_part().then_some(fragment)
    }

    /// Hops it may still make.
    #[inline]
    pub fn ttl(&self) -> u8 {
        self.bytes.get(Self::TTL).copied().unwrap_or(0)
    }

    /// The protocol of what follows.
    #[inline]
    pub fn protocol(&self) -> u8 {
        self.bytes.get(9).copied().unwrap_or(0)
    }

    /// Source and destination address.
    #[inline]
    pub fn addresses(&self) -> ([u8; 4], [u8; 4]) {
        let at = |at| self.bytes.get(at..).and_then(<[u8]>::first_chunk).copied();
        (at(12).unwrap_or_default(), at(16).unwrap_or_default())
    }

    /// The options, as far as they are in `bytes`.
    #[inline]
    pub fn options(&self) -> &'a [u8] {
        let end = self.header_len.min(self.bytes.len());
        self.bytes.get(MIN..end).unwrap_or(&[])
    }

    /// What follows the header in `bytes`.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.header_len..).unwrap_or(&[])
    }
}
