// SPDX-License-Identifier: GPL-2.0

//! What translation wants to know of a network header, of either family.
//!
//! The only place that tells IPv4 from IPv6 by a packet's first byte.

use wire::{Address, Family, Ipv4, Ipv6, Malformed, Tcp, Udp};

use crate::{Port, Protocol, Tuple};

/// A network header, read from the start of a packet.
#[derive(Clone, Copy)]
pub(crate) struct Network {
    pub(crate) family: Family,
    pub(crate) protocol: Protocol,
    /// Bytes of the header: where the transport header starts.
    pub(crate) header_len: usize,
    /// Bytes of the packet, as the header claims.
    pub(crate) total_len: usize,
    /// Whether the packet is a part of a datagram.
    pub(crate) is_fragment: bool,
    /// Whether it is one without the transport header.
    pub(crate) is_later_fragment: bool,
}

impl Network {
    /// Reads the fixed part of a header; IPv4 options may be missing from `packet`.
    #[inline]
    pub(crate) fn parse_fixed(packet: &[u8]) -> Result<Self, Malformed> {
        if packet.first().is_some_and(|first| first >> 4 == 6) {
            let ip = Ipv6::parse(packet)?;
            return Ok(Self {
                family: Family::V6,
                protocol: Protocol(ip.next_header()),
                header_len: Ipv6::LEN,
                total_len: ip.total_len(),
                // The fragment header is an extension header, which no translation follows.
                is_fragment: false,
                is_later_fragment: false,
            });
        }
        let ip = Ipv4::parse_fixed(packet)?;
        Ok(Self {
            family: Family::V4,
            protocol: Protocol(ip.protocol()),
            header_len: ip.header_len(),
            total_len: usize::from(ip.total_len()),
            is_fragment: ip.is_fragment(),
            is_later_fragment: ip.is_later_fragment(),
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

    /// The tuple of the packet this was read from: needs eight bytes of the transport header.
    #[inline]
    pub(crate) fn tuple(&self, packet: &[u8]) -> Result<Tuple, Malformed> {
        if self.protocol != Protocol::TCP && self.protocol != Protocol::UDP {
            return Err(Malformed);
        }
        let transport = packet.get(self.header_len..).ok_or(Malformed)?;
        let &[a, b, c, d, ..] = transport.first_chunk::<8>().ok_or(Malformed)?;
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

/// How much of a packet its headers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// So many bytes.
    Ends(usize),
    /// It takes so many bytes to tell.
    Needs(usize),
}

/// Where the headers of a whole TCP or UDP packet end, told from its first bytes, twenty at least for
/// IPv4 and forty for IPv6; asks for more at most twice. The length fields of both headers must agree.
#[inline]
pub fn headers_end(start: &[u8]) -> Result<Extent, Malformed> {
    let ip = Network::parse_fixed(start)?;
    if ip.is_fragment {
        return Err(Malformed);
    }
    let fixed = match ip.protocol {
        Protocol::TCP => Tcp::MIN,
        Protocol::UDP => Udp::LEN,
        _ => return Err(Malformed),
    };
    let within = |len: usize| match ip.header_len.checked_add(len) {
        Some(end) if end <= ip.total_len => Ok(end),
        _ => Err(Malformed),
    };
    let end = within(fixed)?;
    if start.len() < end {
        return Ok(Extent::Needs(end));
    }
    let transport = start.get(ip.header_len..).ok_or(Malformed)?;
    if ip.protocol == Protocol::UDP {
        within(Udp::parse(transport)?.len())?;
        return Ok(Extent::Ends(end));
    }
    let end = within(Tcp::parse_fixed(transport)?.header_len())?;
    Ok(if start.len() < end {
        Extent::Needs(end)
    } else {
        Extent::Ends(end)
    })
}
