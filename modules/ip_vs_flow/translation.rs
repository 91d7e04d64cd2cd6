// SPDX-License-Identifier: GPL-2.0

//! A packet gets its addresses and ports, whichever way it goes and wherever it was caught.
//!
//! What is done to the bytes is `nat`'s; here it meets a packet of the kernel. Softirq, or process
//! context for local clients.
//!
//! Kernel counterpart: `ip_vs_nat_xmit()`, without its routing.

use flow_method::Counter;
use kernel_net::skb::Packet;
use nat::siit::Fields;
use nat::{ChecksumState, Family, Headers, Rewrite};
use wire::extensions::Fragment;
use wire::Udp;

/// Translates a packet and takes `hops` hops off it; `headers` are kept true. `reassembled` says
/// whether the stack has put it together from fragments; it is asked only where the family changes.
///
/// A packet that stays in its family is either translated or as it was.
#[inline(always)]
pub(crate) fn translate(
    packet: &mut Packet<'_>,
    headers: &mut Headers,
    rewrite: &Rewrite<'_>,
    hops: u8,
    reassembled: bool,
) -> Result<(), Counter> {
    if headers.tuple.family != rewrite.to.family {
        // Copies, so that the rest need not keep the originals in memory.
        let (mut copy, to) = (*headers, *rewrite.to);
        let result = change_family(packet, &mut copy, &rewrite.with_to(&to), hops, reassembled);
        *headers = copy;
        return result;
    }
    let state = packet.prepare_checksum();
    let bytes = packet.write(headers.end).ok_or(Counter::NoMemory)?;
    rewrite
        .apply(bytes, headers, state, hops)
        .map_err(|_| Counter::Malformed)
}

/// Gives the packet a network header of the other family (RFC 7915), and does the rest.
fn change_family(
    packet: &mut Packet<'_>,
    headers: &mut Headers,
    rewrite: &Rewrite<'_>,
    hops: u8,
    reassembled: bool,
) -> Result<(), Counter> {
    let to = rewrite.to;
    let may_fragment = reassembled || !headers.dont_fragment;
    let start = packet.linear();
    let mut fields = Fields::of_packet(start).map_err(|_| Counter::Malformed)?;
    let id = match to.family {
        // CAST: Any number that differs from packet to packet.
        Family::V4 => kernel_net::random::u64() as u16,
        // Only fragments have one.
        Family::V6 => 0,
    };
    if reassembled && to.family == Family::V4 {
        // The sender has let it be fragmented, whatever its size.
        fields.fragment = Some(Fragment {
            id: u32::from(id),
            offset: 0,
            more: false,
        });
    }
    fields.hops = fields.hops.saturating_sub(hops);
    let header = fields
        .header(to.family, to.source, to.destination, id)
        .map_err(|_| Counter::TooBig)?;
    packet
        .replace_network(headers.transport, header.bytes(), to.family)
        .map_err(|_| Counter::NoMemory)?;
    if may_fragment && to.family == Family::V6 {
        packet.allow_fragments();
    }
    headers.replace_network(header.bytes().len(), fields.hops, !may_fragment);
    let state = packet.prepare_checksum();
    let bytes = packet.write(headers.end).ok_or(Counter::NoMemory)?;
    rewrite
        .apply_transport(bytes, headers, state)
        .map_err(|_| Counter::Malformed)?;
    add_checksum(packet, headers, state)
}

/// A datagram of IPv4 may come without a checksum, one of IPv6 may not (RFC 7915, section 4.5).
fn add_checksum(
    packet: &mut Packet<'_>,
    headers: &Headers,
    state: ChecksumState,
) -> Result<(), Counter> {
    let bytes = packet.write(headers.end).ok_or(Counter::NoMemory)?;
    if state == ChecksumState::Complete && nat::lacks_checksum(bytes, headers) {
        nat::put_pseudo_sum(bytes, headers);
        packet.request_checksum(headers.transport, Udp::CHECK);
    }
    Ok(())
}
