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
        let out = direction == Direction::Reply;
        // SAFETY: The connection holds its server. While the server is available its service is
        // there, and both outlive the RCU section that the guard stands for.
        unsafe {
            let dest = (&raw const (*self.as_ptr()).dest).read_volatile();
            if dest.is_null() || (&raw const (*dest).cflags).read_volatile() & AVAILABLE == 0 {
                return false;
            }
            // CAST: Lossless on 64 bits.
            c::kn_ip_vs_count(self.as_ptr(), dest, out, bytes as u64);
        }
        true
    }
}
