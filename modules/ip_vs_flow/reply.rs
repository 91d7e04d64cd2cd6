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

use crate::icmp;
use crate::namespace::Namespace;
use crate::request;
use crate::transit::{tuple_of, Transit};

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

/// The hook for what was fragmented.
pub(crate) struct ReassembledReply;

impl Hook for ReassembledReply {
    const PLACE: Place = Place::LocalIn;
    /// Ahead of `ip_vs_out_hook()` and `ip_vs_in_hook()`, which would take it for a stray.
    const PRIORITY: i32 = 97;

    fn packet(net: &Net, packet: Packet<'_>) -> Verdict {
        answer(net, packet)
    }
}

fn answer(net: &Net, mut packet: Packet<'_>) -> Verdict {
    if packet.is_ipvs() {
        return Verdict::Accept;
    }
    let Some(namespace) = Namespace::of(net) else {
        return Verdict::Accept;
    };
    if namespace.flows().is_empty() {
        return Verdict::Accept;
    }
    let guard = rcu::read_lock();
    if icmp::is_error(&mut packet) {
        return icmp::pass_to_client(net, namespace, packet, &guard);
    }
    let Some(tuple) = tuple_of(&mut packet) else {
        return Verdict::Accept;
    };
    let Some(bound) = namespace.flows().find(&tuple.reversed(), &guard) else {
        return Verdict::Accept;
    };
    // The connection is ending: its port is about to be free, and nobody waits for the packet.
    let Some(conn) = bound.conn.get(&guard) else {
        return Verdict::Drop;
    };
    if bound.is_ending() {
        return request::hurry(namespace, &conn);
    }
    let Some(transport) = crate::transit::transport_offset(&packet) else {
        namespace.scene.count(Counter::Malformed);
        return Verdict::Drop;
    };
    conn.count_reply(packet.len(), &guard);
    conn.advance(Direction::Reply, &packet, transport);
    let (flow, method) = (&bound.flow, bound.method);
    let client = flow.client.reversed();
    // Dropping `conn` afterwards restarts the connection's timer.
    Transit {
        net,
        scene: &namespace.scene,
        to: &client,
        rewrite: &flow.reply,
    }
    .forward(packet, |scene, packet, _mtu| {
        (method.reply)(scene, flow, packet)
    })
}
