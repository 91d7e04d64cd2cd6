// SPDX-License-Identifier: GPL-2.0

//! ICMP errors about packets of a flow (RFC 5508, section 4).
//!
//! A router on the client's side quotes the packet the service sent; the real server must see the
//! packet it sent itself. A router on the server's side quotes what the director sent; the client
//! must see its own. Errors neither move the state nor restart the timer of a reply. Softirq, RCU.
//!
//! Kernel counterpart: `ip_vs_nat_icmp()`.

use flow_method::Counter;
use kernel_net::net::Net;
use kernel_net::netfilter::Verdict;
use kernel_net::rcu;
use kernel_net::route::Route;
use kernel_net::skb::Packet;
use nat::{Rewrite, SequenceShift, Tuple};

use crate::flows::BoundFlow;
use crate::namespace::Namespace;

/// The longest part of an error that is looked at: two IP headers with options, ICMP, and the whole
/// transport header that is quoted, if it is.
const LOOK_AT: usize = 60 + 8 + 60 + 60;

/// Whether the packet reports an error.
pub(crate) fn is_error(packet: &mut Packet<'_>) -> bool {
    wire::icmp::is_error(packet.linear())
}

/// An error about a packet to the client: goes to the real server that sent it.
pub(crate) fn pass_to_server(
    net: &Net,
    namespace: &Namespace,
    bound: &BoundFlow,
    packet: Packet<'_>,
) -> Verdict {
    // The service's packet has to look like the server's again.
    let flow = &bound.flow;
    let quoted = Rewrite::new(&flow.client.reversed(), &flow.server.reversed());
    pass(
        net,
        namespace,
        packet,
        &quoted,
        SequenceShift::NONE,
        &flow.server,
    )
}

/// An error about a packet to a real server: goes to the client it came from.
pub(crate) fn pass_to_client(
    net: &Net,
    namespace: &Namespace,
    mut packet: Packet<'_>,
    guard: &rcu::Guard,
) -> Verdict {
    let Some(quoted) = quoted_tuple(&mut packet) else {
        return Verdict::Accept;
    };
    let Some(bound) = namespace.flows().find(&quoted, guard) else {
        return Verdict::Accept;
    };
    let flow = &bound.flow;
    let rewrite = Rewrite::new(&flow.server, &flow.client);
    pass(
        net,
        namespace,
        packet,
        &rewrite,
        flow.tcp.shift(),
        &flow.client.reversed(),
    )
}

fn quoted_tuple(packet: &mut Packet<'_>) -> Option<Tuple> {
    let wanted = packet.len().min(LOOK_AT);
    nat::quoted_tuple(packet.read(wanted)?).ok()
}

/// Translates the error, undoing `shift` in what it quotes, and sends it from `to`'s source to its destination.
fn pass(
    net: &Net,
    namespace: &Namespace,
    mut packet: Packet<'_>,
    quoted: &Rewrite,
    shift: SequenceShift,
    to: &Tuple,
) -> Verdict {
    let scene = &namespace.scene;
    let mut translate = || {
        let route = Route::output(net, &packet, to.source, to.destination);
        let route = route.ok_or(Counter::NoRoute)?;
        packet.prepare_checksum();
        let wanted = packet.len().min(LOOK_AT);
        let bytes = packet.write(wanted).ok_or(Counter::NoMemory)?;
        nat::decrement_ttl(bytes).map_err(|_| Counter::TtlExpired)?;
        nat::restore_quoted_sequence(bytes, shift).map_err(|_| Counter::IcmpMalformed)?;
        nat::translate_error(bytes, quoted, to.source, to.destination)
            .map_err(|_| Counter::IcmpMalformed)?;
        Ok(route)
    };
    match translate() {
        Ok(route) => {
            scene.count(Counter::IcmpPassed);
            packet.send(net, route)
        }
        Err(reason) => {
            scene.count(reason);
            Verdict::Drop
        }
    }
}
