// SPDX-License-Identifier: GPL-2.0

//! The sockets of this host that would get a packet.
//!
//! Softirq or process context, under RCU.
//!
//! C header: `include/net/inet_hashtables.h`, `include/net/inet6_hashtables.h`.

use nat::{Family, Headers};
use net_bindings as c;

use crate::net::Net;
use crate::skb::Packet;

impl Packet<'_> {
    /// Whether a socket is known already that gets the packet: one that is connected to its sender.
    #[inline]
    pub fn has_receiver(&self) -> bool {
        // SAFETY: The packet is valid.
        !unsafe { (*self.as_ptr()).sk }.is_null()
    }

    /// Whether the program that sends the packet has said from which address.
    pub fn is_from_bound_socket(&self) -> bool {
        // SAFETY: The packet is valid; who sends it holds the socket.
        unsafe { c::kn_skb_is_sent_from_bound(self.as_ptr()) }
    }

    /// Whether a TCP socket of this host, of any state, would get the packet.
    pub fn has_tcp_socket(&self, net: &Net, headers: &Headers) -> bool {
        let tuple = &headers.tuple;
        let [sport, dport] = [tuple.source_port, tuple.destination_port]
            .map(|p| u16::from_ne_bytes(p.to_be_bytes()));
        // CAST: The length of a TCP header.
        let len = headers.end.saturating_sub(headers.transport) as i32;
        let (source, destination) = (&tuple.source, &tuple.destination);
        // SAFETY: The packet and the namespace are valid; an address is laid out like
        // `struct in6_addr`. The reference to the socket is put at once.
        unsafe {
            match tuple.family {
                Family::V4 => {
                    let [source, destination] =
                        [source, destination].map(|a| u32::from_ne_bytes(a.v4()));
                    c::kn_tcp_has_socket4(
                        net.as_ptr(),
                        self.as_ptr(),
                        len,
                        source,
                        sport,
                        destination,
                        dport,
                    )
                }
                Family::V6 => {
                    let [source, destination] =
                        [source, destination].map(|a| core::ptr::from_ref(a.octets()).cast());
                    c::kn_tcp_has_socket6(
                        net.as_ptr(),
                        self.as_ptr(),
                        len,
                        source,
                        sport,
                        destination,
                        dport,
                    )
                }
            }
        }
    }
}
