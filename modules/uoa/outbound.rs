// SPDX-License-Identifier: GPL-2.0

//! Answers to clients, back onto the way that their datagrams have come.
//!
//! A program that was shown its client sends to it. In LOCAL_OUT such a datagram gets the addresses of
//! the flow that it answers, and the route to the director. Before connection tracking and rules, which
//! see the same addresses in both directions. Process context or softirq, under RCU.

use kernel_net::net::Net;
use kernel_net::netfilter::{Hook, Place, Verdict};
use kernel_net::rcu::Guard;
use kernel_net::skb::Packet;
use nat::Rewrite;

use crate::filter::Side;
use crate::inbound;
use crate::namespace::Namespace;
use crate::stats::Event;

/// LOCAL_OUT.
pub(crate) struct Departure;

impl Hook for Departure {
    const PLACE: Place = Place::LocalOut;
    /// In front of connection tracking, and of the table `raw`.
    const PRIORITY: i32 = -350;

    type Data = Namespace;

    #[inline]
    fn packet(net: &Net, namespace: &Namespace, packet: Packet<'_>, guard: &Guard) -> Verdict {
        let (filter, side) = (&namespace.filter, Side::Destination);
        if filter.excludes(packet.linear(), side) {
            return Verdict::Accept;
        }
        datagram(net, namespace, packet, guard)
    }
}

#[inline(never)]
fn datagram(net: &Net, namespace: &Namespace, mut packet: Packet<'_>, guard: &Guard) -> Verdict {
    let (filter, side) = (&namespace.filter, Side::Destination);
    if filter.excludes_other(packet.linear(), side) {
        return Verdict::Accept;
    }
    let Some(mut headers) = inbound::headers(&mut packet) else {
        return Verdict::Accept;
    };
    let is_free = !packet.is_from_bound_socket();
    let Some(mapping) = namespace.find_answered(&headers.tuple, is_free, guard) else {
        return Verdict::Accept;
    };
    mapping.touch();
    let to = mapping.wire.reversed();
    let rewrite = Rewrite::new(&headers.tuple, &to);
    let state = packet.prepare_checksum();
    let done = match packet.write(headers.end) {
        Some(bytes) => rewrite.apply(bytes, &mut headers, state, 0).is_ok(),
        None => false,
    };
    if !done {
        namespace.count(Event::NoMemory);
        return Verdict::Drop;
    }
    if packet.reroute(net).is_err() {
        namespace.count(Event::NoRoute);
        return Verdict::Drop;
    }
    namespace.count(Event::Answered);
    Verdict::Accept
}
