// SPDX-License-Identifier: GPL-2.0

//! One direction of a translation.
//!
//! What it does to the checksums is worked out once per flow; per packet it is a few stores and two
//! additions (RFC 1624).

use wire::{put, Delta, Ipv4, Malformed, Tcp, Udp};

use crate::{Protocol, Tuple};

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
    addresses: [u8; 8],
    ports: [u8; 4],
    protocol: Protocol,
    /// What the new addresses change: the IP header and the pseudo header.
    address_delta: Delta,
    /// What addresses and ports change together: the transport checksum.
    transport_delta: Delta,
}

/// The addresses of a tuple as they lie in an IPv4 header.
fn addresses(tuple: &Tuple) -> [u8; 8] {
    let mut bytes = [0; 8];
    put(&mut bytes, 0, tuple.source.v4());
    put(&mut bytes, 4, tuple.destination.v4());
    bytes
}

/// The ports of a tuple as they lie in a transport header.
fn ports(tuple: &Tuple) -> [u8; 4] {
    let [a, b] = tuple.source_port.to_be_bytes();
    let [c, d] = tuple.destination_port.to_be_bytes();
    [a, b, c, d]
}

impl Rewrite {
    /// Turns packets of the tuple `from` into packets of the tuple `to`. Both are IPv4.
    pub fn new(from: &Tuple, to: &Tuple) -> Self {
        let address_delta = Delta::between(&addresses(from), &addresses(to));
        Self {
            addresses: addresses(to),
            ports: ports(to),
            protocol: to.protocol,
            address_delta,
            transport_delta: address_delta.then(Delta::between(&ports(from), &ports(to))),
        }
    }


    /// Translates a packet of the tuple this was made for, which starts with its IP header. `packet`
    /// holds the headers at least; the payload is not looked at. Without the checksum field of the
    /// transport header, as quoted in an ICMP error, the rest is translated all the same.
    #[inline]
    pub fn apply(&self, packet: &mut [u8], state: ChecksumState) -> Result<(), Malformed> {
        let (header_len, protocol) = {
            let ip = Ipv4::parse(packet)?;
            (ip.header_len(), Protocol(ip.protocol()))
        };
        if protocol != self.protocol || packet.len() < header_len.saturating_add(4) {
            return Err(Malformed);
        }
        put(packet, Ipv4::ADDRESSES, self.addresses);
        change(packet, Ipv4::CHECK, |check| self.address_delta.apply(check));
        put(packet, header_len, self.ports);
        let (field, is_udp) = match protocol {
            Protocol::UDP => (Udp::CHECK, true),
            _ => (Tcp::CHECK, false),
        };
        change(packet, header_len.saturating_add(field), |check| match (state, is_udp) {
            (ChecksumState::Partial, _) => self.address_delta.apply_to_pseudo(check),
            (ChecksumState::Complete, true) => self.transport_delta.apply_udp(check),
            (ChecksumState::Complete, false) => self.transport_delta.apply(check),
        });
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

/// The time to live has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired;

/// Takes one hop off an IPv4 packet (RFC 1812, section 5.3.1).
#[inline]
pub fn decrement_ttl(packet: &mut [u8]) -> Result<(), Expired> {
    let &mut [ttl, protocol] =
        packet.get_mut(Ipv4::TTL..).and_then(<[u8]>::first_chunk_mut).ok_or(Expired)?;
    let new = ttl.checked_sub(1).filter(|&ttl| ttl > 0).ok_or(Expired)?;
    put(packet, Ipv4::TTL, [new]);
    change(packet, Ipv4::CHECK, |check| {
        Delta::of_word([ttl, protocol], [new, protocol]).apply(check)
    });
    Ok(())
}
