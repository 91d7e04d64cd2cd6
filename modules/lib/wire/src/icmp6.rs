// SPDX-License-Identifier: GPL-2.0

//! ICMPv6 (RFC 4443): types and codes. Messages are laid out like ICMP's, see [`crate::icmp`]; other
//! than there, the checksum covers a pseudo header.

/// The next header number.
pub const PROTOCOL: u8 = 58;

/// A packet could not be delivered.
pub const UNREACHABLE: u8 = 1;
/// A packet is longer than a link takes; the rest of the header is the link's MTU.
pub const TOO_BIG: u8 = 2;
/// The hop limit ran out, or the time for reassembly.
pub const TIME_EXCEEDED: u8 = 3;
/// A field makes no sense; the rest of the header is its offset.
pub const PARAMETER_PROBLEM: u8 = 4;
/// A question of `ping`.
pub const ECHO_REQUEST: u8 = 128;
/// Its answer.
pub const ECHO_REPLY: u8 = 129;

/// Whether a type is one of the errors that exist.
#[inline]
pub const fn is_error(kind: u8) -> bool {
    matches!(
        kind,
        UNREACHABLE | TOO_BIG | TIME_EXCEEDED | PARAMETER_PROBLEM
    )
}
