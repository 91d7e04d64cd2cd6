// SPDX-License-Identifier: GPL-2.0

//! The fixed IPv6 header (RFC 8200); [`crate::extensions`] follows.

use crate::{be16, Malformed};

/// A header, read in place.
#[derive(Clone, Copy, Debug)]
pub struct Ipv6<'a> {
    bytes: &'a [u8],
}

impl<'a> Ipv6<'a> {
    /// Bytes of the header.
    pub const LEN: usize = 40;
    /// Offset of the payload length.
    pub const LENGTH: usize = 4;
    /// Offset of the hop limit.
    pub const HOP_LIMIT: usize = 7;
    /// Offset of the source address, which the destination follows.
    pub const ADDRESSES: usize = 8;

    /// Reads a header.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        match bytes.first() {
            Some(first) if first >> 4 == 6 && bytes.len() >= Self::LEN => Ok(Self { bytes }),
            _ => Err(Malformed),
        }
    }

    /// Bytes of the packet, as the header claims.
    #[inline]
    pub fn total_len(&self) -> usize {
        Self::LEN.saturating_add(usize::from(be16(self.bytes, Self::LENGTH).unwrap_or(0)))
    }

    /// The traffic class: DSCP and ECN.
    #[inline]
    pub fn traffic_class(&self) -> u8 {
        let [class, _] = (be16(self.bytes, 0).unwrap_or(0) << 4).to_be_bytes();
        class
    }

    /// The protocol of what follows.
    #[inline]
    pub fn next_header(&self) -> u8 {
        self.bytes.get(6).copied().unwrap_or(0)
    }

    /// Hops it may still make.
    #[inline]
    pub fn hop_limit(&self) -> u8 {
        self.bytes.get(Self::HOP_LIMIT).copied().unwrap_or(0)
    }

    /// Source and destination address.
    #[inline]
    pub fn addresses(&self) -> ([u8; 16], [u8; 16]) {
        let at = |at| self.bytes.get(at..).and_then(<[u8]>::first_chunk).copied();
        (at(8).unwrap_or_default(), at(24).unwrap_or_default())
    }

    /// What follows the header in `bytes`.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(Self::LEN..).unwrap_or(&[])
    }
}
