// SPDX-License-Identifier: GPL-2.0

//! IPVS as it is: its connections, its servers, its statistics.
//!
//! Everything here works on the stock module `ip_vs`, through what it exports and through the
//! structures of its public header. A crate of its own beside `kernel_net`: a module that links it
//! depends on `ip_vs`.
//!
//! C header: `include/net/ip_vs.h`.

mod app;
mod conn;
mod services;
mod stats;

pub use app::{App, Forwarding};
pub use conn::{Conn, ConnHandle, ConnRef, Direction, ServiceKey};

use core::ptr::NonNull;
use nat::Family;
use net_bindings as c;

use kernel_net::net::Net;
use kernel_net::skb::Packet;

/// IPVS of one namespace.
#[derive(Clone, Copy)]
pub struct Ipvs {
    ipvs: NonNull<c::netns_ipvs>,
}

impl Ipvs {
    /// IPVS of `net`; `None` while it has no connection table yet, or no longer.
    pub fn of(net: &Net) -> Option<Self> {
        // SAFETY: The namespace is valid, and our module depends on `ip_vs`.
        let ipvs = NonNull::new(unsafe { c::kn_net_ipvs(net.as_ptr()) })?;
        // SAFETY: As above.
        unsafe { c::kn_ip_vs_has_conn_tab(ipvs.as_ptr()) }.then_some(Self { ipvs })
    }

    /// The connection that a TCP, UDP or SCTP packet of a client belongs to.
    pub fn find(self, family: Family, packet: &Packet<'_>) -> Option<ConnRef> {
        // CAST: Two and ten.
        let family = match family {
            Family::V4 => c::AF_INET as i32,
            Family::V6 => c::AF_INET6 as i32,
        };
        let mut header = c::ip_vs_iphdr::default();
        // SAFETY: The packet is valid; the function checks its length.
        if !unsafe { c::kn_ip_vs_fill_iph_skb(family, packet.as_ptr(), &mut header) } {
            return None;
        }
        // SAFETY: The packet and its parsed header are valid, the caller is under RCU.
        let conn = NonNull::new(unsafe {
            c::ip_vs_conn_in_get_proto(self.ipvs.as_ptr(), family, packet.as_ptr(), &header)
        })?;
        // SAFETY: The lookup took a reference for us.
        Some(unsafe { ConnRef::from_raw(conn) })
    }
}
