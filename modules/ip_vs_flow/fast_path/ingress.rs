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
use kernel_net::percpu::{self, Counters};
use kernel_net::rcu;
use kernel_net::skb::Packet;
use nat::shape::{TCP4, TCP6, UDP4, UDP6};
use nat::{Detour, Headers, Shape};

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

    /// Counts a packet that does not pass.
    #[inline]
    pub(crate) fn leave(&self, detour: Detour) {
        // CAST: The position in the enum.
        self.counters.add(detour as usize);
    }

    /// What counts packets that pass.
    #[inline(always)]
    pub(crate) fn passing(&self) -> Option<percpu::Counter<'_>> {
        self.counters.counter(PASSED)
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
    /// Here is what packets of no flow cost. What is done for others is compiled once for each of the
    /// usual shapes, and once more for the rest.
    #[inline(always)]
    fn packet(&self, net: &Net, packet: Packet<'_>, guard: &rcu::Guard) -> Verdict {
        let Some(namespace) = Namespace::of_packet(net, &packet) else {
            return Verdict::Accept;
        };
        if !namespace.scene.tunables.takes_shortcuts() {
            return Verdict::Accept;
        }
        match Shape::of(packet.linear()) {
            Some(Shape::Udp4) => self.meet::<UDP4>(namespace, packet, guard),
            Some(Shape::Tcp4) => self.meet::<TCP4>(namespace, packet, guard),
            Some(Shape::Udp6) => self.meet::<UDP6>(namespace, packet, guard),
            Some(Shape::Tcp6) => self.meet::<TCP6>(namespace, packet, guard),
            None => self.pass_other(namespace, packet, guard),
        }
    }
}

impl Interface {
    /// A packet that is of the shape of that length.
    #[inline(always)]
    fn meet<const N: usize>(
        &self,
        namespace: &Namespace,
        packet: Packet<'_>,
        guard: &rcu::Guard,
    ) -> Verdict {
        let start = packet.linear();
        match Shape::of_len(N) {
            Some(shape) if namespace.flows().may_have_shape(shape, start) => {
                self.pass_shape::<N>(namespace, packet, guard)
            }
            _ => self.finish(Err(Detour::NoFlow)),
        }
    }

    /// Counts a packet that has not passed.
    #[inline(always)]
    fn finish(&self, result: Result<Verdict, Detour>) -> Verdict {
        result.unwrap_or_else(|detour| {
            self.leave(detour);
            Verdict::Accept
        })
    }

    /// Translates a packet of a flow and sends it; or leaves it as the IP layer would, and counts why.
    #[inline(never)]
    fn pass_shape<const N: usize>(
        &self,
        namespace: &Namespace,
        packet: Packet<'_>,
        guard: &rcu::Guard,
    ) -> Verdict {
        self.finish(pass_shape::<N>((namespace, self), packet, guard))
    }

    /// The same with any other.
    #[inline(never)]
    fn pass_other(&self, namespace: &Namespace, packet: Packet<'_>, guard: &rcu::Guard) -> Verdict {
        self.finish(pass_other((namespace, self), packet, guard))
    }
}

#[inline(always)]
fn pass_shape<const N: usize>(
    place: (&Namespace, &Interface),
    packet: Packet<'_>,
    guard: &rcu::Guard,
) -> Result<Verdict, Detour> {
    let shape = Shape::of_len(N).ok_or(Detour::Scattered)?;
    let start: Option<&[u8; N]> = packet.linear().first_chunk();
    let start = start.ok_or_else(|| Detour::Scattered.taken())?;
    let headers = Headers::of_shape(shape, start, packet.len())?;
    pass_with(place, packet, (headers, Some(shape)), guard)
}

#[inline(always)]
fn pass_other(
    place: (&Namespace, &Interface),
    packet: Packet<'_>,
    guard: &rcu::Guard,
) -> Result<Verdict, Detour> {
    let start = packet.linear();
    if !place.0.flows().may_have(start) {
        return Err(Detour::NoFlow);
    }
    let headers = Headers::parse(start, packet.len())?;
    pass_with(place, packet, (headers, None), guard)
}

#[inline(always)]
fn pass_with(
    place: (&Namespace, &Interface),
    packet: Packet<'_>,
    (headers, shape): (Headers, Option<Shape>),
    guard: &rcu::Guard,
) -> Result<Verdict, Detour> {
    let found = place.0.flows().find(&headers.tuple, guard);
    let (bound, direction) = found.ok_or(Detour::NoFlow)?;
    let headers = shape.map_or(headers, |shape| headers.with_shape(shape));
    // Each direction has code of its own, too.
    match direction {
        Direction::Request => {
            let flow = (bound, Direction::Request);
            pass_as(place, packet, headers, flow, guard)
        }
        Direction::Reply => {
            let flow = (bound, Direction::Reply);
            pass_as(place, packet, headers, flow, guard)
        }
    }
}

#[inline(always)]
fn pass_as(
    (namespace, interface): (&Namespace, &Interface),
    mut packet: Packet<'_>,
    mut headers: Headers,
    flow: (&BoundFlow, Direction),
    guard: &rcu::Guard,
) -> Result<Verdict, Detour> {
    let passage = Passage::of(flow, packet.linear(), &headers, guard)?;
    if !passage.hop.can_send(guard) {
        return Err(Detour::NoHop.taken());
    }
    admit(&mut packet, &headers, &passage)?;
    passage.count(packet.len(), interface, guard)?;
    let to = passage.to();
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
fn admit(packet: &mut Packet<'_>, headers: &Headers, passage: &Passage<'_>) -> Result<(), Detour> {
    // The IP layer warns of what a NIC has merged, and drops it.
    if packet.is_shared() || packet.is_merged_for_good() {
        return Err(Detour::Shared.taken());
    }
    if !packet.is_of(headers.tuple.family) || packet.len() < headers.total_len {
        return Err(Detour::Malformed.taken());
    }
    packet
        .settle(headers.transport, headers.total_len)
        .map_err(|_| Detour::Shared)?;
    if packet.len() > transit::SURE_TO_FIT {
        let mtu = passage.hop.mtu();
        // As the sender counts it.
        let to = passage.family();
        let limit = match headers.tuple.family == to {
            true => mtu,
            false => transit::mtu_of_sender(mtu, headers, to),
        };
        if !packet.fits(limit) {
            return Err(Detour::TooBig.taken());
        }
    }
    Ok(())
}
