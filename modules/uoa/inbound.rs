// SPDX-License-Identifier: GPL-2.0

//! Datagrams that come in: where their client is found, and shown.
//!
//! A header of protocol 248 is taken off where the IP layer looks for who knows that protocol; an IP
//! option stays where it is, and is read in LOCAL_IN. Both are behind the firewall and behind
//! reassembly. A datagram without data is an address that went ahead, for want of room in the next
//! one, and goes no further. Softirq, under RCU.

use kernel_net::net::{Net, PerNet};
use kernel_net::netfilter::{Hook, Place, Verdict};
use kernel_net::protocol::Header;
use kernel_net::rcu::Guard;
use kernel_net::skb::Packet;
use nat::{Address, Family, Headers, Port, Protocol, Rewrite, Tuple, Unfit};
use wire::{uoa, Ipv4, Ipv6, Udp};

use crate::filter::Side;
use crate::mappings::Mapping;
use crate::namespace::Namespace;
use crate::stats::Event;

/// Bytes of an IPv4 header without options.
const IPV4_LEN: usize = 20;

/// Protocol 248.
pub(crate) struct Opp;

impl Header for Opp {
    const NUMBER: u8 = uoa::OPP_PROTOCOL;
    const BEHIND: u8 = Protocol::UDP.0;
    const NEXT: usize = 1;

    fn packet(net: &Net, packet: &mut Packet<'_>, at: usize, guard: &Guard) -> Option<usize> {
        let namespace = Namespace::of_packet(net, packet)?;
        let Some((headers, announcement)) = read(packet, at) else {
            namespace.count(Event::Malformed);
            return None;
        };
        namespace.learn(&headers.tuple, announcement.client, guard);
        if announcement.client.is_some() && is_empty(&headers) {
            namespace.count(Event::Alone);
            return None;
        }
        if let Some(mapping) = namespace.find(&headers.tuple, guard) {
            show(namespace, packet, headers, mapping);
        }
        Some(announcement.len)
    }
}

/// The headers of a datagram behind a header of protocol 248 at `at`.
pub(crate) fn read(packet: &mut Packet<'_>, at: usize) -> Option<(Headers, uoa::Announcement)> {
    let len = packet.len();
    // What there is at most, or all of a shorter packet.
    let most = at.checked_add(uoa::OPP_MAX)?.checked_add(Udp::LEN)?;
    let bytes = packet.read(most.min(len))?;
    let announcement = uoa::read_opp(bytes.get(at..)?)?;
    let transport = at.checked_add(announcement.len)?;
    let end = transport.checked_add(Udp::LEN)?;
    let bytes = packet.read(end)?;
    let (family, source, destination) = addresses(bytes)?;
    let udp = Udp::parse(bytes.get(transport..)?).ok()?;
    if udp.len() > len.saturating_sub(transport) {
        return None;
    }
    let (source_port, destination_port) = udp.ports();
    let headers = Headers {
        tuple: Tuple {
            family,
            protocol: Protocol::UDP,
            source_port: Port::new(source_port),
            destination_port: Port::new(destination_port),
            source,
            destination,
        },
        transport,
        end,
        total_len: transport.saturating_add(udp.len()),
        hops: 0,
        dont_fragment: false,
    };
    Some((headers, announcement))
}

/// Source and destination of a packet of either family.
fn addresses(packet: &[u8]) -> Option<(Family, Address, Address)> {
    if let Ok(ip) = Ipv4::parse_fixed(packet) {
        let (source, destination) = ip.addresses();
        let [source, destination] = [source, destination].map(Address::from_v4);
        return Some((Family::V4, source, destination));
    }
    let ip = Ipv6::parse(packet).ok()?;
    let (source, destination) = ip.addresses();
    let [source, destination] = [source, destination].map(Address::from_octets);
    Some((Family::V6, source, destination))
}

/// Whether a datagram has no data.
pub(crate) fn is_empty(headers: &Headers) -> bool {
    headers.transport_len() == Udp::LEN
}

/// LOCAL_IN. Outside transparent mode there is nothing to be done with a datagram that says nothing: of
/// IPv6, none that comes here.
pub(crate) struct Arrival;

impl Hook for Arrival {
    const PLACE: Place = Place::LocalIn;
    /// Behind rules and address translation, which are the wire's; before a connection is confirmed.
    const PRIORITY: i32 = 101;

    type Data = Namespace;

    #[inline]
    fn packet(_net: &Net, namespace: &Namespace, packet: Packet<'_>, guard: &Guard) -> Verdict {
        let has_nothing = match namespace.is_transparent() {
            true => namespace.filter.excludes(packet.linear(), Side::Source),
            // Only IPv4 has a place for options.
            false => matches!(*packet.linear(), [0x45, ..]),
        };
        match has_nothing {
            true => Verdict::Accept,
            false => datagram(namespace, packet, guard),
        }
    }
}

/// A datagram with options, or of a flow that may be known.
#[inline(never)]
fn datagram(namespace: &Namespace, mut packet: Packet<'_>, guard: &Guard) -> Verdict {
    if namespace
        .filter
        .excludes_other(packet.linear(), Side::Source)
    {
        return Verdict::Accept;
    }
    let Some(headers) = headers(&mut packet) else {
        return Verdict::Accept;
    };
    if options(namespace, &packet, &headers, guard) == Verdict::Drop {
        return Verdict::Drop;
    }
    if let Some(mapping) = namespace.find(&headers.tuple, guard) {
        show(namespace, &mut packet, headers, mapping);
    }
    Verdict::Accept
}

/// Learns what the IP options of a datagram say; what goes no further is dropped.
pub(crate) fn options(
    namespace: &Namespace,
    packet: &Packet<'_>,
    headers: &Headers,
    guard: &Guard,
) -> Verdict {
    if headers.tuple.family == Family::V6 || headers.transport == IPV4_LEN {
        return Verdict::Accept;
    }
    let options = packet.linear().get(IPV4_LEN..headers.transport);
    let client = uoa::find(options.unwrap_or(&[]));
    namespace.learn(&headers.tuple, client, guard);
    if client.is_some() && is_empty(headers) {
        namespace.count(Event::Alone);
        return Verdict::Drop;
    }
    Verdict::Accept
}

/// The headers of a whole datagram.
pub(crate) fn headers(packet: &mut Packet<'_>) -> Option<Headers> {
    let len = packet.len();
    let mut parsed = Headers::parse(packet.linear(), len);
    // BOUND: Every round asks for more, up to the length of the packet.
    while let Err(Unfit::Needs(more)) = parsed {
        parsed = Headers::parse(packet.read(more)?, len);
    }
    parsed.ok()
}

/// A datagram of a client that is known. Programs get it as the client's own, if they are to.
///
/// A socket that is connected to the address on the wire has been found by now, and goes on getting what
/// it was connected to.
fn show(namespace: &Namespace, packet: &mut Packet<'_>, mut headers: Headers, mapping: &Mapping) {
    mapping.arrive();
    if !namespace.is_transparent() || packet.has_receiver() {
        return;
    }
    if mapping.client.family != headers.tuple.family {
        return namespace.count(Event::OtherFamily);
    }
    let to = Tuple {
        source: mapping.client.address,
        source_port: mapping.client.port,
        ..headers.tuple
    };
    let rewrite = Rewrite::new(&headers.tuple, &to);
    let state = packet.prepare_checksum();
    let done = match packet.write(headers.end) {
        Some(bytes) => rewrite.apply(bytes, &mut headers, state, 0).is_ok(),
        None => false,
    };
    namespace.count(if done { Event::Shown } else { Event::NoMemory });
}
