// SPDX-License-Identifier: GPL-2.0

//! Which error of one family says what an error of the other does (RFC 7915, sections 4.2 and 5.2).
//!
//! `None` where there is no such error; it is dropped. The length that announces extensions (RFC 4884)
//! is left out: it counts other units in each family, and what is quoted changes its length.

use wire::icmp::{self, Icmp};
use wire::icmp6;

/// What IPv6 has more of a header, in bytes.
const GROWTH: u32 = 20;
/// The MTU that every IPv6 link has.
const V6_MIN_MTU: u32 = 1280;
/// The longest IPv4 packet.
const V4_MAX_MTU: u32 = 65535;

/// Offset of the next header in an IPv6 header.
const NEXT_HEADER: u32 = 6;

/// MTUs that links have, from RFC 1191, section 7.1.
const PLATEAUS: [u32; 11] = [
    65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68,
];

const fn message(kind: u8, code: u8, rest: u32) -> Option<Icmp> {
    Some(Icmp {
        kind,
        code,
        rest: rest.to_be_bytes(),
    })
}

/// An ICMPv4 error about a packet of `quoted_len` bytes, for an IPv6 host to whom packets of `mtu` bytes
/// can be sent.
pub(crate) fn to_v6(error: Icmp, quoted_len: usize, mtu: u32) -> Option<Icmp> {
    let [pointer, _, high, low] = error.rest;
    match (error.kind, error.code) {
        // Net or host: unreachable, unknown, isolated, not by this type of service; no such route.
        (icmp::UNREACHABLE, 0 | 1 | 5..=8 | 11 | 12) => message(icmp6::UNREACHABLE, 0, 0),
        // Net, host or anything: prohibited by who runs it; precedence too low.
        (icmp::UNREACHABLE, 9 | 10 | 13 | 15) => message(icmp6::UNREACHABLE, 1, 0),
        // The protocol.
        (icmp::UNREACHABLE, 2) => message(icmp6::PARAMETER_PROBLEM, 1, NEXT_HEADER),
        // The port.
        (icmp::UNREACHABLE, 3) => message(icmp6::UNREACHABLE, 4, 0),
        (icmp::UNREACHABLE, icmp::FRAGMENTATION_NEEDED) => {
            let announced = match u32::from(u16::from_be_bytes([high, low])) {
                0 => plateau_below(quoted_len),
                announced => announced,
            };
            let announced = announced.saturating_add(GROWTH);
            message(icmp6::TOO_BIG, 0, announced.min(mtu).max(V6_MIN_MTU))
        }
        (icmp::TIME_EXCEEDED, code) => message(icmp6::TIME_EXCEEDED, code, 0),
        // A field that is wrong, or a length.
        (icmp::PARAMETER_PROBLEM, 0 | 2) => {
            let pointer = match pointer {
                // Version; type of service.
                0 | 1 => u32::from(pointer),
                // Total length.
                2 | 3 => 4,
                // Time to live.
                8 => 7,
                // Protocol.
                9 => NEXT_HEADER,
                // The addresses.
                12..=15 => 8,
                16..=19 => 24,
                _ => return None,
            };
            message(icmp6::PARAMETER_PROBLEM, 0, pointer)
        }
        _ => None,
    }
}

/// An ICMPv6 error, for an IPv4 host to whom packets of `mtu` bytes can be sent.
pub(crate) fn to_v4(error: Icmp, mtu: u32) -> Option<Icmp> {
    let value = u32::from_be_bytes(error.rest);
    match (error.kind, error.code) {
        // No route; beyond the scope of the source address; the address.
        (icmp6::UNREACHABLE, 0 | 2 | 3) => message(icmp::UNREACHABLE, 1, 0),
        // Prohibited by who runs it.
        (icmp6::UNREACHABLE, 1) => message(icmp::UNREACHABLE, 10, 0),
        // The port.
        (icmp6::UNREACHABLE, 4) => message(icmp::UNREACHABLE, 3, 0),
        (icmp6::TOO_BIG, _) => {
            // There is no IPv6 link with a smaller one (RFC 8201, section 4).
            let announced = value.max(V6_MIN_MTU).saturating_sub(GROWTH);
            let announced = announced.min(mtu).min(V4_MAX_MTU);
            message(icmp::UNREACHABLE, icmp::FRAGMENTATION_NEEDED, announced)
        }
        (icmp6::TIME_EXCEEDED, code) => message(icmp::TIME_EXCEEDED, code, 0),
        (icmp6::PARAMETER_PROBLEM, 0) => {
            let pointer: u8 = match value {
                // Version.
                0 => 0,
                // Traffic class.
                1 => 1,
                // Payload length.
                4 | 5 => 2,
                NEXT_HEADER => 9,
                // Hop limit.
                7 => 8,
                // The addresses.
                8..=23 => 12,
                24..=39 => 16,
                _ => return None,
            };
            message(icmp::PARAMETER_PROBLEM, 0, u32::from(pointer) << 24)
        }
        // The next header.
        (icmp6::PARAMETER_PROBLEM, 1) => message(icmp::UNREACHABLE, 2, 0),
        _ => None,
    }
}

/// What a router may have meant that does not say which MTU its link has.
fn plateau_below(len: usize) -> u32 {
    // BOUND: The table.
    let mut smaller = PLATEAUS.into_iter().filter(|&plateau| {
        // CAST: The length of a packet.
        plateau < len as u32
    });
    smaller.next().unwrap_or(0)
}
