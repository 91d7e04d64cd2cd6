// SPDX-License-Identifier: GPL-2.0

//! A packet of a flow passes the director: what a router does, plus the translation.
//!
//! One function for both directions. Softirq, or process context for local clients; under RCU.
//!
//! Kernel counterpart: `ip_forward()` and `ip_vs_nat_xmit()`.

use flow_method::{Counter, Scene};
use kernel_net::net::Net;
use kernel_net::netfilter::Verdict;
use kernel_net::route::{IcmpError, Route};
use kernel_net::skb::Packet;
use nat::{Rewrite, Tuple};

/// Where a packet goes and what becomes of its addresses.
pub(crate) struct Transit<'a> {
    pub(crate) net: &'a Net,
    pub(crate) scene: &'a Scene,
    /// The tuple the packet has afterwards.
    pub(crate) to: &'a Tuple,
    /// The translation to that tuple.
    pub(crate) rewrite: &'a Rewrite,
}

impl Transit<'_> {
    /// Sends the packet on; `story` is what the method has to do before the addresses change, given
    /// the MTU of the way out.
    pub(crate) fn forward(
        &self,
        mut packet: Packet<'_>,
        story: impl FnOnce(&Scene, &mut Packet<'_>, u32) -> Result<(), Counter>,
    ) -> Verdict {
        match self.translate(&mut packet, story) {
            Ok(route) => packet.send(self.net, route),
            Err(reason) => {
                self.scene.count(reason);
                Verdict::Drop
            }
        }
    }

    fn translate(
        &self,
        packet: &mut Packet<'_>,
        story: impl FnOnce(&Scene, &mut Packet<'_>, u32) -> Result<(), Counter>,
    ) -> Result<Route, Counter> {
        let route = Route::output(self.net, packet, self.to.source, self.to.destination)
            .ok_or(Counter::NoRoute)?;
        let mtu = route.mtu();
        // What a local program sends has not been forwarded by anybody yet.
        let hop = packet.is_received();
        check(packet, hop, mtu)?;
        story(self.scene, packet, mtu)?;

        let sum = packet.prepare_checksum();
        let end = headers_end(packet).ok_or(Counter::Malformed)?;
        let headers = packet.write(end).ok_or(Counter::NoMemory)?;
        if hop {
            nat::decrement_ttl(headers).map_err(|_| Counter::TtlExpired)?;
        }
        self.rewrite
            .apply(headers, sum)
            .map_err(|_| Counter::Malformed)?;
        Ok(route)
    }
}

/// What a router checks, with an answer to the sender, while the packet is still the sender's.
fn check(packet: &mut Packet<'_>, hop: bool, mtu: u32) -> Result<(), Counter> {
    let header = packet.read(MIN_HEADER).ok_or(Counter::Malformed)?;
    let header = wire::Ipv4::parse_fixed(header).map_err(|_| Counter::Malformed)?;
    let (ttl, fragment) = (header.ttl(), !header.dont_fragment());
    if hop && ttl <= 1 {
        packet.report(IcmpError::TimeExceeded);
        return Err(Counter::TtlExpired);
    }
    if !fragment && !packet.fits(mtu) {
        packet.report(IcmpError::FragmentationNeeded { mtu });
        return Err(Counter::TooBig);
    }
    Ok(())
}

/// Bytes of an IPv4 header without options.
const MIN_HEADER: usize = 20;

/// Makes the headers of a TCP or UDP packet linear: where they end, options included.
pub(crate) fn headers_end(packet: &mut Packet<'_>) -> Option<usize> {
    let mut wanted = MIN_HEADER;
    // BOUND: Three rounds: the fixed IP header, its options and the fixed transport header, that
    // header's options.
    for _ in 0..4 {
        match nat::headers_end(packet.read(wanted)?) {
            Ok(nat::Extent::Ends(at)) => return Some(at),
            Ok(nat::Extent::Needs(more)) => wanted = more,
            Err(_) => return None,
        }
    }
    None
}

/// The tuple of a whole IPv4 TCP or UDP packet; fragments have none.
pub(crate) fn tuple_of(packet: &mut Packet<'_>) -> Option<Tuple> {
    let end = headers_end(packet)?;
    Tuple::of_packet(packet.read(end)?).ok()
}

/// Where the transport header starts.
pub(crate) fn transport_offset(packet: &Packet<'_>) -> Option<usize> {
    wire::Ipv4::parse_fixed(packet.linear())
        .ok()
        .map(|header| header.header_len())
}
