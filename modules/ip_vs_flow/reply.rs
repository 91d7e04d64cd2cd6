// SPDX-License-Identifier: GPL-2.0

//! Packets of real servers.
//!
//! They are addressed to a local address, so IPVS would take them for the director's own. The hook
//! in PRE_ROUTING, ahead of connection tracking, catches whole packets before anybody else looks at
//! them; the one in LOCAL_IN gets what the stack has put together from fragments. Softirq, under RCU.
//!
//! Kernel counterpart: `handle_response()`.

use flow_method::Counter;
use kernel_ipvs::Direction;
use kernel_net::net::{Net, PerNet};
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

/// The hook for whole packets.
pub(crate) struct Reply;

impl Hook for Reply {
    const PLACE: Place = Place::PreRouting;
    /// `NF_IP_PRI_CONNTRACK - 1`: the packets are not tracked.
    const PRIORITY: i32 = -201;

    fn packet(net: &Net, packet: Packet<'_>) -> Verdict {
        answer(net, packet)
    }
}

/// The hook for what was fragmented. Of IPv6, fragments are put together before [`Reply`] sees them
/// (`nf_defrag_ipv6`).
pub(crate) struct ReassembledReply;

impl Hook for ReassembledReply {
    const PLACE: Place = Place::LocalIn;
    /// Ahead of `ip_vs_out_hook()` and `ip_vs_in_hook()`, which would take it for a stray.
    const PRIORITY: i32 = 97;

    fn packet(net: &Net, packet: Packet<'_>) -> Verdict {
        match packet.was_fragmented(Family::V4) {
            true => answer(net, packet),
            false => Verdict::Accept,
        }
    }
}

fn answer(net: &Net, mut packet: Packet<'_>) -> Verdict {
    if packet.is_ipvs() {
        return Verdict::Accept;
    }
    let Some(namespace) = Namespace::of(net) else {
        return Verdict::Accept;
    };
    if !namespace.local_filter.may_be_local(packet.linear())
        && !namespace.scene.tunables.drops_fragments()
    {
        return Verdict::Accept;
    }
    let guard = rcu::read_lock();
    if fragments::must_drop(namespace, &packet, &guard) {
        return namespace.drop_packet(&packet, Counter::DefenceFragment);
    }
    if namespace.flows().is_empty() {
        return Verdict::Accept;
    }
    let headers = match transit::parse(&mut packet) {
        Ok(headers) => headers,
        Err(Unfit::Icmp) => return icmp::pass_to_client(net, namespace, packet, &guard),
        Err(_) => return Verdict::Accept,
    };
    let server = headers.tuple.reversed();
    let Some(bound) = namespace.flows().find(&server, &guard) else {
        return Verdict::Accept;
    };
    // The connection is ending: its port is about to be free, and nobody waits for the packet.
    let Some(conn) = bound.conn.get(&guard) else {
        return namespace.drop_packet(&packet, Counter::Closing);
    };
    let Some(method) = registry::find(u32::from(bound.flow.method), &guard) else {
        return request::hurry(namespace, &conn, &packet);
    };
    conn.count_reply(packet.len(), &guard);
    conn.advance(Direction::Reply, &packet, headers.transport);
    conn.limit_silence(bound.timeout);
    // Dropping `conn` afterwards restarts the connection's timer.
    Transit {
        net,
        namespace,
        flow: &bound.flow,
        route: None,
        rewrite: bound.flow.reply(),
        duty: method.reply,
    }
    .forward(packet, headers)
}
