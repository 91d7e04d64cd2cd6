// SPDX-License-Identifier: GPL-2.0

//! Wire formats: what lies in a packet, and how to change it without losing its checksum.
//!
//! Views over bytes and functions on option lists. Nothing here allocates, panics, or loops beyond
//! the bytes it was given: lengths that lie end in `Malformed`. Any context; callers see to it that
//! the bytes are theirs to read or write.

#![cfg_attr(not(CONFIG_RUST), no_std)]
#![forbid(unsafe_code)]

mod address;
pub mod checksum;
pub mod crc32c;
mod ethernet;
pub mod extensions;
pub mod icmp;
pub mod icmp6;
mod ipv4;
mod ipv6;
pub mod prefix;
mod sctp;
mod tcp;
pub mod tcp_options;
pub mod toa;
pub mod toa_forms;
mod udp;
pub mod uoa;

pub use address::{Address, Family};
pub use checksum::Delta;
pub use ethernet::Ethernet;
pub use extensions::Fragment;
pub use ipv4::Ipv4;
pub use ipv6::Ipv6;
pub use prefix::Prefix;
pub use sctp::Sctp;
pub use tcp::{Flags, Tcp};
pub use udp::Udp;

/// Headers that are cut short, or whose length fields contradict the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Two bytes of network order at `at`.
#[inline]
pub(crate) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u16::from_be_bytes)
}

/// Four bytes of network order at `at`.
#[inline]
pub(crate) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u32::from_be_bytes)
}

/// Replaces `N` bytes at `at`; whether they were there.
#[inline]
pub fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) -> bool {
    match bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        Some(place) => {
            *place = value;
            true
        }
        None => false,
    }
}
