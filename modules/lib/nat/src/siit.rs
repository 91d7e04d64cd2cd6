// SPDX-License-Identifier: GPL-2.0

//! Network headers from one family to the other (RFC 7915, sections 4.1 and 5.1).
//!
//! What both families say of a packet is read from a header of either and written as a header of
//! either. Options and extension headers are left behind; a fragment header is what IPv4 has in its
//! fixed header. The transport header stays as it is, but for its checksum.

use wire::extensions::{self, Chain, Upper, FRAGMENT, FRAGMENT_LEN};
use wire::tcp_options::Options;
use wire::{checksum, icmp, icmp6, put, Fragment, Ipv4, Ipv6, Malformed};

use crate::{Address, Family, Protocol};

/// Bytes of an IPv4 header without options.
const V4_LEN: usize = 20;
/// Bytes of the longest header that is written.
const MAX_LEN: usize = Ipv6::LEN + FRAGMENT_LEN;

/// The longest IPv4 packet that is sure to pass an IPv6 path: 1280 bytes, less what IPv6 has more. A
/// longer one must not be made longer still unseen, so routers may not fragment it; a shorter one may
/// meet an IPv4 link that is too small, of which an IPv6 sender would not want to know.
const SURE_TO_PASS: usize = 1260;

/// The two IPv4 options that choose a route.
const LOOSE_SOURCE_ROUTE: u8 = 131;
const STRICT_SOURCE_ROUTE: u8 = 137;

/// The packet is longer than the other family can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// What a network header says that one of the other family can say, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// The family it is read from.
    pub family: Family,
    /// DSCP and ECN.
    pub traffic_class: u8,
    /// Hops the packet may still make. They are copied; who translates takes one off.
    pub hops: u8,
    /// What the packet carries, by the number of `family`.
    pub protocol: Protocol,
    /// Bytes of the header, options or extension headers included: where the payload begins.
    pub header_len: usize,
    /// Bytes of what the packet carries.
    pub payload_len: usize,
    /// Whether the packet is a part, or has a fragment header although it is whole.
    pub fragment: Option<Fragment>,
    /// The sender.
    pub source: Address,
    /// The receiver.
    pub destination: Address,
}

impl Fields {
    /// Of an IPv4 packet.
    fn of_v4(ip: &Ipv4<'_>) -> Self {
        let (source, destination) = ip.addresses();
        Self {
            family: Family::V4,
            traffic_class: ip.tos(),
            hops: ip.ttl(),
            protocol: Protocol(ip.protocol()),
            header_len: ip.header_len(),
            payload_len: usize::from(ip.total_len()).saturating_sub(ip.header_len()),
            fragment: ip.fragment(),
            source: Address::from_v4(source),
            destination: Address::from_v4(destination),
        }
    }

    /// Of an IPv6 packet whose extension headers lead to `upper`.
    fn of_v6(ip: &Ipv6<'_>, upper: &Upper) -> Self {
        let (source, destination) = ip.addresses();
        Self {
            family: Family::V6,
            traffic_class: ip.traffic_class(),
            hops: ip.hop_limit(),
            protocol: Protocol(upper.protocol),
            header_len: upper.at,
            payload_len: ip.total_len().saturating_sub(upper.at),
            fragment: upper.fragment,
            source: Address::from_octets(source),
            destination: Address::from_octets(destination),
        }
    }

    /// Of a packet of either family, of whose header all bytes must be there.
    pub fn of_packet(packet: &[u8]) -> Result<Self, Malformed> {
        if packet.first().is_some_and(|first| first >> 4 == 4) {
            return Ipv4::parse(packet).map(|ip| Self::of_v4(&ip));
        }
        match (extensions::walk(packet)?, Ipv6::parse(packet)?) {
            (Chain::Ends(upper), ip) if upper.at <= packet.len() => Ok(Self::of_v6(&ip, &upper)),
            _ => Err(Malformed),
        }
    }

    /// Whether the packet is a part of a datagram.
    #[inline]
    pub fn is_part(&self) -> bool {
        self.fragment.is_some_and(|fragment| fragment.is_part())
    }

    /// Bytes of the packet, by its header.
    #[inline]
    pub fn total_len(&self) -> usize {
        self.header_len.saturating_add(self.payload_len)
    }

