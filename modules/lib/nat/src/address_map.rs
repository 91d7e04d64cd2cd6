// SPDX-License-Identifier: GPL-2.0

//! Servers of the other family, under addresses that IPVS takes.
//!
//! IPVS wants service and server to be of one family. The IPv4 server of an IPv6 service is stored
//! under the well-known prefix (RFC 6052): the IPv4 address lies in it, and nothing need be remembered.
//! The prefix is for names in a table here, not for packets, so that private addresses may lie in it,
//! too (section 3.1 forbids those on the wire).
//!
//! An IPv6 address does not fit the other way. It gets an alias from a block of IPv4 that no host uses,
//! worked out from the address, so that two directors come to the same alias; what stands for what is
//! remembered by the engine. Where two addresses come to one alias, the next attempt finds another.

use crate::Address;

/// 64:ff9b::/96.
const WELL_KNOWN: [u8; 12] = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];

/// Aliases there are: 240.0.0.0/4 without the broadcast address.
const ALIASES: u64 = (1 << 28) - 1;
const FIRST_ALIAS: u32 = 0xf000_0000;

/// The IPv6 address that stands for an IPv4 address.
pub const fn embed([a, b, c, d]: [u8; 4]) -> Address {
    let [p, q, r, s, ..] = WELL_KNOWN;
    Address::from_octets([p, q, r, s, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d])
}

/// The IPv4 address that an IPv6 address stands for.
pub fn extract(address: &Address) -> Option<[u8; 4]> {
    let (prefix, v4) = address.octets().split_last_chunk()?;
    (*prefix == WELL_KNOWN).then_some(*v4)
}

/// Whether an IPv4 address can be an alias.
pub const fn is_alias(address: [u8; 4]) -> bool {
    let number = u32::from_be_bytes(address);
    number >= FIRST_ALIAS && number != u32::MAX
}

/// The alias that is tried at this attempt for an IPv6 address, the first one being number zero. It
/// does not change from version to version: configurations that were saved name it.
pub fn alias_of(address: &Address, attempt: u32) -> [u8; 4] {
    let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    // FNV-1a, and a last step that brings all bits into play.
    let attempt = attempt.to_be_bytes();
    let bytes = address.octets().iter().chain(&attempt);
    let sum = bytes.fold(0xcbf2_9ce4_8422_2325, hash);
    let sum = (sum ^ (sum >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    // CAST: Below 2^28.
    let alias = ((sum >> 32) % ALIASES) as u32;
    (FIRST_ALIAS | alias).to_be_bytes()
}
