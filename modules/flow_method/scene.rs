// SPDX-License-Identifier: GPL-2.0

//! What the engine shows a method beside the packet: counters and settings of the namespace.

use core::sync::atomic::{AtomicI32, Ordering::Relaxed};
use kernel_net::percpu::Counters;

use crate::Counter;

/// The settings under net.ipv4.vs, named as Alibaba's LVS names them.
pub struct Tunables {
    /// `fullnat_lport_min`.
    pub lport_min: AtomicI32,
    /// `fullnat_lport_max`.
    pub lport_max: AtomicI32,
    /// `fullnat_timestamp_remove_entry`.
    pub timestamp_remove: AtomicI32,
    /// `fullnat_mss_adjust_entry`.
    pub mss_adjust: AtomicI32,
    /// `fullnat_toa_entry`.
    pub toa: AtomicI32,
}

/// The settings of one moment.
#[derive(Clone, Copy, Debug)]
pub struct Values {
    /// The first port of a local address that connections may use.
    pub lport_min: u16,
    /// The last one.
    pub lport_max: u16,
    /// Whether a SYN loses its timestamp option.
    pub timestamp_remove: bool,
    /// Whether the server's MSS is lowered to leave room for the client's address.
    pub mss_adjust: bool,
    /// Whether the client's address is passed on.
    pub toa: bool,
}

impl Default for Tunables {
    fn default() -> Self {
        Self {
            lport_min: AtomicI32::new(1025),
            lport_max: AtomicI32::new(65535),
            timestamp_remove: AtomicI32::new(1),
            mss_adjust: AtomicI32::new(1),
            toa: AtomicI32::new(1),
        }
    }
}

impl Tunables {
    /// The settings of this moment. The kernel keeps them within their bounds.
    pub fn now(&self) -> Values {
        let port = |value: &AtomicI32| u16::try_from(value.load(Relaxed)).unwrap_or(u16::MAX);
        let flag = |value: &AtomicI32| value.load(Relaxed) != 0;
        Values {
            lport_min: port(&self.lport_min),
            lport_max: port(&self.lport_max),
            timestamp_remove: flag(&self.timestamp_remove),
            mss_adjust: flag(&self.mss_adjust),
            toa: flag(&self.toa),
        }
    }
}

/// Counters and settings of one namespace.
pub struct Scene {
    counters: Counters<{ Counter::ALL.len() }>,
    /// The settings.
    pub tunables: Tunables,
}

impl Scene {
    /// All counters at zero, all settings at their defaults.
    pub fn new() -> kernel::error::Result<Self> {
        Ok(Self {
            counters: Counters::new()?,
            tunables: Tunables::default(),
        })
    }

    /// Counts one.
    #[inline]
    pub fn count(&self, counter: Counter) {
        // CAST: The position in the enum.
        self.counters.add(counter as usize);
    }

    /// What has been counted on all CPUs.
    pub fn sum(&self, counter: Counter) -> u64 {
        // CAST: As above.
        self.counters.sum(counter as usize)
    }
}
