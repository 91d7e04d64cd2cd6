// SPDX-License-Identifier: GPL-2.0

//! Packets to a virtual address that belong to no connection and start none.
//!
//! The director's own stack would answer them in the service's name: a reset for a segment out of
//! nowhere, an unreachable port for a datagram. Softirq, or process context for local clients; under
//! RCU.
//!
//! Counterpart: `defence_tcp_drop` and `defence_udp_drop` of Alibaba's LVS and DPVS.

use flow_method::Counter;
use kernel_net::net::Net;
use kernel_net::netfilter::Verdict;
use kernel_net::rcu;
use kernel_net::skb::Packet;
use nat::{Headers, Protocol};
use wire::{Flags, Tcp};

use crate::namespace::Namespace;

/// What becomes of a packet that IPVS has no connection for.
pub(crate) fn judge(
    net: &Net,
    namespace: &Namespace,
    packet: &Packet<'_>,
    headers: &Headers,
    guard: &rcu::Guard,
) -> Verdict {
    match reason(net, namespace, packet, headers, guard) {
        Some(reason) => namespace.drop_packet(packet, reason),
        None => Verdict::Accept,
    }
}

/// Why the packet must be dropped, if it must.
fn reason(
    net: &Net,
    namespace: &Namespace,
    packet: &Packet<'_>,
    headers: &Headers,
    guard: &rcu::Guard,
) -> Option<Counter> {
    let services = &namespace.services;
    let tuple = &headers.tuple;
    if services.serves(tuple, packet.mark(), guard) {
        return Some(Counter::NoConnection);
    }
    let is_vip = |protocol| services.has_vip(protocol, tuple.family, tuple.destination, guard);
    let tunables = &namespace.scene.tunables;
    match tuple.protocol {
        Protocol::TCP => {
            let drop = tunables.drops_tcp()
                && !starts(packet, headers)
                && (is_vip(Protocol::TCP) || is_vip(Protocol::UDP) || is_vip(Protocol::SCTP))
                // What the director itself serves at the address is its own business.
                && !packet.has_tcp_socket(net, headers);
            drop.then_some(Counter::DefenceTcp)
        }
        Protocol::UDP => {
            let drop = tunables.drops_udp() && is_vip(Protocol::TCP) && !is_vip(Protocol::UDP);
            drop.then_some(Counter::DefenceUdp)
        }
        _ => None,
    }
}

/// Whether the segment is one that may start a connection.
fn starts(packet: &Packet<'_>, headers: &Headers) -> bool {
    flags(packet, headers).is_some_and(|flags| flags.syn() && !flags.ack() && !flags.rst())
}

/// Whether the packet is the answer to a SYN.
pub(crate) fn is_answer(packet: &Packet<'_>, headers: &Headers) -> bool {
    headers.tuple.protocol == Protocol::TCP
        && flags(packet, headers).is_some_and(|flags| flags.syn() && flags.ack())
}

fn flags(packet: &Packet<'_>, headers: &Headers) -> Option<Flags> {
    let tcp = packet.linear().get(headers.transport..)?;
    Tcp::parse_fixed(tcp).ok().map(|tcp| tcp.flags())
}
