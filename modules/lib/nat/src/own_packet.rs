// SPDX-License-Identifier: GPL-2.0

//! Packets the director writes itself: RSTs for both ends of a connection that is over, and a client's
//! address where the client's own packet has no room for it.
//!
//! Counterpart: DPVS's `send_rst()` and its stand-alone UOA packets.

use wire::uoa::{Form, Insertion};
use wire::{checksum, put, Family, Ipv4, Ipv6, Malformed, Tcp, Udp};

use crate::{Protocol, Tuple};

/// Bytes of an IPv4 header without options.
const IPV4_LEN: usize = 20;
/// The longest is an IPv6 header, 24 bytes of address and eight of UDP; or twenty of TCP.
const MAX: usize = 72;
/// Hops a packet of the director's own may make (RFC 1700).
const HOPS: u8 = 64;
/// The flag of an IPv4 header that forbids fragments.
const DONT_FRAGMENT: u8 = 0x40;
/// The control bit.
const RST: u8 = 0x04;

/// A whole packet, from its network header on.
#[derive(Clone, Copy, Debug)]
pub struct OwnPacket {
    bytes: [u8; MAX],
    len: usize,
}

/// The fields of a network header that a packet takes over from another.
struct Manner {
    tos: u8,
    hops: u8,
    flags: u8,
}

impl OwnPacket {
    /// The packet.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    /// A RST with the number `sequence`, which its receiver takes if that is the number it expects.
    /// There is nothing it acknowledges.
    pub fn reset(tuple: &Tuple, sequence: u32) -> Self {
        let mut segment = [0; Tcp::MIN];
        put(&mut segment, 0, tuple.source_port.to_be_bytes());
        put(&mut segment, 2, tuple.destination_port.to_be_bytes());
        put(&mut segment, Tcp::SEQ, sequence.to_be_bytes());
        // The header's length, five words, and the bit.
        put(&mut segment, Tcp::OFFSET_FLAGS, [5 << 4, RST]);
        let check = transport(tuple, &segment);
        put(&mut segment, Tcp::CHECK, check);
        let manner = Manner {
            tos: 0,
            hops: HOPS,
            flags: DONT_FRAGMENT,
        };
        Self::new(tuple, &manner, Protocol::TCP.0, &[], &[&segment])
    }

    /// An empty datagram of the tuple that carries a client's address, in front of `packet`: in the
    /// same class of service, and for as many hops. DPVS's receivers learn the address from it, and
    /// the application gets no data.
    pub fn introduction(
        tuple: &Tuple,
        insertion: &Insertion,
        packet: &[u8],
    ) -> Result<Self, Malformed> {
        let mut datagram = [0; Udp::LEN];
        put(&mut datagram, 0, tuple.source_port.to_be_bytes());
        put(&mut datagram, 2, tuple.destination_port.to_be_bytes());
        put(&mut datagram, 4, [0, 8]);
        let check = match transport(tuple, &datagram) {
            // Zero would say that there is none.
            [0, 0] => [0xff, 0xff],
            check => check,
        };
        put(&mut datagram, Udp::CHECK, check);
        let (tos, hops) = match tuple.family {
            Family::V4 => {
                let ip = Ipv4::parse_fixed(packet)?;
                (ip.tos(), ip.ttl())
            }
            Family::V6 => {
                let ip = Ipv6::parse(packet)?;
                let &[a, b] = packet.first_chunk().ok_or(Malformed)?;
                ((a << 4) | (b >> 4), ip.hop_limit())
            }
        };
        let manner = Manner {
            tos,
            hops,
            flags: 0,
        };
        let bytes = insertion.bytes();
        Ok(match insertion.form() {
            Form::Option => Self::new(tuple, &manner, Protocol::UDP.0, bytes, &[&datagram]),
            Form::Opp => Self::new(
                tuple,
                &manner,
                wire::uoa::OPP_PROTOCOL,
                &[],
                &[bytes, &datagram],
            ),
        })
    }

    /// A packet of the tuple's addresses: `options` are IPv4's, `parts` what follows the header.
    fn new(tuple: &Tuple, manner: &Manner, protocol: u8, options: &[u8], parts: &[&[u8]]) -> Self {
        let mut packet = Self {
            bytes: [0; MAX],
            len: 0,
        };
        let payload = parts
            .iter()
            .fold(0usize, |sum, part| sum.saturating_add(part.len()));
        match tuple.family {
            Family::V4 => packet.push_v4(tuple, manner, protocol, options, payload),
            Family::V6 => packet.push_v6(tuple, manner, protocol, payload),
        }
        // BOUND: Two parts at most.
        for part in parts {
            packet.push(part);
        }
        packet
    }

    fn push_v4(
        &mut self,
        tuple: &Tuple,
        manner: &Manner,
        protocol: u8,
        options: &[u8],
        payload: usize,
    ) {
        let header_len = IPV4_LEN.saturating_add(options.len());
        // CAST: Both lengths are below 100.
        let words = (header_len >> 2) as u8;
        let total = (header_len.saturating_add(payload) as u16).to_be_bytes();
        self.push(&[0x40 | words, manner.tos]);
        self.push(&total);
        self.push(&[0, 0, manner.flags, 0, manner.hops, protocol, 0, 0]);
        self.push(&tuple.source.v4());
        self.push(&tuple.destination.v4());
        self.push(options);
        let check = checksum::of(self.bytes());
        put(&mut self.bytes, Ipv4::CHECK, check);
    }

    fn push_v6(&mut self, tuple: &Tuple, manner: &Manner, protocol: u8, payload: usize) {
        let tos = manner.tos;
        self.push(&[0x60 | (tos >> 4), tos << 4, 0, 0]);
        // CAST: Below 100.
        self.push(&(payload as u16).to_be_bytes());
        self.push(&[protocol, manner.hops]);
        self.push(tuple.source.octets());
        self.push(tuple.destination.octets());
    }

    /// Appends bytes; `MAX` is what all parts take.
    fn push(&mut self, bytes: &[u8]) {
        let end = self.len.checked_add(bytes.len());
        if let Some(place) = end.and_then(|end| self.bytes.get_mut(self.len..end)) {
            place.copy_from_slice(bytes);
            self.len = self.len.saturating_add(bytes.len());
        }
    }
}

/// The checksum of a segment or datagram of the tuple.
fn transport(tuple: &Tuple, bytes: &[u8]) -> [u8; 2] {
    checksum::transport(
        tuple.source.bytes(tuple.family),
        tuple.destination.bytes(tuple.family),
        tuple.protocol.0,
        bytes,
    )
}
