// SPDX-License-Identifier: GPL-2.0

//! The way out, and what to say when there is none.
//!
//! Softirq or process context, under RCU.
//!
//! C header: `include/net/route.h`, `include/net/ip6_route.h`, `include/net/icmp.h`.

use core::ptr::NonNull;
use kernel::error::to_result;
use kernel::prelude::*;
use nat::{Family, Tuple};
use net_bindings as c;

use crate::net::Net;
use crate::netfilter::{protocol_family, Verdict};
use crate::skb::Packet;

/// A route to an address.
///
/// # Invariants
///
/// `dst` is valid as long as this value. If `is_counted`, the reference is this value's own; else it
/// is a [`NextHop`](crate::next_hop::NextHop)'s, and this value lives under RCU.
pub struct Route {
    pub(crate) dst: NonNull<c::dst_entry>,
    pub(crate) family: Family,
    pub(crate) is_counted: bool,
}

impl Route {
    /// How a packet gets from the tuple's source to its destination, with that type of service or
    /// traffic class. Marks are not looked at: where marks choose services, they lead to the director
    /// itself.
    pub fn output(net: &Net, dsfield: u8, tuple: &Tuple) -> Option<Self> {
        let (source, destination) = (&tuple.source, &tuple.destination);
        // SAFETY: The namespace is valid; the lookup copies what it needs. An address is laid out
        // like `struct in6_addr`.
        let dst = unsafe {
            match tuple.family {
                Family::V4 => {
                    let [source, destination] =
                        [source, destination].map(|a| u32::from_ne_bytes(a.v4()));
                    c::kn_route_output(net.as_ptr(), dsfield, destination, source)
                }
                Family::V6 => {
                    let [source, destination] =
                        [source, destination].map(|a| core::ptr::from_ref(a.octets()).cast());
                    c::kn_route_output6(net.as_ptr(), dsfield, destination, source)
                }
            }
        };
        // SAFETY: The helper looks at the value of the pointer only.
        if unsafe { c::kn_is_err(dst.cast()) } {
            return None;
        }
        // INVARIANT: The lookup gave us a reference.
        let route = NonNull::new(dst).map(|dst| Self {
            dst,
            family: tuple.family,
            is_counted: true,
        })?;
        // IPv6 answers with a route that says why there is none.
        // SAFETY: By the invariant.
        (unsafe { c::kn_dst_error(route.as_ptr()) } == 0).then_some(route)
    }

    pub(crate) fn as_ptr(&self) -> *mut c::dst_entry {
        self.dst.as_ptr()
    }

    pub(crate) fn family(&self) -> Family {
        self.family
    }

    /// The same route, with a reference of its own.
    pub(crate) fn to_counted(&self) -> Self {
        // SAFETY: By the invariant.
        unsafe { c::kn_dst_hold(self.as_ptr()) };
        // INVARIANT: Held just now.
        Self {
            dst: self.dst,
            family: self.family,
            is_counted: true,
        }
    }

    /// The same route, for a packet that is sent while this one, and the RCU section, last.
    #[inline]
    pub(crate) fn to_uncounted(&self) -> Self {
        // INVARIANT: Under RCU this reference is as good as one of the packet's own.
        Self {
            dst: self.dst,
            family: self.family,
            is_counted: false,
        }
    }

    /// The largest packet in bytes that gets through.
    #[inline]
    pub fn mtu(&self) -> u32 {
        // SAFETY: By the invariant.
        unsafe { c::kn_dst_mtu(self.as_ptr()) }
    }
}

impl Route {
    /// The namespace the route leads out of.
    fn net(&self) -> &Net {
        // SAFETY: By the invariant, under RCU; the route's device holds the namespace.
        unsafe { Net::from_raw(c::kn_dst_net(self.as_ptr())) }
    }

    /// Sends a packet of this host's own: all of its bytes, checksums included.
    pub fn send_bytes(&self, bytes: &[u8]) -> Result {
        let net = self.net();
        // CAST: A packet is far below 4 GiB.
        let len = bytes.len() as u32;
        // SAFETY: By the invariant the route and its device are valid; the allocation has room for
        // the link's header and for `len` bytes behind it.
        unsafe {
            let skb = c::kn_alloc_for_route(self.as_ptr(), len);
            let packet = NonNull::new(skb).ok_or(ENOMEM)?;
            let place = c::skb_put(packet.as_ptr(), len).cast::<u8>();
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len());
            c::kn_skb_start_network(packet.as_ptr(), self.family == Family::V6);
            Packet::from_raw(packet.as_ptr()).send(net, self.to_counted());
        }
        Ok(())
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        if self.is_counted {
            // SAFETY: By the invariant.
            unsafe { c::kn_dst_release(self.as_ptr()) };
        }
    }
}

/// Errors a router reports to the sender of a packet (RFC 792, RFC 4443).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcmpError {
    /// The time to live, or the hop limit, has run out.
    TimeExceeded,
    /// Larger than the way out, and not to be fragmented.
    TooBig {
        /// The size in bytes that would get through.
        mtu: u32,
    },
}

impl Packet<'_> {
    /// Sends the packet on `route` as IPVS sends its own: through LOCAL_OUT, untracked.
    #[inline]
    pub fn send(self, net: &Net, route: Route) -> Verdict {
        let skb = self.as_ptr();
        self.mark_ipvs();
        // INVARIANT of `Route`: its reference becomes the packet's.
        let route = core::mem::ManuallyDrop::new(route);
        // SAFETY: The packet is ours to send; what the calls need is valid by the invariants.
        unsafe {
            c::kn_skb_leave_by(skb, route.as_ptr(), route.is_counted);
            // CAST: A small number. What becomes of the packet is the output path's business.
            c::kn_local_out(protocol_family(route.family) as u8, net.as_ptr(), skb);
        }
        Verdict::Stolen
    }

    /// Finds the way of a packet that a program of this host sends once more: it has another destination
    /// than it was sent to. Fails when there is none.
    pub fn reroute(&mut self, net: &Net) -> Result {
        let is_v6 = self.family() == Family::V6;
        // SAFETY: The packet is valid, in LOCAL_OUT, and has a route.
        to_result(unsafe { c::kn_route_anew(net.as_ptr(), self.as_ptr(), is_v6) })
    }

    /// Tells the sender why its packet of that family went no further.
    pub fn report(&mut self, family: Family, error: IcmpError) {
        let skb = self.as_ptr();
        if family == Family::V6 {
            let (kind, info) = match error {
                IcmpError::TimeExceeded => (c::ICMPV6_TIME_EXCEED, 0),
                IcmpError::TooBig { mtu } => (c::ICMPV6_PKT_TOOBIG, mtu),
            };
            // CAST: Numbers of one byte.
            // SAFETY: The packet is valid; the answer finds its own way.
            return unsafe { c::kn_icmpv6_send(skb, kind as u8, 0, info) };
        }
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
            IcmpError::TooBig { mtu } => (c::ICMP_DEST_UNREACH, c::ICMP_FRAG_NEEDED, mtu.to_be()),
        };
        // CAST: Numbers of one byte.
        // SAFETY: The packet is valid and has a route.
        unsafe { c::kn_icmp_send(skb, kind as i32, code as i32, info) };
    }
}
