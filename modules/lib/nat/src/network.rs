// SPDX-License-Identifier: GPL-2.0

//! What translation wants to know of a network header, of either family.
//!
use wire::extensions::{self, Chain};
use wire::{Address, Family, Ipv4, Ipv6, Malformed};

use crate::{Port, Protocol, Tuple};

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
}

/// Why a network header could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It takes so many bytes of the packet.
    Needs(usize),
    /// It contradicts itself.
    Malformed,
}

impl From<Malformed> for Unread {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl Network {
    /// Reads a header from the first bytes of a packet, twenty at least for IPv4 and forty for IPv6.
    /// IPv4 options may be missing from `start`, extension headers may not.
    #[inline]
    pub(crate) fn parse(start: &[u8]) -> Result<Self, Unread> {
        if start.first().is_some_and(|first| first >> 4 == 6) {
            return Self::of_v6(start);
        }
        let ip = Ipv4::parse_fixed(start)?;
        Ok(Self {
            family: Family::V4,
            protocol: Protocol(ip.protocol()),
            header_len: ip.header_len(),
            total_len: usize::from(ip.total_len()),
            hops: ip.ttl(),
            dont_fragment: ip.dont_fragment(),
            is_fragment: ip.is_fragment(),
        })
    }

    /// As [`parse`](Self::parse), of bytes that are all there are.
    #[inline]
    pub(crate) fn parse_all(packet: &[u8]) -> Result<Self, Malformed> {
        Self::parse(packet).map_err(|_| Malformed)
    }

    fn of_v6(start: &[u8]) -> Result<Self, Unread> {
        if start.len() < Ipv6::LEN {
            return Err(Unread::Needs(Ipv6::LEN));
        }
        let upper = match extensions::walk(start)? {
            Chain::Ends(upper) => upper,
            Chain::Needs(more) => return Err(Unread::Needs(more)),
        };
        // With segments left, the packet is not where it wants to go.
        if upper.segments_left.is_some() {
            return Err(Unread::Malformed);
        }
        let ip = Ipv6::parse(start)?;
        Ok(Self {
            family: Family::V6,
            protocol: Protocol(upper.protocol),
            header_len: upper.at,
            total_len: ip.total_len(),
            hops: ip.hop_limit(),
            dont_fragment: true,
            is_fragment: upper.fragment.is_some_and(|fragment| fragment.is_part()),
        })
    }

    /// Source and destination address of the packet this was read from.
    #[inline]
    fn addresses(&self, packet: &[u8]) -> Result<(Address, Address), Malformed> {
        match self.family {
            Family::V4 => {
                let (source, destination) = Ipv4::parse_fixed(packet)?.addresses();
                Ok((Address::from_v4(source), Address::from_v4(destination)))
            }
            Family::V6 => {
                let (source, destination) = Ipv6::parse(packet)?.addresses();
                Ok((
                    Address::from_octets(source),
                    Address::from_octets(destination),
                ))
            }
        }
    }

    /// The tuple of the packet this was read from: needs the ports.
    #[inline]
    pub(crate) fn tuple(&self, packet: &[u8]) -> Result<Tuple, Malformed> {
        let transport = packet.get(self.header_len..).ok_or(Malformed)?;
        let &[a, b, c, d] = transport.first_chunk().ok_or(Malformed)?;
        let (source, destination) = self.addresses(packet)?;
        Ok(Tuple {
            family: self.family,
            protocol: self.protocol,
            source_port: Port::from_be_bytes([a, b]),
            destination_port: Port::from_be_bytes([c, d]),
            source,
            destination,
        })
    }
}