    /// Bytes of the [`header`](Self::header) that is written in that family.
    #[inline]
    pub fn written_len(&self, family: Family) -> usize {
        match (family, self.fragment) {
            (Family::V6, Some(_)) => MAX_LEN,
            _ => header_len(family),
        }
    }

    /// The header in that family, from `source` to `destination`.
    ///
    /// `identification` is for an IPv4 packet that may be fragmented on its way: one that differs from
    /// packet to packet (RFC 6864).
    pub fn header(
        &self,
        family: Family,
        source: Address,
        destination: Address,
        identification: u16,
    ) -> Result<Header, TooLong> {
        match family {
            Family::V4 => self.v4_header(source.v4(), destination.v4(), identification),
            Family::V6 => self.v6_header(source.octets(), destination.octets()),
        }
    }

    fn v4_header(&self, source: [u8; 4], destination: [u8; 4], id: u16) -> Result<Header, TooLong> {
        let total = V4_LEN.saturating_add(self.payload_len);
        let (id, place) = match self.fragment {
            // CAST: The lower half, as section 5.1.1 has it.
            Some(part) => (part.id as u16, part.offset | (u16::from(part.more) << 13)),
            None if total > SURE_TO_PASS => (0, 0x4000),
            None => (id, 0),
        };
        let protocol = match self.protocol.0 {
            icmp6::PROTOCOL => icmp::PROTOCOL,
            other => other,
        };
        let total = u16::try_from(total).map_err(|_| TooLong)?;
        let mut header = Header::empty(V4_LEN);
        let bytes = &mut header.bytes;
        put(bytes, 0, [0x45, self.traffic_class]);
        put(bytes, Ipv4::LENGTH, total.to_be_bytes());
        put(bytes, 4, id.to_be_bytes());
        put(bytes, 6, place.to_be_bytes());
        put(bytes, Ipv4::TTL, [self.hops, protocol]);
        put(bytes, Ipv4::ADDRESSES, source);
        put(bytes, Ipv4::ADDRESSES + 4, destination);
        // The bytes behind are zero, and change no sum.
        let check = checksum::of(bytes);
        put(bytes, Ipv4::CHECK, check);
        Ok(header)
    }

    fn v6_header(&self, source: &[u8; 16], destination: &[u8; 16]) -> Result<Header, TooLong> {
        let protocol = match self.protocol.0 {
            icmp::PROTOCOL => icmp6::PROTOCOL,
            other => other,
        };
        let mut header = Header::empty(Ipv6::LEN);
        let mut payload_len = self.payload_len;
        let mut next = protocol;
        if let Some(part) = self.fragment {
            next = FRAGMENT;
            payload_len = payload_len.saturating_add(FRAGMENT_LEN);
            header.len = MAX_LEN;
            put(&mut header.bytes, Ipv6::LEN, part.encode(protocol));
        }
        let payload_len = u16::try_from(payload_len).map_err(|_| TooLong)?;
        // The flow label is zero.
        let start = 0x6000 | (u16::from(self.traffic_class) << 4);
        let bytes = &mut header.bytes;
        put(bytes, 0, start.to_be_bytes());
        put(bytes, Ipv6::LENGTH, payload_len.to_be_bytes());
        put(bytes, 6, [next, self.hops]);
        put(bytes, Ipv6::ADDRESSES, *source);
        put(bytes, Ipv6::ADDRESSES + 16, *destination);
        Ok(header)
    }
}

/// A network header that was written afresh.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    bytes: [u8; MAX_LEN],
    len: usize,
}

impl Header {
    const fn empty(len: usize) -> Self {
        Self {
            bytes: [0; MAX_LEN],
            len,
        }
    }

    /// The header.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

/// Whether the options of an IPv4 header say where the packet has still to go before it goes to its
/// destination. The other family cannot say that: the sender is told "source route failed" (section
/// 4.1). All other options may be left out.
pub fn has_source_route(options: &[u8]) -> bool {
    // IP options are laid out like those of TCP.
    Options::new(options).any(|option| match *option.bytes {
        [LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE, len, next, ..] => next <= len,
        [LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE, ..] => true,
        _ => false,
    })
}

/// Bytes of a header that is written in that family for a packet that is whole.
pub const fn header_len(family: Family) -> usize {
    match family {
        Family::V4 => V4_LEN,
        Family::V6 => Ipv6::LEN,
    }
}
