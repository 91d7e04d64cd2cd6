// SPDX-License-Identifier: GPL-2.0

//! The traffic counters of servers, services and the namespace.
//!
//! IPVS counts what it forwards itself. What passes it by, and what comes back by a method that is not
//! IPVS's own, this file counts, in the same per-CPU words.
//!
//! C counterpart: `ip_vs_in_stats()` and `ip_vs_out_stats()` in `net/netfilter/ipvs/ip_vs_core.c`.

use kernel_net::percpu::Counter;
use kernel_net::rcu;
use net_bindings as c;

use crate::conn::AVAILABLE;
use crate::{Conn, Direction};

impl Conn {
    /// Counts one packet of `bytes`, unless the service has no such server any more: returns whether it
    /// has.
    #[inline]
    pub fn count(&self, direction: Direction, bytes: usize, guard: &rcu::Guard) -> bool {
        let out = direction == Direction::Reply;
        let Some(dest) = self.available(guard) else {
            return false;
        };
        // CAST: Lossless on 64 bits.
        // SAFETY: By `available`, in this RCU section.
        unsafe { c::kn_ip_vs_count(self.as_ptr(), dest, out, bytes as u64) };
        true
    }

    /// The same of a packet that passes IPVS by, which `passed` counts, too.
    #[inline(always)]
    pub fn count_passed(
        &self,
        direction: Direction,
        bytes: usize,
        passed: Counter<'_>,
        guard: &rcu::Guard,
    ) -> bool {
        let out = direction == Direction::Reply;
        let Some(dest) = self.available(guard) else {
            return false;
        };
        // CAST: Lossless on 64 bits.
        // SAFETY: By `available`, in this RCU section; the counter is a word of each CPU.
        unsafe {
            c::kn_ip_vs_count_passed(self.as_ptr(), dest, out, bytes as u64, passed.as_ptr())
        };
        true
    }

    /// The server, if the service has it: then its service is there, too, and both outlive the RCU
    /// section that the guard stands for.
    #[inline(always)]
    fn available(&self, _guard: &rcu::Guard) -> Option<*mut c::ip_vs_dest> {
        // SAFETY: The connection holds its server.
        unsafe {
            let dest = (&raw const (*self.as_ptr()).dest).read_volatile();
            let is_available =
                !dest.is_null() && (&raw const (*dest).cflags).read_volatile() & AVAILABLE != 0;
            is_available.then_some(dest)
        }
    }
}
