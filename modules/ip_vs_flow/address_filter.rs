// SPDX-License-Identifier: GPL-2.0

//! Whether a packet can be for one of certain addresses at all.
//!
//! Most packets the director receives are none of the engine's business: requests on their way to IPVS,
//! other people's traffic. A bit per hash of the destination address spares them a lookup. One filter
//! knows the local addresses, from when an operator adds them; another one the addresses that flows
//! have packets sent to. Bits stay set: connections outlive what they were made by. Set in process
//! context or softirq; read in softirq, without a lock.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use nat::{Address, Family};

/// Words of 64 bits.
const WORDS: usize = 64;

/// The bits of a namespace.
pub(crate) struct AddressFilter {
    words: [AtomicU64; WORDS],
}

/// The word and the bit of an address.
#[inline]
fn place(address: [u8; 4]) -> (usize, u64) {
    // Fibonacci hashing: twelve high bits of the product.
    let hash = u32::from_ne_bytes(address).wrapping_mul(0x9e37_79b9) >> 20;
    // CAST: Six bits.
    ((hash >> 6) as usize, 1 << (hash & 63))
}

/// Four bytes that tell addresses of a family apart as well as all do in practice.
#[inline]
fn telling(address: &Address, family: Family) -> [u8; 4] {
    match family {
        Family::V4 => address.v4(),
        Family::V6 => address.octets().last_chunk().copied().unwrap_or_default(),
    }
}

impl AddressFilter {
    pub(crate) const fn new() -> Self {
        Self {
            words: [const { AtomicU64::new(0) }; WORDS],
        }
    }

    /// From now on packets may be for this address.
    pub(crate) fn add(&self, address: &Address, family: Family) {
        let (word, bit) = place(telling(address, family));
        // Relaxed: whoever sends to the address has learnt of it later, and by other means.
        if let Some(word) = self.words.get(word) {
            if word.load(Relaxed) & bit == 0 {
                word.fetch_or(bit, Relaxed);
            }
        }
    }

    /// Whether the packet that begins with these bytes may be for one of the addresses.
    #[inline(always)]
    pub(crate) fn may_be_for(&self, packet: &[u8]) -> bool {
        match packet.first() {
            Some(first) if first >> 4 == 6 => self.may_be_of(Family::V6, packet),
            _ => self.may_be_of(Family::V4, packet),
        }
    }

    /// The same of a packet of that family.
    #[inline(always)]
    pub(crate) fn may_be_of(&self, family: Family, packet: &[u8]) -> bool {
        let end = match family {
            Family::V4 => 20,
            Family::V6 => 40,
        };
        // The destination is the last field of both fixed headers.
        let Some(address) = packet.get(..end).and_then(<[u8]>::last_chunk) else {
            return true;
        };
        let (word, bit) = place(*address);
        self.words
            .get(word)
            .is_some_and(|word| word.load(Relaxed) & bit != 0)
    }
}
