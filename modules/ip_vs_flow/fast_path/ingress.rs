// SPDX-License-Identifier: GPL-2.0

//! Packets of flows pass where a device hands them to the stack.
//!
//! In NAPI's softirq, under RCU; super-packets of GRO go whole. What does not pass goes on to the IP layer
//! as it was.
//!
//! Kernel counterpart: `nf_flow_offload_inet_hook()`.

use flow_method::Counter;
use kernel::prelude::*;
use kernel_ipvs::Direction;
use kernel_net::ingress::Ingress;
use kernel_net::net::{Net, PerNet};
use kernel_net::netfilter::Verdict;
use kernel_net::percpu::Counters;
use kernel_net::rcu;
use kernel_net::skb::Packet;
use nat::{Detour, Family, Headers};

use super::PLAIN_V4;
use crate::flows::BoundFlow;
use crate::namespace::Namespace;
use crate::shortcut::Passage;
use crate::transit;
use crate::translation::translate;

/// What is counted at a device: packets that passed, then those that did not, by reason.
pub(crate) struct Interface {
    counters: Counters<{ Detour::ALL.len() + 1 }>,
}

/// Behind the detours: packets that passed.
const PASSED: usize = Detour::ALL.len();

impl Interface {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            counters: Counters::new()?,
        })
    }

    /// Counts a packet.
    #[inline]
    pub(crate) fn count(&self, result: Result<(), Detour>) {
        self.counters.add(match result {
            Ok(()) => PASSED,
            // CAST: The position in the enum.
            Err(detour) => detour as usize,
        });
    }

    /// Packets that passed.
    pub(crate) fn passed(&self) -> u64 {
        self.counters.sum(PASSED)
    }

    /// Packets that took the long way for that reason.
    pub(crate) fn took(&self, detour: Detour) -> u64 {
        // CAST: The position in the enum.
        self.counters.sum(detour as usize)
    }
}

impl Ingress for Interface {
    #[inline]
    fn packet(&self, net: &Net, packet: Packet<'_>, guard: &rcu::Guard) -> Verdict {
        let Some(namespace) = Namespace::of_packet(net, &packet) else {
            return Verdict::Accept;
        };
        if !namespace.scene.tunables.takes_shortcuts() {
            return Verdict::Accept;
        }
        match pass(namespace, packet, guard) {
            Ok(verdict) => {
                self.counters.add(PASSED);
                verdict
            }
            Err(detour) => {
                // CAST: As above.
                self.counters.add(detour as usize);
                Verdict::Accept
            }
        }
    }
}

/// Translates a packet of a flow and sends it; or leaves it as the IP layer would, and says why.
///
/// Compiled in one piece for what nearly all packets of IPv4 begin with, and once more for the rest, so
/// that headers stay in registers.
#[inline(always)]
fn pass(namespace: &Namespace, packet: Packet<'_>, guard: &rcu::Guard) -> Result<Verdict, Detour> {
    match packet.linear().first() {
        Some(&PLAIN_V4) => {
            let start = packet.linear();
            if !namespace.flows().may_have(start) {
                return Err(Detour::NoFlow);
            }
            let headers = Headers::parse_v4(start, packet.len())?;
            pass_with(namespace, packet, headers, guard)
        }
        _ => pass_other(namespace, packet, guard),
    }
}

#[inline(never)]
fn pass_other(
    namespace: &Namespace,
    packet: Packet<'_>,
    guard: &rcu::Guard,
) -> Result<Verdict, Detour> {
    let start = packet.linear();
    if !namespace.flows().may_have(start) {
        return Err(Detour::NoFlow);
    }
    let headers = Headers::parse(start, packet.len())?;
    pass_with(namespace, packet, headers, guard)
}

#[inline(always)]
fn pass_with(
    namespace: &Namespace,
    packet: Packet<'_>,
    headers: Headers,
    guard: &rcu::Guard,
) -> Result<Verdict, Detour> {
    let found = namespace.flows().find(&headers.tuple, guard);
    let (bound, direction) = found.ok_or(Detour::NoFlow)?;
    // Each direction has code of its own, too.
    match direction {
        Direction::Request => {
            let flow = (bound, Direction::Request);
            pass_as(namespace, packet, headers, flow, guard)
        }
        Direction::Reply => {
            let flow = (bound, Direction::Reply);
            pass_as(namespace, packet, headers, flow, guard)
        }
    }
}

#[inline(always)]
fn pass_as(
    namespace: &Namespace,
    mut packet: Packet<'_>,
    mut headers: Headers,
    flow: (&BoundFlow, Direction),
    guard: &rcu::Guard,
) -> Result<Verdict, Detour> {
    let passage = Passage::of(flow, packet.linear(), &headers, guard)?;
    let to = passage.to();
    admit(&mut packet, &headers, &passage, to.family)?;
    passage.count(packet.len(), guard)?;
    let translated = translate(&mut packet, &mut headers, &passage.rewrite(&to), 1, false);
    let mut room = || packet.make_room(passage.hop).map_err(|_| Counter::NoMemory);
    Ok(match translated.and_then(|()| room()) {
        Ok(()) => packet.leave(passage.hop),
        Err(reason) => refuse(namespace, packet, reason),
    })
}

#[cold]
fn refuse(namespace: &Namespace, packet: Packet<'_>, reason: Counter) -> Verdict {
    namespace.drop_packet(&packet, reason)
}

/// What a router checks, and what the IP layer would have done to the packet by now.
#[inline(always)]
fn admit(
    packet: &mut Packet<'_>,
    headers: &Headers,
    passage: &Passage<'_>,
    to: Family,
) -> Result<(), Detour> {
    // The IP layer warns of what a NIC has merged, and drops it.
    if packet.is_shared() || packet.is_merged_for_good() {
        return Err(Detour::Shared);
    }
    if !packet.is_of(headers.tuple.family) || packet.len() < headers.total_len {
        return Err(Detour::Malformed);
    }
    packet
        .settle(headers.transport, headers.total_len)
        .map_err(|_| Detour::Shared)?;
    if packet.len() > transit::SURE_TO_FIT {
        let mtu = passage.hop.mtu();
        // As the sender counts it.
        let limit = match headers.tuple.family == to {
            true => mtu,
            false => transit::mtu_of_sender(mtu, headers, to),
        };
        if !packet.fits(limit) {
            return Err(Detour::TooBig);
        }
    }
    Ok(())
}
