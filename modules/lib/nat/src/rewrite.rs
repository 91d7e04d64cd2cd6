// SPDX-License-Identifier: GPL-2.0

//! One direction of a translation.
//!
//! What it does to the checksums is worked out once per flow; per packet it is a few stores and two
//! additions (RFC 1624). Where the families of both sides differ, the network header is built anew
//! ([`crate::siit`]) and what is here does the transport header.
//!
//! Kernel counterpart: `tcp_snat_handler()`, `udp_snat_handler()`, `sctp_snat_handler()` and
//! `ip_decrease_ttl()`.

use wire::{checksum, crc32c, put, Delta, Ipv4, Ipv6, Malformed, Sctp, Tcp, Udp};

use crate::network::Network;
use crate::{Family, Headers, Protocol, Tuple};

/// What the transport header's checksum field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecksumState {
    /// The checksum.
    Complete,
    /// The sum of the pseudo header; the NIC does the rest.
    Partial,
}

/// What a translation does to checksums. The one of the way back is the opposite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deltas {
    /// What the new addresses change: the IPv4 header and the pseudo header.
    address: Delta,
    /// What addresses and ports change together: the transport checksum.
    transport: Delta,
}

impl Deltas {
    /// Of packets of the tuple `from` that become packets of the tuple `to`.
    pub fn between(from: &Tuple, to: &Tuple) -> Self {
        let address = Delta::between(&addresses(from), &addresses(to));
        Self {
            address,
            transport: address.then(Delta::between(&ports(from), &ports(to))),
        }
    }

    /// Of the answers.
    #[inline]
    pub const fn reversed(self) -> Self {
        Self {
            address: self.address.negated(),
            transport: self.transport.negated(),
        }
    }
}

/// Replaces addresses and ports.
#[derive(Clone, Copy, Debug)]
pub struct Rewrite<'a> {
    /// The tuple that packets have afterwards.
    pub to: &'a Tuple,
    deltas: Deltas,
}

/// The addresses of a tuple as they lie in a network header, zeroes behind.
#[inline]
pub(crate) fn addresses(tuple: &Tuple) -> [u8; 32] {
    let mut bytes = [0; 32];
    match tuple.family {
        Family::V4 => {
            put(&mut bytes, 0, v4_addresses(tuple));
        }
        Family::V6 => {
            put(&mut bytes, 0, *tuple.source.octets());
            put(&mut bytes, 16, *tuple.destination.octets());
        }
    }
    bytes
}

/// The addresses of an IPv4 tuple as they lie in a network header.
#[inline]
fn v4_addresses(tuple: &Tuple) -> [u8; 8] {
    let [source, destination] =
        [tuple.source, tuple.destination].map(|a| u32::from_le_bytes(a.v4()));
    ((u64::from(destination) << 32) | u64::from(source)).to_le_bytes()
}

/// The ports of a tuple as they lie in a transport header.
#[inline]
pub(crate) fn ports(tuple: &Tuple) -> [u8; 4] {
    let [a, b] = tuple.source_port.to_be_bytes();
    let [c, d] = tuple.destination_port.to_be_bytes();
    [a, b, c, d]
}

/// Offset of the checksum field in a transport header.
#[inline]
const fn checksum_at(protocol: Protocol) -> Option<usize> {
    match protocol {
        Protocol::TCP => Some(Tcp::CHECK),
        Protocol::UDP => Some(Udp::CHECK),
        _ => None,
    }
}

impl<'a> Rewrite<'a> {
    /// Turns packets of the tuple `from` into packets of the tuple `to`, which is of the same
    /// protocol.
    pub fn new(from: &Tuple, to: &'a Tuple) -> Self {
        Self::with(to, Deltas::between(from, to))
    }

    /// The same, where the deltas are known.
    #[inline]
    pub const fn with(to: &'a Tuple, deltas: Deltas) -> Self {
        Self { to, deltas }
    }

