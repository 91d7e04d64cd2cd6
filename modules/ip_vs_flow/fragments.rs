// SPDX-License-Identifier: GPL-2.0

//! Parts of datagrams to a virtual address, where the operator does not want them put together.
//!
//! Softirq, under RCU.
//!
//! Counterpart: `defence_frag_drop` of Alibaba's LVS.

use kernel_net::rcu;
use kernel_net::skb::Packet;
use nat::{siit, Protocol};

use crate::namespace::Namespace;

/// Whether the packet must be dropped because it is a fragment, or was one: of IPv6, and of IPv4 where
/// connections are tracked, fragments have been put together before anybody sees them.
pub(crate) fn must_drop(namespace: &Namespace, packet: &Packet<'_>, guard: &rcu::Guard) -> bool {
    if !namespace.scene.tunables.drops_fragments() {
        return false;
    }
    let family = packet.family();
    let Ok(ip) = siit::Fields::of_packet(packet.linear()) else {
        return false;
    };
    let is_part =
        ip.fragment.is_some_and(|fragment| fragment.is_part()) || packet.was_fragmented(family);
    is_part
        && [Protocol::TCP, Protocol::UDP, Protocol::SCTP]
            .iter()
            .any(|&protocol| {
                namespace
                    .services
                    .has_vip(protocol, family, ip.destination, guard)
            })
}
