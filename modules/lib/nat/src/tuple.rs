// SPDX-License-Identifier: GPL-2.0

//! What a packet's addresses and ports are: the key of a flow.

use wire::{Address, Family};

/// An IP protocol number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Protocol(pub u8);

impl Protocol {
    /// TCP.
    pub const TCP: Protocol = Protocol(6);
    /// UDP.
    pub const UDP: Protocol = Protocol(17);
    /// SCTP.
    pub const SCTP: Protocol = Protocol(132);
    /// ICMP.
    pub const ICMP: Protocol = Protocol(1);
    /// ICMPv6.
    pub const ICMPV6: Protocol = Protocol(58);
}

/// A port, in network order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Port([u8; 2]);

impl Port {
    /// By its number.
    #[inline]
    pub const fn new(number: u16) -> Self {
        Self(number.to_be_bytes())
    }

    /// Its number.
    #[inline]
    pub const fn number(self) -> u16 {
        u16::from_be_bytes(self.0)
    }

    /// From network order.
    #[inline]
    pub const fn from_be_bytes(bytes: [u8; 2]) -> Self {
        Self(bytes)
    }

    /// In network order.
    #[inline]
    pub const fn to_be_bytes(self) -> [u8; 2] {
        self.0
    }
}

/// Where a packet comes from and where it goes: 40 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Tuple {
    /// The family of both addresses.
    pub family: Family,
    /// The transport protocol.
    pub protocol: Protocol,
    /// The sender's port.
    pub source_port: Port,
    /// The receiver's port.
    pub destination_port: Port,
    /// The sender.
    pub source: Address,
    /// The receiver.
    pub destination: Address,
}

/// The secret of a hash table: who does not know it cannot choose the chain a packet falls into.
#[derive(Clone, Copy, Debug)]
pub struct HashKey([u64; 2]);

impl HashKey {
    /// From 128 random bits.
    pub const fn new(first: u64, second: u64) -> Self {
        Self([first, second])
    }
}

/// Multiplies and folds: every bit of the input reaches every bit of the output.
#[inline]
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a).wrapping_mul(u128::from(b));
    // CAST: Both halves of the product.
    (product as u64) ^ ((product >> 64) as u64)
}

impl Tuple {
    /// The tuple of an answer.
    #[inline]
    pub const fn reversed(&self) -> Self {
        Self {
            family: self.family,
            protocol: self.protocol,
            source_port: self.destination_port,
            destination_port: self.source_port,
            source: self.destination,
            destination: self.source,
        }
    }

    /// Whether packets of this tuple answer packets of `other`.
    #[inline(always)]
    pub fn answers(&self, other: &Self) -> bool {
        self.is(&other.reversed())
    }

    /// Whether it is the same as `other`: what `==` says, but with nothing of it in memory that has been
    /// in registers.
    #[inline(always)]
    pub fn is(&self, other: &Self) -> bool {
        // Behind addresses of IPv4 there is nothing but zeroes.
        let is = |ours: &Address, theirs: &Address| match self.family {
            Family::V4 => ours.v4() == theirs.v4(),
            Family::V6 => ours == theirs,
        };
        self.ports() == other.ports()
            && is(&self.source, &other.source)
            && is(&self.destination, &other.destination)
            && self.protocol == other.protocol
            && self.family == other.family
    }

    /// Both ports as one word.
    #[inline(always)]
    const fn ports(&self) -> u32 {
        let ([a, b], [c, d]) = (self.source_port.0, self.destination_port.0);
        u32::from_ne_bytes([a, b, c, d])
    }

    /// A hash of the whole tuple.
    #[inline(always)]
    pub fn hash(&self, &HashKey([first, second]): &HashKey) -> u32 {
        let word = |bytes: &[u8]| bytes.first_chunk().copied().map_or(0, u32::from_ne_bytes);
        let pair = |a: u32, b: u32| (u64::from(a) << 32) | u64::from(b);
        let ports = pair(u32::from(self.protocol.0), self.ports());
        let (source, destination) = (self.source.octets(), self.destination.octets());
        // As they lie in a header.
        let mut hash = mix(
            pair(word(destination), word(source)) ^ first,
            ports ^ second,
        );
        if self.family == Family::V6 {
            // BOUND: Three more words of each address.
            for at in [4, 8, 12] {
                let tail = |octets: &[u8; 16]| octets.get(at..).map_or(0, word);
                hash = mix(hash ^ first, pair(tail(destination), tail(source)) ^ second);
            }
        }
        // What differs in little must differ in all bits, also if they are the last of a word.
        // CAST: The upper half is what the multiplication has mixed best.
        (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
    }
}
