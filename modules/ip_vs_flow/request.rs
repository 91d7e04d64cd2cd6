// SPDX-License-Identifier: GPL-2.0

//! Packets of clients.
//!
//! IPVS finds the connection, counts the packet, moves the state, and calls [`ClientPackets`] through
//! `cp->packet_xmit`. Softirq, or process context for local clients; under RCU.
//!
//! Kernel counterpart: `ip_vs_nat_xmit()`.

use flow_method::{Counter, Method};
use kernel_ipvs::{App, Conn, Direction, Forwarding};
use kernel_net::net::{Net, PerNet};
use kernel_net::netfilter::Verdict;
use kernel_net::rcu::{self, RcuBox};
use kernel_net::skb::Packet;
use nat::Headers;

use crate::flows::BoundFlow;
use crate::icmp;
use crate::namespace::Namespace;
use crate::registry;
use crate::reset;
use crate::transit::{self, Transit};

/// What IPVS calls for connections that are bound to a local address.
pub(crate) struct ClientPackets;

static APP: App<ClientPackets> = App::new();

/// Makes the app ready. Once, before anything is bound.
pub(crate) fn init() {
    APP.init();
}

impl Forwarding for ClientPackets {
    type Data = BoundFlow;

    fn app() -> &'static App<Self> {
        &APP
    }

    #[inline]
    fn transmit(conn: &Conn, bound: &BoundFlow, packet: Packet<'_>, is_error: bool) -> Verdict {
        let net = conn.net();
        let Some(namespace) = Namespace::of_packet(net, &packet) else {
            return Verdict::Drop;
        };
        let Some(method) = registry::find_for(bound.flow.method, &packet) else {
            return hurry(namespace, conn, &packet);
        };
        if is_error {
            return icmp::pass_to_server(net, namespace, bound, packet);
        }
        let mut packet = packet;
        match transit::parse(&mut packet) {
            Ok(mut headers) => {
                bound.refreshed(Direction::Request);
                conn.limit_silence(bound.timeout);
                forward(net, namespace, bound, method, packet, &mut headers)
            }
            Err(_) => namespace.drop_packet(&packet, Counter::Malformed),
        }
    }

    fn done(conn: &Conn, bound: &BoundFlow) -> Option<RcuBox<BoundFlow>> {
        let namespace = Namespace::of(conn.net())?;
        // When the method's module goes, ends are many and reasons none of the ends' business.
        if registry::find(u32::from(bound.flow.method), &rcu::read_lock()).is_some() {
            reset::announce_end(namespace, conn, bound);
        }
        namespace.flows().end(bound)
    }
}

/// Drops a packet of a connection that is to end, and lets it end now: the packet has just given it
/// another full time-out.
pub(crate) fn hurry(namespace: &Namespace, conn: &Conn, packet: &Packet<'_>) -> Verdict {
    conn.expire_now();
    namespace.drop_packet(packet, Counter::Closing)
}

/// Translates a packet of the client and sends it to the real server.
pub(crate) fn forward(
    net: &Net,
    namespace: &Namespace,
    bound: &BoundFlow,
    method: &Method,
    packet: Packet<'_>,
    headers: &mut Headers,
) -> Verdict {
    Transit {
        net,
        namespace,
        flow: &bound.flow,
        hop: bound.hop(Direction::Request),
        rewrite: bound.flow.request(&bound.server()),
        duty: method.request,
    }
    .forward(packet, headers)
}
