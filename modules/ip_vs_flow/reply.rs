// SPDX-License-Identifier: GPL-2.0

//! Packets of real servers.
//!
//! They are addressed to a local address, so IPVS would take them for the director's own. The hook
//! in PRE_ROUTING, ahead of connection tracking, catches them before anybody else looks at them.
//! Softirq, under RCU.
//!
//! Kernel counterpart: `handle_response()`.

use flow_method::Counter;
use kernel_ipvs::Direction;
use kernel_net::net::Net;
use kernel_net::netfilter::{Hook, Place, Verdict};
use kernel_net::rcu;
use kernel_net::skb::Packet;
use nat::{Family, Unfit};

use crate::fragments;
use crate::icmp;
use crate::namespace::Namespace;
use crate::registry;
use crate::request;
use crate::transit::{self, Transit};

/// The hook.
pub(crate) struct Reply;

impl Hook for Reply {
    const PLACE: Place = Place::PreRouting;
    /// `NF_IP_PRI_CONNTRACK - 1`: the packets are not tracked.
    const PRIORITY: i32 = -201;

    type Data = Namespace;

    #[inline]
    fn packet(net: &Net, namespace: &Namespace, packet: Packet<'_>, guard: &rcu::Guard) -> Verdict {
        if packet.is_ipvs()
            || (!namespace.local_filter.may_be_for(packet.linear())
                && !namespace.scene.tunables.drops_fragments())
        {
            return Verdict::Accept;
        }
        answer(net, namespace, packet, guard)
    }
}

fn answer(net: &Net, namespace: &Namespace, mut packet: Packet<'_>, guard: &rcu::Guard) -> Verdict {
    if fragments::must_drop(namespace, &packet, guard) {
        return namespace.drop_packet(&packet, Counter::DefenceFragment);
    }
    if namespace.flows().is_empty() {
        return Verdict::Accept;
    }
    let mut parsed = transit::parse(&mut packet);
    // Of IPv6, fragments have been put together before (`nf_defrag_ipv6`).
    if parsed == Err(Unfit::Fragment) && packet.family() == Family::V4 {
        packet = match packet.reassemble(net) {
            Some(whole) => whole,
            None => return Verdict::Stolen,
        };
        parsed = transit::parse(&mut packet);
    }
    let mut headers = match parsed {
        Ok(headers) => headers,
        Err(Unfit::Icmp) => return icmp::pass_to_client(net, namespace, packet, guard),
        Err(_) => return Verdict::Accept,
    };
    let Some(bound) = namespace.flows().find_answered(&headers.tuple, guard) else {
        return Verdict::Accept;
    };
    // The connection is ending: its port is about to be free, and nobody waits for the packet.
    let Some(conn) = bound.conn.get(guard) else {
        return namespace.drop_packet(&packet, Counter::Closing);
    };
    let Some(method) = registry::find_for(bound.flow.method, &packet) else {
        return request::hurry(namespace, &conn, &packet);
    };
    bound.refreshed(Direction::Reply);
    conn.count(Direction::Reply, packet.len(), guard);
    conn.advance(Direction::Reply, &packet, headers.transport);
    conn.limit_silence(bound.timeout);
    let to_client = bound.flow.client.reversed();
    // Dropping `conn` afterwards restarts the connection's timer.
    Transit {
        net,
        namespace,
        flow: &bound.flow,
        hop: bound.hop(Direction::Reply),
        rewrite: bound.flow.reply(&to_client),
        duty: method.reply,
    }
    .forward(packet, &mut headers)
}
