// SPDX-License-Identifier: GPL-2.0

//! IPv6 fragments, put together before anybody sees them.
//!
//! Of IPv4, what is addressed to this host is reassembled on its way up; of IPv6, the fragment header
//! is looked at only behind LOCAL_IN. This has it done in PRE_ROUTING. IPVS asks for that itself where
//! it has IPv6 services.
//!
//! A crate of its own beside `kernel_net`: a module that links it depends on `nf_defrag_ipv6`.
//!
//! C header: `include/net/netfilter/ipv6/nf_defrag_ipv6.h`.

use core::ptr::NonNull;
use kernel::error::to_result;
use kernel::prelude::*;
use kernel_net::net::Net;
use net_bindings as c;

/// Reassembly in one namespace, as long as this value lives.
///
/// # Invariants
///
/// `net` is valid, and one use of its reassembly is this value's.
pub struct Defragmentation {
    net: NonNull<c::net>,
}

// SAFETY: Enabling and disabling take a mutex of their own.
unsafe impl Send for Defragmentation {}

impl Defragmentation {
    /// Process context.
    ///
    /// # Safety
    ///
    /// The value is dropped before the namespace goes away.
    pub unsafe fn enable(net: &Net) -> Result<Self> {
        // SAFETY: The namespace is valid.
        to_result(unsafe { c::nf_defrag_ipv6_enable(net.as_ptr()) })?;
        // INVARIANT: Enabled just now; the contract.
        Ok(Self {
            net: NonNull::from(net).cast(),
        })
    }
}

impl Drop for Defragmentation {
    fn drop(&mut self) {
        // SAFETY: By the invariant.
        unsafe { c::nf_defrag_ipv6_disable(self.net.as_ptr()) };
    }
}