    /// The same with the same tuple in another place.
    #[inline]
    pub const fn with_to<'b>(&self, to: &'b Tuple) -> Rewrite<'b> {
        Rewrite::with(to, self.deltas)
    }

    /// Translates a packet of the tuple this was made for, of the same family on both sides, and
    /// takes `hops` hops off it. `packet` holds its headers, and `headers` are kept true.
    #[inline(always)]
    pub fn apply(
        &self,
        packet: &mut [u8],
        headers: &mut Headers,
        state: ChecksumState,
        hops: u8,
    ) -> Result<(), Malformed> {
        if headers.tuple.family != self.to.family || packet.len() < headers.end {
            return Err(Malformed);
        }
        let spent = hops.min(headers.hops);
        headers.hops = headers.hops.wrapping_sub(spent);
        self.replace_addresses(packet, spent);
        self.apply_transport(packet, headers, state)
    }

    /// Translates the transport header of a packet whose network header is done.
    #[inline(always)]
    pub fn apply_transport(
        &self,
        packet: &mut [u8],
        headers: &mut Headers,
        state: ChecksumState,
    ) -> Result<(), Malformed> {
        let transport = packet.get_mut(headers.transport..).ok_or(Malformed)?;
        match headers.tuple.protocol {
            Protocol::SCTP => self.replace_sctp(transport, headers.transport_len(), state)?,
            protocol => self.replace_ports(transport, protocol, state),
        }
        headers.tuple = *self.to;
        Ok(())
    }

    #[inline(always)]
    fn replace_addresses(&self, packet: &mut [u8], hops: u8) {
        match self.to.family {
            Family::V4 => {
                // From the time to live to the end of the fixed header, at one go.
                let end = packet.get_mut(Ipv4::TTL..);
                let end = end.and_then(<[u8]>::first_chunk_mut::<12>);
                let Some([ttl, _, c0, c1, addresses @ ..]) = end else {
                    return;
                };
                *ttl = ttl.wrapping_sub(hops);
                // The same for any time to live.
                let hop = Delta::of_word([hops, 0], [0, 0]);
                [*c0, *c1] = self.deltas.address.apply(hop.apply([*c0, *c1]));
                *addresses = v4_addresses(self.to);
            }
            Family::V6 => {
                put(packet, Ipv6::ADDRESSES, addresses(self.to));
                take_off(packet, Ipv6::HOP_LIMIT, hops);
            }
        }
    }

    #[inline(always)]
    fn replace_ports(&self, transport: &mut [u8], protocol: Protocol, state: ChecksumState) {
        put(transport, 0, ports(self.to));
        let field = checksum_at(protocol).and_then(|at| transport.get_mut(at..)?.first_chunk_mut());
        let Some(field) = field else {
            return;
        };
        *field = match (state, protocol) {
            (ChecksumState::Partial, _) => self.deltas.address.apply_to_pseudo(*field),
            (ChecksumState::Complete, Protocol::UDP) => self.deltas.transport.apply_udp(*field),
            (ChecksumState::Complete, _) => self.deltas.transport.apply(*field),
        };
    }

    /// SCTP has no pseudo header, but a checksum that every byte of the packet takes part in.
    fn replace_sctp(
        &self,
        transport: &mut [u8],
        len: usize,
        state: ChecksumState,
    ) -> Result<(), Malformed> {
        let &old = transport.first_chunk().ok_or(Malformed)?;
        let new = ports(self.to);
        put(transport, 0, new);
        if state == ChecksumState::Complete {
            let behind = len.saturating_sub(new.len());
            let field = transport
                .get_mut(Sctp::CHECK..)
                .and_then(<[u8]>::first_chunk_mut)
                .ok_or(Malformed)?;
            *field = crc32c::replaced(old, new, behind, *field);
        }
        Ok(())
    }
}

/// Replaces a checksum field, if it is there.
#[inline]
pub(crate) fn change(packet: &mut [u8], at: usize, new: impl FnOnce([u8; 2]) -> [u8; 2]) {
    if let Some(field) = packet.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *field = new(*field);
    }
}

/// Takes hops off the field at `at`: what that does to a checksum over it and the byte behind.
#[inline]
fn take_off(packet: &mut [u8], at: usize, hops: u8) -> Delta {
    match packet.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        Some(field) if hops > 0 => {
            let [old, other] = *field;
            *field = [old.saturating_sub(hops), other];
            Delta::of_word([old, other], *field)
        }
        _ => Delta::NONE,
    }
}

/// Whether the packet is an IPv6 datagram without a checksum, as IPv4 allows it.
pub fn lacks_checksum(packet: &[u8], headers: &Headers) -> bool {
    let tuple = &headers.tuple;
    let udp = packet.get(headers.transport..).unwrap_or(&[]);
    tuple.family == Family::V6
        && tuple.protocol == Protocol::UDP
        && udp.get(Udp::CHECK..).and_then(<[u8]>::first_chunk) == Some(&[0, 0])
}

/// Puts the sum of the pseudo header into a datagram's checksum field.
pub fn put_pseudo_sum(packet: &mut [u8], headers: &Headers) {
    let Tuple {
        family,
        protocol,
        source,
        destination,
        ..
    } = &headers.tuple;
    // CAST: A datagram is far below 4 GiB.
    let len = headers.transport_len() as u32;
    let sum = checksum::pseudo(
        source.bytes(*family),
        destination.bytes(*family),
        protocol.0,
        len,
    );
    put(packet, headers.transport.saturating_add(Udp::CHECK), sum);
}

/// Makes the checksum of an IPv4 header with options right. The stack writes addresses and times into
/// options that ask for them, and leaves the checksum to who sends the packet on.
///
/// Kernel counterpart: `ip_forward_options()`.
#[cold]
pub fn renew_header_checksum(packet: &mut [u8], header_len: usize) {
    if let Some(header) = packet.get_mut(..header_len) {
        put(header, Ipv4::CHECK, [0; 2]);
        let check = checksum::of(header);
        put(header, Ipv4::CHECK, check);
    }
}

/// The time to live has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired;

/// Takes one hop off a packet (RFC 1812, section 5.3.1; RFC 8200, section 3). A packet that has none
/// to spare is not changed.
pub fn decrement_ttl(packet: &mut [u8]) -> Result<(), Expired> {
    let ip = Network::parse(packet).map_err(|_| Expired)?;
    if ip.hops <= 1 {
        return Err(Expired);
    }
    match ip.family {
        Family::V4 => {
            let delta = take_off(packet, Ipv4::TTL, 1);
            change(packet, Ipv4::CHECK, |check| delta.apply(check));
        }
        Family::V6 => {
            take_off(packet, Ipv6::HOP_LIMIT, 1);
        }
    }
    Ok(())
}
