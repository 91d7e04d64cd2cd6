// SPDX-License-Identifier: GPL-2.0

//! The Internet checksum (RFC 1071) and how it changes with the packet (RFC 1624).
//!
//! Sums are taken over 16-bit words in the order in which they lie in memory: one's complement
//! addition does not care, as long as the field is read and written the same way.
//!
//! Zero has two forms. A sum of data that are not all zero never comes out as 0x0000, so that a field
//! changed step by step is, bit for bit, the field of a packet summed up afresh.
//!
//! Kernel counterpart: `net/core/utils.c`, `inet_proto_csum_replace4()`.

/// One's complement addition.
#[inline]
const fn add(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    // CAST: A carry is one or none; after one, the sum is at most 0xfffe.
    sum.wrapping_add(carry as u16)
}

/// One of two forms of zero stands for both: "nothing changes" is all zeroes.
#[inline]
const fn normal(sum: u16) -> u16 {
    match sum {
        0xffff => 0,
        sum => sum,
    }
}

/// The sum of bytes as words, the last one padded with a zero byte if their number is odd.
#[inline]
pub fn sum(bytes: &[u8]) -> u16 {
    let mut total = 0u64;
    let mut pairs = bytes.chunks_exact(4);
    // BOUND: Four bytes a round. The total holds the sum of 2^32 rounds.
    for pair in pairs.by_ref() {
        if let &[a, b, c, d] = pair {
            total = total.wrapping_add(u64::from(u32::from_ne_bytes([a, b, c, d])));
        }
    }
    let last = match *pairs.remainder() {
        [a] => [a, 0, 0, 0],
        [a, b] => [a, b, 0, 0],
        [a, b, c] => [a, b, c, 0],
        _ => [0; 4],
    };
    total = total.wrapping_add(u64::from(u32::from_ne_bytes(last)));
    // CAST: The four words of the total, one after the other.
    let words = [
        total as u16,
        (total >> 16) as u16,
        (total >> 32) as u16,
        (total >> 48) as u16,
    ];
    words.into_iter().fold(0, add)
}

/// What divides a multiple of 0xffff by it, of 64 bits.
const INVERSE: u64 = 0xfffe_fffe_fffe_ffff;

const _: () = assert!(INVERSE.wrapping_mul(0xffff) == 1);

/// Whether an IPv4 header without options has the checksum it should.
#[inline]
pub fn is_right(header: &[u8; 20]) -> bool {
    let words = |at: usize| {
        let words = header.get(at..).and_then(<[u8]>::first_chunk);
        words.copied().map_or(0, u64::from_ne_bytes)
    };
    let last = header.last_chunk().copied().map_or(0, u32::from_ne_bytes);
    // Four words of 16 bits at once: 2^64 - 1, which the carry stands for, is a multiple of 2^16 - 1.
    let add = |a: u64, b: u64| {
        let (sum, carry) = a.overflowing_add(b);
        sum.wrapping_add(u64::from(carry))
    };
    let total = add(add(words(0), words(8)), u64::from(last));
    // A one's complement sum of 16 bits is zero, in either form, if the number is a multiple of
    // 0xffff; and no header is all zeroes. Such a number, and no other, has a small quotient.
    total.wrapping_mul(INVERSE).wrapping_sub(1) < u64::MAX / 0xffff
}

/// The checksum of bytes whose checksum field is zero, in the order of memory.
pub fn of(bytes: &[u8]) -> [u8; 2] {
    (!sum(bytes)).to_ne_bytes()
}

/// The sum of a pseudo header, not complemented: what the field holds before the NIC completes it.
///
/// The addresses are 4 or 16 bytes long each; `len` is that of the transport header and its data.
pub fn pseudo(source: &[u8], destination: &[u8], protocol: u8, len: u32) -> [u8; 2] {
    let tail = add(sum(&len.to_be_bytes()), sum(&[0, protocol]));
    add(add(sum(source), sum(destination)), tail).to_ne_bytes()
}

/// The checksum of a TCP segment, of an ICMPv6 message or, unless it comes out as zero, of a UDP
/// datagram, whose checksum field is zero.
pub fn transport(source: &[u8], destination: &[u8], protocol: u8, segment: &[u8]) -> [u8; 2] {
    // CAST: A packet is far below 4 GiB.
    let pseudo = pseudo(source, destination, protocol, segment.len() as u32);
    (!add(u16::from_ne_bytes(pseudo), sum(segment))).to_ne_bytes()
}

/// What a change of a packet adds to its one's complement sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delta(u16);

impl Delta {
    /// No change.
    pub const NONE: Delta = Delta(0);

    /// Bytes that replace others at an even offset; the shorter ones are padded with zeroes.
    #[inline]
    pub fn between(old: &[u8], new: &[u8]) -> Self {
        Self(normal(add(!sum(old), sum(new))))
    }

    /// Bytes that come in at an even offset.
    #[inline]
    pub fn inserted(new: &[u8]) -> Self {
        Self(normal(sum(new)))
    }

    /// Bytes that go from an even offset.
    #[inline]
    pub fn removed(old: &[u8]) -> Self {
        Self::inserted(old).negated()
    }

    /// A word that replaces another.
    #[inline]
    pub const fn of_word(old: [u8; 2], new: [u8; 2]) -> Self {
        Self(normal(add(
            !u16::from_ne_bytes(old),
            u16::from_ne_bytes(new),
        )))
    }

    /// Both changes.
    #[inline]
    pub const fn then(self, other: Delta) -> Self {
        Self(normal(add(self.0, other.0)))
    }

    /// The way back.
    #[inline]
    pub const fn negated(self) -> Self {
        Self(normal(!self.0))
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
        // As one number until the end, which compilers move in one piece.
        let (old, new) = (field, self.apply(field));
        let new = match (u16::from_ne_bytes(old), u16::from_ne_bytes(new)) {
            (0, _) => 0,
            (_, 0) => 0xffff,
            (_, new) => new,
        };
        new.to_ne_bytes()
    }

    /// The field of a packet whose checksum the NIC is to complete (`CHECKSUM_PARTIAL`): it holds
    /// the sum of the pseudo header, not complemented. The change is one of the pseudo header.
    #[inline]
    pub const fn apply_to_pseudo(self, field: [u8; 2]) -> [u8; 2] {
        add(u16::from_ne_bytes(field), self.0).to_ne_bytes()
    }
}
