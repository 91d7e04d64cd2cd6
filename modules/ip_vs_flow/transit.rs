// SPDX-License-Identifier: GPL-2.0

//! A packet of a flow passes the director: what a router does, plus the translation.
//!
//! One function for both directions, both families and all protocols. Softirq, or process context for
//! local clients; under RCU.
//!
//! Kernel counterpart: `ip_forward()`, `ip6_forward()` and `ip_vs_nat_xmit()`.

use flow_method::{Counter, Duty, Flow};
use kernel_net::net::Net;
use kernel_net::netfilter::Verdict;
use kernel_net::next_hop::HopCache;
use kernel_net::route::{IcmpError, Route};
use kernel_net::skb::Packet;
use nat::{siit, Family, Headers, Rewrite, Unfit};

use crate::namespace::Namespace;
use crate::translation::translate;

/// Where a packet goes, and what becomes of it.
pub(crate) struct Transit<'a> {
    pub(crate) net: &'a Net,
    pub(crate) namespace: &'a Namespace,
    pub(crate) flow: &'a Flow,
    /// The way to the receiver, once it is known.
    pub(crate) hop: &'a HopCache,
    /// The translation.
    pub(crate) rewrite: Rewrite<'a>,
    /// What the method does before the packet leaves.
    pub(crate) duty: Duty,
}

impl Transit<'_> {
    /// Sends a packet with these headers on.
    pub(crate) fn forward(&self, mut packet: Packet<'_>, headers: &mut Headers) -> Verdict {
        match self.pass(&mut packet, headers) {
            Ok(route) => packet.send(self.net, route),
            Err(reason) => self.namespace.drop_packet(&packet, reason),
        }
    }

    #[inline]
    fn pass(&self, packet: &mut Packet<'_>, headers: &mut Headers) -> Result<Route, Counter> {
        let to = self.rewrite.to;
        let hops = &self.namespace.next_hops;
        let route = self
            .hop
            .output(self.net, hops, packet.dsfield(), to, packet)
            .ok_or(Counter::NoRoute)?;
        // What a local program sends has not been forwarded by anybody yet.
        let hops = u8::from(packet.is_received());
        check(packet, headers, hops, to.family, &route)?;
        let from = headers.tuple.family;
        if from == Family::V4 && headers.transport > MIN_HEADER {
            let start = packet.write(headers.end).ok_or(Counter::NoMemory)?;
            nat::renew_header_checksum(start, headers.transport);
        }
        // Who changes the family wants to know.
        let reassembled = from != to.family && packet.was_fragmented(from);
        translate(packet, headers, &self.rewrite, hops, reassembled)?;
        (self.duty)(&self.namespace.scene, self.flow, headers, packet, &route)?;
        Ok(route)
    }
}

/// What a router checks, with an answer to the sender, while the packet is still the sender's.
fn check(
    packet: &mut Packet<'_>,
    headers: &Headers,
    hops: u8,
    to: Family,
    route: &Route,
) -> Result<(), Counter> {
    let from = headers.tuple.family;
    if from == Family::V4 && has_source_route(packet, headers) {
        return Err(Counter::Malformed);
    }
    if hops > 0 && headers.hops <= hops {
        packet.report(from, IcmpError::TimeExceeded);
        return Err(Counter::TtlExpired);
    }
    if packet.len() <= SURE_TO_FIT {
        return Ok(());
    }
    // The size that fits, as the sender counts it.
    let mtu = match from == to {
        true => route.mtu(),
        false => mtu_of_sender(route.mtu(), headers, to),
    };
    if packet.fits(mtu) || !headers.dont_fragment || packet.was_fragmented(from) {
        return Ok(());
    }
    packet.report(from, IcmpError::TooBig { mtu });
    Err(Counter::TooBig)
}

/// Whether the sender has chosen the packet's way. The stack drops what comes to the director itself
/// like that, and a translator must not pass it on (RFC 7915, section 4.1).
#[inline]
fn has_source_route(packet: &Packet<'_>, headers: &Headers) -> bool {
    let options = packet.linear().get(MIN_HEADER..headers.transport);
    options.is_some_and(|options| !options.is_empty() && siit::has_source_route(options))
}

/// Bytes of an IPv4 header without options.
const MIN_HEADER: usize = 20;

/// The size of a packet that fits into `mtu` bytes when it has got a header of the other family.
#[inline]
pub(crate) fn mtu_of_sender(mtu: u32, headers: &Headers, to: Family) -> u32 {
    let (old, new) = (headers.transport, siit::header_len(to));
    // CAST: Bytes of a header; lossless on 64 bits.
    let fits = mtu.saturating_add(old as u32).saturating_sub(new as u32);
    match to {
        // What every IPv6 path takes, an IPv4 path may have to fragment (RFC 7915, section 5.1).
        Family::V4 => fits.max(MIN_V6_MTU),
        Family::V6 => fits,
    }
}

/// Bytes of a packet that fits every link: what IPv4 asks of all (RFC 791, page 25). Acknowledgements
/// are no longer, and half of all segments.
pub(crate) const SURE_TO_FIT: usize = 68;

/// The smallest MTU of IPv6 (RFC 8200, section 5).
const MIN_V6_MTU: u32 = 1280;

/// Reads the headers of a packet, making them linear.
#[inline(always)]
pub(crate) fn parse(packet: &mut Packet<'_>) -> Result<Headers, Unfit> {
    match Headers::parse(packet.linear(), packet.len()) {
        Err(Unfit::Needs(more)) => parse_pieces(packet, more),
        result => result,
    }
}

/// The same, where so many bytes must be made linear first.
#[cold]
fn parse_pieces(packet: &mut Packet<'_>, mut wanted: usize) -> Result<Headers, Unfit> {
    let len = packet.len();
    // BOUND: A constant: IP options or extension headers one by one, the fixed transport header, its
    // options.
    for _ in 0..MAX_ROUNDS {
        let start = packet.read(wanted).ok_or(Unfit::Malformed)?;
        match Headers::parse(start, len) {
            Err(Unfit::Needs(more)) => wanted = more,
            result => return result,
        }
    }
    Err(Unfit::Malformed)
}

/// Pieces in which the headers may have to be made linear.
const MAX_ROUNDS: usize = 16;
