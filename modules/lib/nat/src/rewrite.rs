// SPDX-License-Identifier: GPL-2.0

//! One direction of a translation.
//!
//! What it does to the checksums is worked out once per flow; per packet it is a few stores and two
//! additions (RFC 1624). Both sides are of one family.
//!
//! Kernel counterpart: `tcp_snat_handler()`, `udp_snat_handler()` and `ip_decrease_ttl()`.

use wire::{put, Delta, Ipv4, Ipv6, Malformed, Tcp, Udp};

use crate::network::Network;
use crate::{Family, Protocol, Tuple};

/// What the transport header's checksum field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecksumState {
    /// The checksum.
    Complete,
    /// The sum of the pseudo header; the NIC does the rest.
    Partial,
}

/// Replaces addresses and ports.
#[derive(Clone, Copy, Debug)]
pub struct Rewrite {
    /// As they lie in the header; of IPv4, the first eight bytes.
    addresses: [u8; 32],
    ports: [u8; 4],
    family: Family,
    protocol: Protocol,
    /// What the new addresses change: the IPv4 header and the pseudo header.
    address_delta: Delta,
    /// What addresses and ports change together: the transport checksum.
    transport_delta: Delta,
}

/// The addresses of a tuple as they lie in a network header, zeroes behind.
fn addresses(tuple: &Tuple) -> [u8; 32] {
    let mut bytes = [0; 32];
    match tuple.family {
        Family::V4 => {
            put(&mut bytes, 0, tuple.source.v4());
            put(&mut bytes, 4, tuple.destination.v4());
        }
        Family::V6 => {
            put(&mut bytes, 0, *tuple.source.octets());
            put(&mut bytes, 16, *tuple.destination.octets());
        }
    }
    bytes
}

/// The ports of a tuple as they lie in a transport header.
fn ports(tuple: &Tuple) -> [u8; 4] {
    let [a, b] = tuple.source_port.to_be_bytes();
    let [c, d] = tuple.destination_port.to_be_bytes();
    [a, b, c, d]
}

impl Rewrite {
    /// Turns packets of the tuple `from` into packets of the tuple `to`, which is of the same family
    /// and protocol.
    pub fn new(from: &Tuple, to: &Tuple) -> Self {
        let address_delta = Delta::between(&addresses(from), &addresses(to));
        Self {
            addresses: addresses(to),
            ports: ports(to),
            family: to.family,
            protocol: to.protocol,
            address_delta,
            transport_delta: address_delta.then(Delta::between(&ports(from), &ports(to))),
        }
    }

    /// Translates a packet of the tuple this was made for. `packet` starts with its IP header and
    /// holds at least all of the IP header and the fixed transport header; the payload is not looked
    /// at. If it does not, or is a packet of another family or protocol, nothing is changed.
    #[inline]
    pub fn apply(&self, packet: &mut [u8], state: ChecksumState) -> Result<(), Malformed> {
        let (at, field) = self.transport(packet)?;
        if packet.len() < field.saturating_add(2) {
            return Err(Malformed);
        }
        self.replace(packet, at, field, state);
        Ok(())
    }

    /// Translates what an ICMP error quotes, which may end behind the ports.
    pub(crate) fn apply_to_quoted(&self, packet: &mut [u8]) -> Result<(), Malformed> {
        let (at, field) = self.transport(packet)?;
        if packet.len() < at.saturating_add(4) {
            return Err(Malformed);
        }
        self.replace(packet, at, field, ChecksumState::Complete);
        Ok(())
    }

    /// Offsets of the transport header and of its checksum field.
    #[inline]
    fn transport(&self, packet: &[u8]) -> Result<(usize, usize), Malformed> {
        let ip = Network::parse_fixed(packet)?;
        if ip.family != self.family || ip.protocol != self.protocol || ip.is_later_fragment {
            return Err(Malformed);
        }
        let field = match ip.protocol {
            Protocol::TCP => Tcp::CHECK,
            Protocol::UDP => Udp::CHECK,
            _ => return Err(Malformed),
        };
        Ok((ip.header_len, ip.header_len.saturating_add(field)))
    }

    #[inline]
    fn replace(&self, packet: &mut [u8], at: usize, field: usize, state: ChecksumState) {
        match self.family {
            Family::V4 => {
                let [a, b, c, d, e, f, g, h, ..] = self.addresses;
                put(packet, Ipv4::ADDRESSES, [a, b, c, d, e, f, g, h]);
                change(packet, Ipv4::CHECK, |check| self.address_delta.apply(check));
            }
            Family::V6 => {
                put(packet, Ipv6::ADDRESSES, self.addresses);
            }
        }
        put(packet, at, self.ports);
        change(packet, field, |check| match (state, self.protocol) {
            (ChecksumState::Partial, _) => self.address_delta.apply_to_pseudo(check),
            (ChecksumState::Complete, Protocol::UDP) => self.transport_delta.apply_udp(check),
            (ChecksumState::Complete, _) => self.transport_delta.apply(check),
        });
    }
}

/// Replaces a checksum field, if it is there.
#[inline]
pub(crate) fn change(packet: &mut [u8], at: usize, new: impl FnOnce([u8; 2]) -> [u8; 2]) {
    if let Some(field) = packet.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *field = new(*field);
    }
}

/// The time to live has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired;

/// Takes one hop off a packet (RFC 1812, section 5.3.1; RFC 8200, section 3). A packet that has none
/// to spare is not changed.
#[inline]
pub fn decrement_ttl(packet: &mut [u8]) -> Result<(), Expired> {
    let family = Network::parse_fixed(packet).map_err(|_| Expired)?.family;
    let at = match family {
        Family::V4 => Ipv4::TTL,
        Family::V6 => Ipv6::HOP_LIMIT,
    };
    let &[ttl, protocol] = packet
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .ok_or(Expired)?;
    let new = ttl.checked_sub(1).filter(|&ttl| ttl > 0).ok_or(Expired)?;
    put(packet, at, [new]);
    if family == Family::V4 {
        let delta = Delta::of_word([ttl, protocol], [new, protocol]);
        change(packet, Ipv4::CHECK, |check| delta.apply(check));
    }
    Ok(())
}
