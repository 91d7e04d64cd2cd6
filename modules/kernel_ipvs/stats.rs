// SPDX-License-Identifier: GPL-2.0

//! The traffic counters of servers, services and the namespace.
//!
//! IPVS counts what it forwards itself. What passes it by, and what comes back by a method that is not
//! IPVS's own, this file counts, in the same per-CPU words.
//!
//! C counterpart: `ip_vs_in_stats()` and `ip_vs_out_stats()` in `net/netfilter/ipvs/ip_vs_core.c`.

use kernel_net::rcu;
use net_bindings as c;

use crate::conn::AVAILABLE;
use crate::{Conn, Direction};

impl Conn {
    /// Counts one packet of `bytes`, unless the service has no such server any more: returns whether it
    /// has.
    #[inline]
    pub fn count(&self, direction: Direction, bytes: usize, _guard: &rcu::Guard) -> bool {
        // CAST: Lossless on 64 bits.
        let bytes = bytes as u64;
        // SAFETY: The connection holds its server. While the server is available its service is
        // there, and both outlive the RCU section that the guard stands for.
        unsafe {
            let conn = self.as_ptr();
            let Some(dest) = (&raw const (*conn).dest).read_volatile().as_ref() else {
                return false;
            };
            if (&raw const dest.cflags).read_volatile() & AVAILABLE == 0 {
                return false;
            }
            count(dest.stats.cpustats, direction, bytes);
            if let Some(service) = (&raw const dest.svc).read_volatile().as_ref() {
                count(service.stats.cpustats, direction, bytes);
            }
            if let Some(total) = (*(*conn).ipvs).tot_stats.as_ref() {
                count(total.s.cpustats, direction, bytes);
            }
        }
        true
    }
}

/// # Safety
///
/// `stats` is a per-CPU allocation of IPVS's.
#[inline]
unsafe fn count(stats: *mut c::ip_vs_cpu_stats, direction: Direction, bytes: u64) {
    // SAFETY: Per-CPU arithmetic on addresses of fields; the helper adds on this CPU, in one
    // instruction each, as `u64_stats_add()` does on 64 bits.
    unsafe {
        let counts = &raw mut (*stats).cnt;
        let (packets, all) = match direction {
            Direction::Request => (&raw mut (*counts).inpkts, &raw mut (*counts).inbytes),
            Direction::Reply => (&raw mut (*counts).outpkts, &raw mut (*counts).outbytes),
        };
        c::kn_this_cpu_add_traffic(packets.cast(), all.cast(), bytes);
    }
}
