// SPDX-License-Identifier: GPL-2.0

//! Decisions and changes of a translator, on plain values and bytes.
//!
//! Nothing here knows the kernel: the same functions run under `cargo test` and in softirq. Nothing
//! allocates, panics, or loops beyond a bound that is stated.

#![cfg_attr(not(CONFIG_RUST), no_std)]
#![forbid(unsafe_code)]

pub mod address_map;
mod detour;
mod headers;
pub mod icmp;
mod icmp_types;
mod network;
mod own_packet;
mod ports;
mod rewrite;
mod sequence;
pub mod shape;
pub mod siit;
mod story;
mod timestamp;
mod tuple;

pub use detour::{Detour, Plain};
pub use headers::{Headers, Unfit};
pub use own_packet::OwnPacket;
pub use ports::{Allocation, NotAllocated, PortError, PortPool, Record, Records, CHUNK, REST};
pub use rewrite::{
    decrement_ttl, lacks_checksum, put_pseudo_sum, renew_header_checksum, ChecksumState, Deltas,
    Expired, Rewrite,
};
pub use sequence::{after, LastUse, SequenceShift};
pub use shape::Shape;
pub use story::{Resets, Story};
pub use timestamp::TimestampShift;
pub use tuple::{HashKey, Port, Protocol, Tuple};
pub use wire::{Address, Family, Malformed};
