// SPDX-License-Identifier: GPL-2.0

//! A local address: what a real server sees in place of the client's.
//!
//! Counted by reference: the list of its service holds it, and every connection that uses it. The
//! figures are for the operator; any context.
//!
//! Counterpart: `ip_vs_laddr` of Alibaba's LVS and DPVS.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use nat::{Address, Family};

/// One local address of one service.
pub(crate) struct LocalAddress {
    /// The address.
    pub(crate) address: Address,
    /// Its family, maybe another one than the service's.
    pub(crate) family: Family,
    connections: AtomicU32,
    conflicts: AtomicU64,
    failed: AtomicU64,
}

impl LocalAddress {
    /// An address nobody uses yet.
    pub(crate) fn new((address, family): (Address, Family)) -> Self {
        Self {
            address,
            family,
            connections: AtomicU32::new(0),
            conflicts: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// Whether it is that address.
    pub(crate) fn is(&self, (address, family): (Address, Family)) -> bool {
        self.address == address && self.family == family
    }

    /// A connection has got the address.
    pub(crate) fn bound(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    /// It has ended.
    pub(crate) fn released(&self) {
        self.connections.fetch_sub(1, Relaxed);
    }

    /// A port that was chosen turned out to be taken.
    pub(crate) fn conflicted(&self) {
        self.conflicts.fetch_add(1, Relaxed);
    }

    /// No port was left for a connection.
    pub(crate) fn exhausted(&self) {
        self.failed.fetch_add(1, Relaxed);
    }

    /// Connections bound now, conflicts and failures so far.
    pub(crate) fn figures(&self) -> (u32, u64, u64) {
        (
            self.connections.load(Relaxed),
            self.conflicts.load(Relaxed),
            self.failed.load(Relaxed),
        )
    }
}
