// SPDX-License-Identifier: GPL-2.0
//! Packets of both families, made and checked the slow way.
#![allow(dead_code)]

pub(crate) mod errors;
pub(crate) mod network;

use nat::{Address, Family, Port, Protocol, Tuple};
use proptest::collection::vec;
use proptest::prelude::*;

/// RFC 1071, word by word.
pub(crate) fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let mut sum = 0u64;
    for word in parts.concat().chunks(2) {
        sum += (u64::from(word[0]) << 8) | u64::from(*word.get(1).unwrap_or(&0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

/// The pseudo header of a segment of `len` bytes.
pub(crate) fn pseudo(tuple: &Tuple, len: usize) -> Vec<u8> {
    let mut bytes = tuple.source.bytes(tuple.family).to_vec();
    bytes.extend(tuple.destination.bytes(tuple.family));
    bytes.extend((len as u32).to_be_bytes());
    bytes.extend([0, 0, 0, tuple.protocol.0]);
    bytes
}

/// What a packet says besides its addresses and ports.
#[derive(Clone, Debug)]
pub(crate) struct Rest {
    pub(crate) ttl: u8,
    pub(crate) ip_options: Vec<u8>,
    pub(crate) tcp_options: Vec<u8>,
    pub(crate) numbers: [u8; 8],
    pub(crate) payload: Vec<u8>,
    /// UDP: there is a checksum.
    pub(crate) has_checksum: bool,
}

pub(crate) const SCTP: Protocol = Protocol(132);

pub(crate) fn at_of_check(protocol: Protocol) -> usize {
    match protocol {
        Protocol::UDP => 6,
        SCTP => 8,
        _ => 16,
    }
}

/// The transport header and the payload, with a checksum of zero.
fn segment(tuple: &Tuple, rest: &Rest) -> Vec<u8> {
    let mut bytes = tuple.source_port.to_be_bytes().to_vec();
    bytes.extend(tuple.destination_port.to_be_bytes());
    if tuple.protocol == Protocol::UDP {
        bytes.extend(((8 + rest.payload.len()) as u16).to_be_bytes());
        bytes.extend([0, 0]);
    } else if tuple.protocol == SCTP {
        bytes.extend(&rest.numbers[..4]);
        bytes.extend([0; 4]);
    } else {
        bytes.extend(rest.numbers);
        bytes.extend([
            (5 + rest.tcp_options.len() as u8 / 4) << 4,
            0x10,
            0xff,
            0xff,
            0,
            0,
            0,
            0,
        ]);
        bytes.extend(&rest.tcp_options);
    }
    bytes.extend(&rest.payload);
    bytes
}

/// A packet with all checksums in place; with `partial`, the pseudo header's sum in place of the
/// transport checksum.
pub(crate) fn packet(tuple: &Tuple, rest: &Rest, partial: bool) -> Vec<u8> {
    let segment = transport(tuple, rest, partial);
    let mut bytes = network(tuple, rest, segment.len());
    bytes.extend(segment);
    bytes
}

/// The same without the network header.
pub(crate) fn transport(tuple: &Tuple, rest: &Rest, partial: bool) -> Vec<u8> {
    let mut segment = segment(tuple, rest);
    if tuple.protocol == SCTP {
        let check = wire::crc32c::of(&segment);
        segment[8..12].copy_from_slice(&check);
        return segment;
    }
    let pseudo = pseudo(tuple, segment.len());
    let mut check = checksum(&[&pseudo, &segment]);
    if tuple.protocol == Protocol::UDP {
        check = match check {
            [0, 0] => [0xff, 0xff],
            check => check,
        };
        if !rest.has_checksum {
            check = [0, 0];
        }
    }
    if partial {
        check = checksum(&[&pseudo]).map(|byte| !byte);
    }
    let at = at_of_check(tuple.protocol);
    segment[at..at + 2].copy_from_slice(&check);
    segment
}

fn network(tuple: &Tuple, rest: &Rest, len: usize) -> Vec<u8> {
    if tuple.family == Family::V6 {
        let mut bytes = vec![0x60, 0, 0, 0];
        bytes.extend((len as u16).to_be_bytes());
        bytes.extend([tuple.protocol.0, rest.ttl]);
        bytes.extend(tuple.source.octets());
        bytes.extend(tuple.destination.octets());
        return bytes;
    }
    let header_len = 20 + rest.ip_options.len();
    let mut bytes = vec![0x40 | (header_len / 4) as u8, 0];
    bytes.extend(((header_len + len) as u16).to_be_bytes());
    bytes.extend([0x12, 0x34, 0x40, 0, rest.ttl, tuple.protocol.0, 0, 0]);
    bytes.extend(tuple.source.v4());
    bytes.extend(tuple.destination.v4());
    bytes.extend(&rest.ip_options);
    let check = checksum(&[&bytes]);
    bytes[10..12].copy_from_slice(&check);
    bytes
}

pub(crate) fn v4(a: u8, b: u8, c: u8, d: u8) -> Address {
    Address::from_v4([a, b, c, d])
}

pub(crate) fn tcp(
    source: Address,
    source_port: u16,
    destination: Address,
    destination_port: u16,
) -> Tuple {
    Tuple {
        family: Family::V4,
        protocol: Protocol::TCP,
        source_port: Port::new(source_port),
        destination_port: Port::new(destination_port),
        source,
        destination,
    }
}

pub(crate) fn plain() -> Rest {
    Rest {
        ttl: 64,
        ip_options: vec![],
        tcp_options: vec![],
        numbers: [1, 2, 3, 4, 5, 6, 7, 8],
        payload: vec![],
        has_checksum: true,
    }
}

pub(crate) fn address(family: Family) -> impl Strategy<Value = Address> {
    any::<[u8; 16]>().prop_map(move |octets| match family {
        Family::V4 => Address::from_v4([octets[0], octets[1], octets[2], octets[3]]),
        Family::V6 => Address::from_octets(octets),
    })
}

/// Two tuples of one family and one protocol.
pub(crate) fn tuples() -> impl Strategy<Value = (Tuple, Tuple)> {
    let family = prop_oneof![Just(Family::V4), Just(Family::V6)];
    let protocol = prop_oneof![Just(Protocol::TCP), Just(Protocol::UDP), Just(SCTP)];
    (family, protocol).prop_flat_map(|(family, protocol)| {
        let tuple = move || {
            (address(family), address(family), any::<u16>(), any::<u16>()).prop_map(
                move |(source, destination, from, to)| Tuple {
                    family,
                    protocol,
                    source_port: Port::new(from),
                    destination_port: Port::new(to),
                    source,
                    destination,
                },
            )
        };
        (tuple(), tuple())
    })
}

pub(crate) fn rest() -> impl Strategy<Value = Rest> {
    let words = |max: usize| vec(any::<[u8; 4]>(), 0..=max).prop_map(|words| words.concat());
    (
        any::<u8>(),
        words(10),
        words(10),
        any::<[u8; 8]>(),
        vec(any::<u8>(), 0..64),
        any::<bool>(),
    )
        .prop_map(
            |(ttl, ip_options, tcp_options, numbers, payload, has_checksum)| Rest {
                ttl,
                ip_options,
                tcp_options,
                numbers,
                payload,
                has_checksum,
            },
        )
}
