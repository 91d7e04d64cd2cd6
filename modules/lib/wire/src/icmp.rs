// SPDX-License-Identifier: GPL-2.0

//! ICMP (RFC 792), as far as errors quote other packets; the layout is ICMPv6's, too.

use crate::Malformed;

/// Bytes of the header; in errors the quoted packet follows.
pub const LEN: usize = 8;
/// Offset of the checksum field.
pub const CHECK: usize = 2;
/// The IP protocol number.
pub const PROTOCOL: u8 = 1;

/// The answer to an [`ECHO_REQUEST`].
pub const ECHO_REPLY: u8 = 0;
/// A packet could not be delivered.
pub const UNREACHABLE: u8 = 3;
/// A request to send less, which nobody makes any more (RFC 6633).
pub const SOURCE_QUENCH: u8 = 4;
/// A question of `ping`.
pub const ECHO_REQUEST: u8 = 8;
/// The time to live ran out, or the time for reassembly.
pub const TIME_EXCEEDED: u8 = 11;
/// A field makes no sense; the first byte of the rest of the header is its offset.
pub const PARAMETER_PROBLEM: u8 = 12;
/// The code of [`UNREACHABLE`] that says that a packet is longer than a link takes; the rest of the
/// header ends in the link's MTU (RFC 1191).
pub const FRAGMENTATION_NEEDED: u8 = 4;

/// The header of a message of either family, without its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// The type.
    pub kind: u8,
    /// The code.
    pub code: u8,
    /// What else the header says, as the type has it.
    pub rest: [u8; 4],
}

impl Icmp {
    /// Reads a header.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let &[kind, code, _, _, ref rest @ ..] = bytes.first_chunk::<LEN>().ok_or(Malformed)?;
        Ok(Self {
            kind,
            code,
            rest: *rest,
        })
    }

    /// The header with this checksum.
    #[inline]
    pub const fn encode(&self, check: [u8; 2]) -> [u8; LEN] {
        let ([high, low], [a, b, c, d]) = (check, self.rest);
        [self.kind, self.code, high, low, a, b, c, d]
    }
}

/// Whether a type is one of the errors: destination unreachable, source quench, time exceeded or
/// parameter problem.
#[inline]
pub const fn is_error(kind: u8) -> bool {
    matches!(
        kind,
        UNREACHABLE | SOURCE_QUENCH | TIME_EXCEEDED | PARAMETER_PROBLEM
    )
}
