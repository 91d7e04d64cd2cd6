// SPDX-License-Identifier: GPL-2.0

//! ICMP and ICMPv6 errors about packets of a flow (RFC 5508, section 4; RFC 7915).
//!
//! A router on the client's side quotes the packet the service sent; the real server must see the
//! packet it sent itself. A router on the server's side quotes what the director sent; the client
//! must see its own. Errors neither move the state nor restart the timer of a reply. Softirq, RCU.
//!
//! Kernel counterpart: `ip_vs_nat_icmp()` and `ip_vs_nat_icmp_v6()`.

use flow_method::Counter;
use kernel_net::net::Net;
use kernel_net::netfilter::Verdict;
use kernel_net::rcu;
use kernel_net::route::Route;
use kernel_net::skb::Packet;
use nat::icmp::{self, Addressee, NotTranslated, LOOK_AT};
use nat::{SequenceShift, Tuple};

use crate::flows::BoundFlow;
use crate::namespace::Namespace;

/// An error about a packet to the client: goes to the real server that sent it.
pub(crate) fn pass_to_server(
    net: &Net,
    namespace: &Namespace,
    bound: &BoundFlow,
    packet: Packet<'_>,
) -> Verdict {
    let sent = bound.server().reversed();
    pass(net, namespace, packet, sent, SequenceShift::NONE)
}

/// An error about a packet to a real server: goes to the client it came from. Anything else that is
/// ICMP is none of our business.
pub(crate) fn pass_to_client(
    net: &Net,
    namespace: &Namespace,
    mut packet: Packet<'_>,
    guard: &rcu::Guard,
) -> Verdict {
    let Some(quoted) = quoted_tuple(&mut packet) else {
        return Verdict::Accept;
    };
    let Some(bound) = namespace.flows().find_answered(&quoted.reversed(), guard) else {
        return Verdict::Accept;
    };
    let flow = &bound.flow;
    pass(
        net,
        namespace,
        packet,
        flow.client,
        flow.story.sequence_shift(),
    )
}

fn quoted_tuple(packet: &mut Packet<'_>) -> Option<Tuple> {
    let wanted = packet.len().min(LOOK_AT);
    icmp::quoted_tuple(packet.read(wanted)?).ok()
}

/// Sends the error to who has sent a packet with the tuple `sent`, quoting that.
fn pass(
    net: &Net,
    namespace: &Namespace,
    mut packet: Packet<'_>,
    sent: Tuple,
    shift: SequenceShift,
) -> Verdict {
    let scene = &namespace.scene;
    let mut translate = || {
        let route = Route::output(net, packet.dsfield(), &sent.reversed());
        let route = route.ok_or(Counter::NoRoute)?;
        packet.prepare_checksum();
        let wanted = packet.len().min(LOOK_AT);
        let leading = packet.write(wanted).ok_or(Counter::NoMemory)?;
        nat::decrement_ttl(leading).map_err(|_| Counter::TtlExpired)?;
        let to = Addressee {
            sent,
            shift,
            mtu: route.mtu(),
            // CAST: Any number that changes from packet to packet.
            identification: kernel_net::random::u64() as u16,
        };
        let new = icmp::translate(leading, &to).map_err(|why| match why {
            NotTranslated::Malformed => Counter::IcmpMalformed,
            NotTranslated::NoEquivalent => Counter::IcmpNoEquivalent,
        })?;
        let replaced = match packet.family() == sent.family {
            true => packet.replace(0, new.replaced, new.bytes()),
            false => packet.replace_network(new.replaced, new.bytes(), sent.family),
        };
        replaced.map_err(|_| Counter::NoMemory)?;
        Ok(route)
    };
    match translate() {
        Ok(route) => {
            scene.count(Counter::IcmpPassed);
            packet.send(net, route)
        }
        Err(reason) => namespace.drop_packet(&packet, reason),
    }
}
