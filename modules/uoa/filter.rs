// SPDX-License-Identifier: GPL-2.0

//! Which flows are certainly not in the table, for next to nothing.
//!
//! On a real server most datagrams of transparent mode may have nothing to do with a director. What
//! their headers say is not checked, but made into one number, and how many mappings have the same one
//! is counted here. None: there is nothing to look for. The number's key is random, but that is all it
//! is: who fills the table makes everyone look into the table, and no more. Any context.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use kernel::alloc::{flags, KVVec};
use kernel::prelude::*;
use kernel_net::random;
use nat::{Family, Port, Protocol, Tuple};

/// As many counts as the table has buckets, unless it is told otherwise: 256 kilobytes.
const BITS: u32 = 16;
const UDP: u8 = Protocol::UDP.0;

/// Whose address and port a packet is looked at for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Who has sent it.
    Source,
    /// Who is to get it.
    Destination,
}

/// The address of the other host, folded, and both ports, its own first, all as they are on the wire.
#[derive(Clone, Copy)]
struct Peer(u64, u32);

/// The counts, 2^[`BITS`] of them.
pub(crate) struct Filter {
    counts: KVVec<AtomicU32>,
    factor: u64,
}

impl Filter {
    /// An empty one.
    pub(crate) fn new() -> Result<Self> {
        let mut counts = KVVec::with_capacity(1 << BITS, flags::GFP_KERNEL)?;
        // BOUND: The capacity just reserved.
        for _ in 0..1 << BITS {
            counts
                .push_within_capacity(AtomicU32::new(0))
                .map_err(|_| ENOMEM)?;
        }
        Ok(Self {
            counts,
            factor: random::u64() | 1,
        })
    }

    /// A mapping is found by these two, source and ports of each.
    pub(crate) fn add(&self, keys: [&Tuple; 2]) {
        keys.map(|key| self.count(key).map(|count| count.fetch_add(1, Relaxed)));
    }

    /// It is found by them no more.
    pub(crate) fn remove(&self, keys: [&Tuple; 2]) {
        keys.map(|key| self.count(key).map(|count| count.fetch_sub(1, Relaxed)));
    }

    fn count(&self, key: &Tuple) -> Option<&AtomicU32> {
        let address = match key.family {
            Family::V4 => fold_v4(key.source.v4()),
            Family::V6 => self.fold_v6(*key.source.octets()),
        };
        let [[a, b], [c, d]] = [key.source_port, key.destination_port].map(Port::to_be_bytes);
        self.slot(Peer(address, u32::from_ne_bytes([a, b, c, d])))
    }

    #[inline(always)]
    fn slot(&self, Peer(address, ports): Peer) -> Option<&AtomicU32> {
        let mixed = (address ^ u64::from(ports)).wrapping_mul(self.factor);
        // CAST: Sixteen bits; the upper ones are what the multiplication has mixed best.
        self.counts.get((mixed >> (64 - BITS)) as usize)
    }

    #[inline(always)]
    fn fold_v6(&self, octets: [u8; 16]) -> u64 {
        let octets = u128::from_ne_bytes(octets);
        // CAST: One half, and the other.
        ((octets >> 64) as u64).wrapping_mul(self.factor) ^ (octets as u64).rotate_left(32)
    }

    /// Whether a packet has nothing to do with any flow in the table, by its beginning, from the network
    /// header on; `false` also for packets that take a longer look.
    #[inline(always)]
    pub(crate) fn excludes(&self, packet: &[u8], side: Side) -> bool {
        match *packet {
            [0x45, _, _, _, _, _, _, _, _, UDP, _, _, a, b, c, d, e, f, g, h, i, j, k, l, ..] => {
                let (address, ports) = side.choose([a, b, c, d], [e, f, g, h], [i, j, k, l]);
                !self.has(Peer(fold_v4(address), ports))
            }
            [0x45, _, _, _, _, _, _, _, _, protocol, ..] => protocol != UDP,
            _ => false,
        }
    }

    /// The longer look.
    pub(crate) fn excludes_other(&self, packet: &[u8], side: Side) -> bool {
        match *packet {
            [version, _, _, _, _, _, _, _, _, protocol, ..] if version >> 4 == 4 => protocol != UDP,
            [_, _, _, _, _, _, UDP, ..] => match packet.first_chunk::<44>() {
                Some([_, _, _, _, _, _, _, _, rest @ ..]) => {
                    let (source, rest) = split(rest);
                    let (destination, ports) = split(rest);
                    let ports = ports.first_chunk().copied().unwrap_or_default();
                    let (address, ports) = side.choose(source, destination, ports);
                    !self.has(Peer(self.fold_v6(address), ports))
                }
                None => false,
            },
            // Extension headers may lead to a datagram.
            [_, _, _, _, _, _, next, ..] => !matches!(next, 0 | 43 | 60),
            _ => true,
        }
    }

    #[inline(always)]
    fn has(&self, peer: Peer) -> bool {
        self.slot(peer)
            .is_some_and(|count| count.load(Relaxed) != 0)
    }
}

/// The address at the beginning, and what is behind it.
#[inline(always)]
fn split(bytes: &[u8]) -> ([u8; 16], &[u8]) {
    bytes
        .split_first_chunk()
        .map_or(([0; 16], &[]), |(address, rest)| (*address, rest))
}

impl Side {
    #[inline(always)]
    fn choose<T>(self, source: T, destination: T, ports: [u8; 4]) -> (T, u32) {
        let ports = u32::from_ne_bytes(ports);
        match self {
            Side::Source => (source, ports),
            Side::Destination => (destination, ports.rotate_left(16)),
        }
    }
}

#[inline(always)]
fn fold_v4(octets: [u8; 4]) -> u64 {
    u64::from(u32::from_ne_bytes(octets)) << 32
}
