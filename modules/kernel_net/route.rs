// SPDX-License-Identifier: GPL-2.0

//! The way out, and what to say when there is none.
//!
//! Softirq or process context, under RCU.
//!
//! C header: `include/net/route.h`, `include/net/icmp.h`.

use core::ptr::NonNull;
use nat::Address;
use net_bindings as c;

use crate::net::Net;
use crate::netfilter::Verdict;
use crate::skb::Packet;

/// A route to an IPv4 address.
///
/// # Invariants
///
/// The reference to the route is this value's own.
pub struct Route(NonNull<c::dst_entry>);

impl Route {
    /// How `packet` gets to `destination` when it comes from `source`; honours its DSCP. Its
    /// mark is not looked at: where marks choose services, they lead to the director itself.
    pub fn output(
        net: &Net,
        packet: &Packet<'_>,
        source: Address,
        destination: Address,
    ) -> Option<Self> {
        let [source, destination] = [source, destination].map(|a| u32::from_ne_bytes(a.v4()));
        // SAFETY: The namespace and the packet are valid; the lookup copies what it needs.
        let route =
            unsafe { c::kn_route_output(net.as_ptr(), packet.as_ptr(), destination, source) };
        // SAFETY: The helper looks at the value of the pointer only.
        if unsafe { c::kn_is_err(route.cast()) } {
            return None;
        }
        // INVARIANT: The lookup gave us a reference.
        NonNull::new(route).map(Self)
    }

    fn dst(&self) -> *mut c::dst_entry {
        self.0.as_ptr()
    }

    /// The largest packet in bytes that gets through.
    pub fn mtu(&self) -> u32 {
        // SAFETY: By the invariant.
        unsafe { c::kn_dst_mtu(self.dst()) }
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        // SAFETY: By the invariant.
        unsafe { c::kn_dst_release(self.dst()) };
    }
}

/// Errors a router reports to the sender of a packet (RFC 792).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcmpError {
    /// The time to live has run out.
    TimeExceeded,
    /// Larger than the way out, and not to be fragmented.
    FragmentationNeeded {
        /// The size in bytes that would get through.
        mtu: u32,
    },
}

impl Packet<'_> {
    /// Sends the packet on `route` as IPVS sends its own: through LOCAL_OUT, untracked.
    pub fn send(self, net: &Net, route: Route) -> Verdict {
        let skb = self.as_ptr();
        self.mark_ipvs();
        // INVARIANT of `Route`: its reference becomes the packet's.
        let dst = core::mem::ManuallyDrop::new(route).dst();
        // SAFETY: The packet is ours to send; what the calls need is valid by the invariants.
        unsafe {
            c::kn_skb_untrack(skb);
            c::kn_skb_dst_drop(skb);
            c::kn_skb_dst_set(skb, dst);
            c::kn_skb_orphan_early_demux(skb);
            c::kn_skb_forward_csum(skb);
            c::kn_skb_clear_tstamp_of_device(skb);
            // CAST: A small number. What becomes of the packet is the output path's business.
            c::kn_local_out(c::NFPROTO_IPV4 as u8, net.as_ptr(), skb);
        }
        Verdict::Stolen
    }

    /// Tells the sender why its packet went no further.
    pub fn report(&mut self, error: IcmpError) {
        let skb = self.as_ptr();
        if !self.has_route() {
            // The answer is addressed by the route the packet came on. Before routing there is
            // none yet; when there is no way at all, there is nobody to tell.
            // SAFETY: The packet is valid and was received from its device.
            if unsafe { c::kn_route_input(skb) } != 0 {
                return;
            }
        }
        let (kind, code, info) = match error {
            IcmpError::TimeExceeded => (c::ICMP_TIME_EXCEEDED, c::ICMP_EXC_TTL, 0),
            IcmpError::FragmentationNeeded { mtu } => {
                (c::ICMP_DEST_UNREACH, c::ICMP_FRAG_NEEDED, mtu.to_be())
            }
        };
        // CAST: Numbers of one byte.
        // SAFETY: The packet is valid and has a route.
        unsafe { c::kn_icmp_send(skb, kind as i32, code as i32, info) };
    }
}
