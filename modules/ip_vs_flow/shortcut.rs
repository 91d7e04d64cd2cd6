// SPDX-License-Identifier: GPL-2.0

//! Packets of established flows go past the IP layer.
//!
//! What every attach point asks first: is this a packet of a flow that needs nothing but its
//! translation, and where does it go? All else takes the long way, through the hooks, which knows the
//! whole story. About twice a second a packet of each direction of each flow does, too: that is how
//! IPVS's timers, states and synchronisation go on.
//!
//! Softirq, under RCU. Nothing here writes memory that another CPU reads per packet, but for the last
//! acknowledgement of a TCP connection.
//!
//! Kernel counterpart: `nf_flow_offload_ip_hook()`.

use kernel_ipvs::Direction;
use kernel_net::next_hop::NextHop;
use kernel_net::rcu;
use nat::{Detour, Family, Headers, Plain, Rewrite, Tuple};

use crate::fast_path::ingress::Interface;
use crate::flows::BoundFlow;

/// A packet that may pass.
pub(crate) struct Passage<'a> {
    bound: &'a BoundFlow,
    direction: Direction,
    /// Where it goes, if that [can](NextHop::can_send) send it.
    pub(crate) hop: &'a NextHop,
}

impl<'a> Passage<'a> {
    /// Of a flow's packet of that direction that begins with these bytes and has these headers.
    /// Nothing is changed yet.
    #[inline(always)]
    pub(crate) fn of(
        (bound, direction): (&'a BoundFlow, Direction),
        start: &[u8],
        headers: &Headers,
        guard: &'a rcu::Guard,
    ) -> Result<Self, Detour> {
        let from_client = direction == Direction::Request;
        let plain = Plain::of(start, headers, from_client)?;
        if bound.is_stale(direction) {
            return Err(Detour::Refresh.taken());
        }
        let conn = bound.conn.peek(guard);
        if !conn.is_established_as(headers.tuple.protocol) {
            return Err(Detour::State.taken());
        }
        bound.flow.story.passes(plain, from_client)?;
        let hop = bound
            .hop(direction)
            .known(guard)
            .ok_or_else(|| Detour::NoHop.taken())?;
        Ok(Self {
            bound,
            direction,
            hop,
        })
    }

    /// The family of the receiver.
    #[inline(always)]
    pub(crate) fn family(&self) -> Family {
        match self.direction {
            Direction::Request => self.bound.ports.server.family,
            Direction::Reply => self.bound.flow.client.family,
        }
    }

    /// The addresses and ports it leaves with. Asked for last: it is all of it that is read.
    #[inline(always)]
    pub(crate) fn to(&self) -> Tuple {
        match self.direction {
            Direction::Request => self.bound.server(),
            Direction::Reply => self.bound.flow.client.reversed(),
        }
    }

    /// The translation.
    #[inline(always)]
    pub(crate) fn rewrite<'t>(&self, to: &'t Tuple) -> Rewrite<'t> {
        match self.direction {
            Direction::Request => self.bound.flow.request(to),
            Direction::Reply => self.bound.flow.reply(to),
        }
    }

    /// The last word before the packet is changed: IPVS's statistics, and those of where it passes.
    #[inline(always)]
    pub(crate) fn count(
        &self,
        len: usize,
        interface: &Interface,
        guard: &rcu::Guard,
    ) -> Result<(), Detour> {
        let conn = self.bound.conn.peek(guard);
        let passed = interface.passing().ok_or(Detour::NoServer)?;
        match conn.count_passed(self.direction, len, passed, guard) {
            true => Ok(()),
            false => Err(Detour::NoServer.taken()),
        }
    }
}
