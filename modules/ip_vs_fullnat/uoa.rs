// SPDX-License-Identifier: GPL-2.0

//! The client's address in front of the first datagrams of a flow, where the service wants it.
//!
//! Inside the datagram's packet if that is still no longer than the way out allows, else in a packet
//! of its own, sent just before. Such a packet is an empty datagram; so that real servers can tell it
//! from a client's, these always have their address sent before them. IP options that a client has made
//! up to pass for somebody else are removed from every datagram.

use flow_method::{Counter, Flow, UoaMode};
use nat::{Family, Headers, OwnPacket};
use wire::uoa::{self, Form, Insertion, Refusal};
use wire::Udp;

use crate::packet::Departure;

/// Bytes of an IPv4 header without options.
const IPV4_LEN: usize = 20;

/// Whether a datagram of a client needs nothing but its translation.
#[inline]
pub(crate) fn is_plain(flow: &Flow, headers: &Headers) -> bool {
    !flow.story.introduces() && !has_options(headers)
}

/// Whether the network header has options, where one may claim to be a client's address.
#[inline]
fn has_options(headers: &Headers) -> bool {
    headers.tuple.family == Family::V4 && headers.transport != IPV4_LEN
}

/// A datagram of a client that is to carry its address, or may claim to.
#[inline(never)]
pub(crate) fn eventful(mut departure: Departure<'_, '_>) -> Result<(), Counter> {
    if has_options(departure.headers) {
        disarm(&mut departure)?;
    }
    if departure.flow.story.introduces() {
        introduce(&mut departure);
    }
    Ok(())
}

/// Removes IP options that a client has made up.
fn disarm(departure: &mut Departure<'_, '_>) -> Result<(), Counter> {
    let header = departure.packet.write(departure.headers.transport);
    if uoa::remove_forged(header.ok_or(Counter::NoMemory)?) > 0 {
        departure.scene.count(Counter::UoaForged);
    }
    Ok(())
}

/// Tells the server the client's address, with this packet or just before it.
fn introduce(departure: &mut Departure<'_, '_>) {
    let form = match departure.flow.introduction.uoa {
        UoaMode::Off => return,
        UoaMode::Opp => Form::Opp,
        UoaMode::Ipo => Form::Option,
    };
    let client = departure.client(uoa::OPTION);
    // Segments of a GSO packet are one datagram each, and would all have to carry it.
    let room = match departure.packet.is_gso() {
        true => 0,
        // CAST: An MTU is far below 4 GiB.
        false => (departure.route.mtu() as usize).saturating_sub(departure.packet.len()),
    };
    let is_empty = departure.headers.transport_len() == Udp::LEN;
    let outcome = match Insertion::place(form, &client, departure.packet.linear(), room) {
        Ok(insertion) if is_empty => send_alone(departure, &insertion),
        Ok(insertion) => insert(departure, &insertion),
        Err(Refusal::Family) => {
            // Nor does any other packet of the flow carry it.
            departure.flow.story.introduce(0);
            Err(Counter::AddUoaFailProto)
        }
        Err(Refusal::HeaderFull | Refusal::TooLong) => {
            send_alone(departure, &Insertion::new(form, &client))
        }
    };
    if outcome.is_ok() {
        departure.flow.story.introduced();
    }
    departure.scene.count(match outcome {
        Ok(counter) | Err(counter) => counter,
    });
}

/// Puts the address into the packet. The datagram's checksum is completed first: there is no telling
/// what a NIC makes of a protocol, or of options, that it does not know.
fn insert(departure: &mut Departure<'_, '_>, insertion: &Insertion) -> Result<Counter, Counter> {
    let (headers, packet) = (&mut *departure.headers, &mut *departure.packet);
    let len = insertion.bytes().len();
    let done = packet
        .complete_checksum()
        .and_then(|()| packet.replace(insertion.at(), 0, insertion.bytes()));
    done.map_err(|_| Counter::AddUoaNoMemory)?;
    headers.transport = headers.transport.saturating_add(len);
    headers.end = headers.end.saturating_add(len);
    headers.total_len = headers.total_len.saturating_add(len);
    let bytes = packet.write(headers.end).ok_or(Counter::AddUoaNoMemory)?;
    insertion.announce(bytes);
    Ok(Counter::AddUoaOk)
}

/// Sends the address ahead of the packet.
fn send_alone(
    departure: &mut Departure<'_, '_>,
    insertion: &Insertion,
) -> Result<Counter, Counter> {
    let own = OwnPacket::introduction(
        &departure.headers.tuple,
        insertion,
        departure.packet.linear(),
    );
    let own = own.map_err(|_| Counter::AddUoaFailProto)?;
    departure
        .route
        .send_bytes(own.bytes())
        .map_err(|_| Counter::AddUoaNoMemory)?;
    Ok(Counter::AddUoaAlone)
}
