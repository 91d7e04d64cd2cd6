// SPDX-License-Identifier: GPL-2.0

//! The Internet checksum (RFC 1071) and how it changes with the packet (RFC 1624).
//!
//! Sums are taken over 16-bit words in the order in which they lie in memory: one's complement
//! addition does not care, as long as the field is read and written the same way.

/// One's complement addition.
#[inline]
const fn add(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    // CAST: A carry is one or none; after one, the sum is at most 0xfffe.
    sum.wrapping_add(carry as u16)
}

/// The sum of bytes as words, the last one padded with a zero byte if their number is odd.
#[inline]
pub fn sum(bytes: &[u8]) -> u16 {
    let mut total = 0;
    // BOUND: Two bytes a round.
    for word in bytes.chunks(2) {
        total = match *word {
            [a, b] => add(total, u16::from_ne_bytes([a, b])),
            [a] => add(total, u16::from_ne_bytes([a, 0])),
            _ => total,
        };
    }
    total
}

/// The checksum of bytes whose checksum field is zero, in the order of memory.
pub fn of(bytes: &[u8]) -> [u8; 2] {
    (!sum(bytes)).to_ne_bytes()
}

/// What a change of a packet adds to its one's complement sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delta(u16);

impl Delta {
    /// No change.
    pub const NONE: Delta = Delta(0);

    /// Bytes that replace others at an even offset.
    #[inline]
    pub fn between(old: &[u8], new: &[u8]) -> Self {
        Self(add(!sum(old), sum(new)))
    }

    /// A word that replaces another.
    #[inline]
    pub const fn of_word(old: [u8; 2], new: [u8; 2]) -> Self {
        Self(add(!u16::from_ne_bytes(old), u16::from_ne_bytes(new)))
    }

    /// Both changes.
    #[inline]
    pub const fn then(self, other: Delta) -> Self {
        Self(add(self.0, other.0))
    }

    /// The checksum field after the change: equation 3 of RFC 1624.
    #[inline]
    pub const fn apply(self, field: [u8; 2]) -> [u8; 2] {
        (!add(!u16::from_ne_bytes(field), self.0)).to_ne_bytes()
    }

    /// The checksum field of a datagram after the change. Zero means that there is none (RFC 768),
    /// and stays; a sum that comes out as zero is sent as all ones.
    #[inline]
    pub const fn apply_udp(self, field: [u8; 2]) -> [u8; 2] {
        match (field, self.apply(field)) {
            ([0, 0], _) => [0, 0],
            (_, [0, 0]) => [0xff, 0xff],
            (_, new) => new,
        }
    }

    /// The field of a packet whose checksum the NIC is to complete (`CHECKSUM_PARTIAL`): it holds
    /// the sum of the pseudo header, not complemented. The change is one of the pseudo header.
    #[inline]
    pub const fn apply_to_pseudo(self, field: [u8; 2]) -> [u8; 2] {
        add(u16::from_ne_bytes(field), self.0).to_ne_bytes()
    }
}
