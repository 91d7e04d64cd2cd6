// SPDX-License-Identifier: GPL-2.0

//! What the engine shows a method beside the packet: counters and settings of the namespace.

use core::ffi::CStr;
use core::sync::atomic::{AtomicI32, Ordering::Relaxed};
use kernel_net::percpu::Counters;

use crate::Counter;

macro_rules! tunables {
    ($($(#[$doc:meta])* $field:ident: $default:literal, $min:literal..=$max:literal, $name:literal;)*) => {
        /// The settings under net.ipv4.vs, named as Alibaba's LVS names them. The kernel keeps each
        /// within its bounds.
        pub struct Tunables {
            $($(#[$doc])* $field: AtomicI32,)*
        }

        impl Default for Tunables {
            fn default() -> Self {
                Self { $($field: AtomicI32::new($default),)* }
            }
        }

        impl Tunables {
            /// How many there are.
            pub const NUMBER: usize = [$($name),*].len();

            /// Each setting: its name, its place, its bounds.
            pub fn all(&self) -> [(&'static CStr, &AtomicI32, &'static [i32; 2]); Self::NUMBER] {
                [$(($name, &self.$field, &[$min, $max]),)*]
            }
        }
    };
}

tunables! {
    /// The first port of a local address that connections may use.
    lport_min: 1025, 1..=65535, c"fullnat_lport_min";
    /// The last one.
    lport_max: 65535, 1..=65535, c"fullnat_lport_max";
    /// Whether a SYN loses its timestamp option; else it is carried with an offset.
    timestamp_remove: 1, 0..=1, c"fullnat_timestamp_remove_entry";
    /// Whether the server's MSS is lowered to leave room for the client's address.
    mss_adjust: 1, 0..=1, c"fullnat_mss_adjust_entry";
    /// Whether the client's address is passed on over TCP, where the service does not forbid it.
    toa: 1, 0..=1, c"fullnat_toa_entry";
    /// How many datagrams of a flow carry the client's address, where the service wants it.
    uoa_max_trail: 3, 0..=255, c"fullnat_uoa_max_trail";
    /// Whether both sides get a reset when an established connection ends by IPVS's timer.
    expire_tcp_rst: 1, 0..=1, c"conn_expire_tcp_rst";
    /// Whether packets of established flows pass the IP layer by.
    fastpath: 1, 0..=1, c"fullnat_fastpath";
    /// Whether segments to a virtual address that belong to no connection are dropped.
    defence_tcp_drop: 1, 0..=1, c"defence_tcp_drop";
    /// Whether datagrams to a virtual address that serves only TCP are dropped.
    defence_udp_drop: 1, 0..=1, c"defence_udp_drop";
    /// Whether fragments to a virtual address are dropped.
    defence_frag_drop: 0, 0..=1, c"defence_frag_drop";
}

impl Tunables {
    /// The ports of a local address that connections may use, first and last.
    pub fn ports(&self) -> (u16, u16) {
        let port = |value: &AtomicI32| u16::try_from(value.load(Relaxed)).unwrap_or(u16::MAX);
        (port(&self.lport_min), port(&self.lport_max))
    }

    /// `fullnat_timestamp_remove_entry`.
    pub fn removes_timestamps(&self) -> bool {
        is_on(&self.timestamp_remove)
    }

    /// `fullnat_mss_adjust_entry`.
    pub fn adjusts_mss(&self) -> bool {
        is_on(&self.mss_adjust)
    }

    /// `fullnat_toa_entry`.
    pub fn introduces_tcp(&self) -> bool {
        is_on(&self.toa)
    }

    /// `fullnat_uoa_max_trail`.
    pub fn introducing_datagrams(&self) -> u8 {
        u8::try_from(self.uoa_max_trail.load(Relaxed)).unwrap_or(u8::MAX)
    }

    /// `fullnat_fastpath`.
    #[inline]
    pub fn takes_shortcuts(&self) -> bool {
        is_on(&self.fastpath)
    }

    /// `conn_expire_tcp_rst`.
    pub fn resets_expired(&self) -> bool {
        is_on(&self.expire_tcp_rst)
    }

    /// `defence_tcp_drop`.
    pub fn drops_tcp(&self) -> bool {
        is_on(&self.defence_tcp_drop)
    }

    /// `defence_udp_drop`.
    pub fn drops_udp(&self) -> bool {
        is_on(&self.defence_udp_drop)
    }

    /// `defence_frag_drop`.
    pub fn drops_fragments(&self) -> bool {
        is_on(&self.defence_frag_drop)
    }
}

#[inline]
fn is_on(setting: &AtomicI32) -> bool {
    setting.load(Relaxed) != 0
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
