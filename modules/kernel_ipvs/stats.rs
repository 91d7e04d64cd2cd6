// SPDX-License-Identifier: GPL-2.0

//! The traffic counters of servers, services and the namespace.
//!
//! IPVS counts what goes to the servers itself. What comes back it only counts for its own NAT; for
//! other methods this file does, in the same per-CPU words.
//!
//! C counterpart: `ip_vs_out_stats()` in `net/netfilter/ipvs/ip_vs_core.c`.

use kernel_net::rcu;
use net_bindings as c;

use crate::conn::AVAILABLE;
use crate::Conn;

impl Conn {
    /// Counts one packet of `bytes` from the real server.
    pub fn count_reply(&self, bytes: usize, _guard: &rcu::Guard) {
        // CAST: Lossless on 64 bits.
        let bytes = bytes as u64;
        // SAFETY: The connection holds its server. While the server is available its service is
        // there, and both outlive the RCU section that the guard stands for.
        unsafe {
            let conn = self.as_ptr();
            let Some(dest) = (&raw const (*conn).dest).read_volatile().as_ref() else {
                return;
            };
            if dest.cflags & AVAILABLE == 0 {
                return;
            }
            count(dest.stats.cpustats, bytes);
            if let Some(service) = (&raw const dest.svc).read_volatile().as_ref() {
                count(service.stats.cpustats, bytes);
            }
            if let Some(total) = (*(*conn).ipvs).tot_stats.as_ref() {
                count(total.s.cpustats, bytes);
            }
        }
    }
}

/// # Safety
///
/// `stats` is a per-CPU allocation of IPVS's.
unsafe fn count(stats: *mut c::ip_vs_cpu_stats, bytes: u64) {
    // SAFETY: Per-CPU arithmetic on addresses of fields; the helper adds on this CPU, in one
    // instruction, as `u64_stats_add()` does on 64 bits.
    unsafe {
        c::kn_this_cpu_add((&raw mut (*stats).cnt.outpkts).cast(), 1);
        c::kn_this_cpu_add((&raw mut (*stats).cnt.outbytes).cast(), bytes);
    }
}
