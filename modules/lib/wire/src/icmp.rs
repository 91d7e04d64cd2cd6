// SPDX-License-Identifier: GPL-2.0

//! ICMP (RFC 792), as far as errors quote other packets.

use crate::{Ipv4, Malformed};

/// Bytes of the header; in errors the quoted packet follows.
pub const LEN: usize = 8;
/// Offset of the checksum field.
pub const CHECK: usize = 2;
/// The IP protocol number.
pub const PROTOCOL: u8 = 1;

/// Whether an IPv4 packet is an ICMP error: destination unreachable, source quench, time exceeded or
/// parameter problem.
#[inline]
pub fn is_error(packet: &[u8]) -> bool {
    match Ipv4::parse(packet) {
        Ok(ip) if ip.protocol() == PROTOCOL && !ip.is_fragment() => {
            matches!(ip.rest().first(), Some(3 | 4 | 11 | 12))
        }
        _ => false,
    }
}

/// Offset of the packet that an error quotes.
#[inline]
pub fn quoted_at(packet: &[u8]) -> Result<usize, Malformed> {
    let ip = Ipv4::parse(packet)?;
    ip.header_len()
        .checked_add(LEN)
        .filter(|&at| at < packet.len())
        .ok_or(Malformed)
}
