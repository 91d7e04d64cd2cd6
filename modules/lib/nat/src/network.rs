// SPDX-License-Identifier: GPL-2.0

//! What translation wants to know of a network header, of either family.
//!
//! Read for every packet the director sees, so IPv4's fixed header is taken apart at one go.

use wire::extensions::{self, Chain};
use wire::{Address, Family, Ipv6};

use crate::headers::Unfit;
use crate::Protocol;

/// Bytes of an IPv4 header without options.
pub(crate) const V4_LEN: usize = 20;

/// A network header, read from the start of a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network {
    pub(crate) family: Family,
    /// What the transport header is.
    pub(crate) protocol: Protocol,
    /// Bytes of the header, with options or extension headers: where the transport header starts.
    pub(crate) header_len: usize,
    /// Bytes of the packet, as the header claims.
    pub(crate) total_len: usize,
    /// Time to live, or hop limit.
    pub(crate) hops: u8,
    /// Whether routers may not fragment it.
    pub(crate) dont_fragment: bool,
    /// Whether the packet is a part of a datagram.
    pub(crate) is_fragment: bool,
    pub(crate) source: Address,
    pub(crate) destination: Address,
}

/// Whether a packet says that it is one of IPv6.
#[inline(always)]
pub(crate) fn is_v6(start: &[u8]) -> bool {
    start.first().is_some_and(|first| first >> 4 == 6)
}

impl Network {
    /// Reads a header from the first bytes of a packet of either family.
    pub(crate) fn parse(start: &[u8]) -> Result<Self, Unfit> {
        match is_v6(start) {
            true => Self::of_v6(start),
            false => Self::of_v4(start),
        }
    }

    /// Reads an IPv4 header from the first twenty bytes of a packet at least.
    #[inline(always)]
    pub(crate) fn of_v4(start: &[u8]) -> Result<Self, Unfit> {
        let fixed: &[u8; V4_LEN] = start.first_chunk().ok_or(Unfit::Malformed)?;
        let &[version, ..] = fixed;
        let ip = Self::of_plain_v4(fixed);
        let header_len = usize::from(version & 0xf) << 2;
        if version >> 4 != 4 || header_len < V4_LEN || ip.total_len < header_len {
            return Err(Unfit::Malformed);
        }
        Ok(Self { header_len, ..ip })
    }

    /// Reads an IPv4 header that the transport header follows.
    #[inline(always)]
    pub(crate) fn of_plain_v4(fixed: &[u8; V4_LEN]) -> Self {
        let &[_, _, l0, l1, _, _, f0, f1, hops, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] =
            fixed;
        let place = u16::from_be_bytes([f0, f1]);
        Self {
            family: Family::V4,
            protocol: Protocol(protocol),
            header_len: V4_LEN,
            total_len: usize::from(u16::from_be_bytes([l0, l1])),
            hops,
            dont_fragment: place & 0x4000 != 0,
            // More fragments, or an offset.
            is_fragment: place & 0x3fff != 0,
            source: Address::from_v4([s0, s1, s2, s3]),
            destination: Address::from_v4([d0, d1, d2, d3]),
        }
    }

    /// Reads an IPv6 header with its extension headers.
    pub(crate) fn of_v6(start: &[u8]) -> Result<Self, Unfit> {
        if start.len() < Ipv6::LEN {
            return Err(Unfit::Needs(Ipv6::LEN));
        }
        let upper = match extensions::walk(start)? {
            Chain::Ends(upper) => upper,
            Chain::Needs(more) => return Err(Unfit::Needs(more)),
        };
        // With segments left, the packet is not where it wants to go.
        if upper.segments_left.is_some() {
            return Err(Unfit::Malformed);
        }
        Ok(Self {
            protocol: Protocol(upper.protocol),
            header_len: upper.at,
            is_fragment: upper.fragment.is_some_and(|fragment| fragment.is_part()),
            ..Self::of_plain_v6(start)?
        })
    }

    /// Reads an IPv6 header that the transport header follows.
    #[inline(always)]
    pub(crate) fn of_plain_v6(start: &[u8]) -> Result<Self, Unfit> {
        let ip = Ipv6::parse(start)?;
        let (source, destination) = ip.addresses();
        Ok(Self {
            family: Family::V6,
            protocol: Protocol(ip.next_header()),
            header_len: Ipv6::LEN,
            total_len: ip.total_len(),
            hops: ip.hop_limit(),
            dont_fragment: true,
            is_fragment: false,
            source: Address::from_octets(source),
            destination: Address::from_octets(destination),
        })
    }
}
