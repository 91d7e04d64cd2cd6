// SPDX-License-Identifier: GPL-2.0

//! What a client's packet gets beside its translation.
//!
//! The server sees all clients as one host, so what a client says about itself must not contradict
//! what another one said: sequence numbers are shifted where the server remembers the port, and time
//! stamps are removed from the SYN, or shifted, too. In return the server is told the client's
//! address ([`crate::toa`], [`crate::uoa`]).
//!
//! Nearly all packets need nothing, and are found to need nothing by a few comparisons.

use flow_method::{Counter, Flow, Scene, ToaMode, UoaMode};
use kernel_net::route::Route;
use kernel_net::skb::Packet;
use kernel_net::time;
use nat::{Headers, LastUse, Protocol, SequenceShift, TimestampShift};
use wire::{tcp_options, Delta};

use crate::packet::{has_options, Departure, Segment};
use crate::{toa, uoa};

/// `Method::bound`: how the client's sequence numbers are shifted, how many datagrams introduce it.
pub(crate) fn bound(
    scene: &Scene,
    flow: &Flow,
    headers: &Headers,
    packet: &mut Packet<'_>,
    last: Option<LastUse>,
) {
    match headers.tuple.protocol {
        Protocol::TCP => {
            if let Ok(segment) = Segment::of(packet, headers) {
                flow.story.begin(segment.seq, last);
            }
        }
        Protocol::UDP if flow.introduction.uoa != UoaMode::Off => {
            flow.story.introduce(scene.tunables.introducing_datagrams());
        }
        _ => {}
    }
}

/// `Method::request`.
pub(crate) fn request(
    scene: &Scene,
    flow: &Flow,
    headers: &mut Headers,
    packet: &mut Packet<'_>,
    route: &Route,
) -> Result<(), Counter> {
    let protocol = headers.tuple.protocol;
    if protocol == Protocol::TCP {
        let segment = Segment::of(packet, headers)?;
        if segment.flags.is_midstream() && flow.story.is_plain() && !has_options(headers) {
            flow.story.client_acknowledged(segment.ack);
            return Ok(());
        }
    } else if protocol != Protocol::UDP || uoa::is_plain(flow, headers) {
        return Ok(());
    }
    let departure = Departure {
        scene,
        flow,
        headers,
        packet,
        route,
    };
    match protocol {
        Protocol::TCP => eventful(departure),
        _ => uoa::eventful(departure),
    }
}

/// A segment that begins or ends something, has options, or belongs to a connection that needs more
/// than a translation.
#[inline(never)]
fn eventful(mut departure: Departure<'_, '_>) -> Result<(), Counter> {
    let segment = Segment::of(departure.packet, departure.headers)?;
    let flags = segment.flags;
    let story = &departure.flow.story;
    if flags.syn() && !flags.ack() {
        return syn(departure, segment);
    }
    if flags.ack() {
        story.client_acknowledged(segment.ack);
    }
    if flags.fin() || flags.rst() {
        story.client_closed();
    }
    shift(&mut departure)?;
    if !flags.rst() && story.introduces_client(segment.ack) {
        toa::introduce(&mut departure, wire::toa::place)
    } else {
        toa::disarm(&mut departure)
    }
}

/// The first segment of a connection.
fn syn(mut departure: Departure<'_, '_>, segment: Segment) -> Result<(), Counter> {
    let (scene, flow) = (departure.scene, departure.flow);
    if flow.story.begins_anew(segment.seq) {
        scene.count(Counter::ConnRebased);
    }
    if let Some((value, _)) = tcp_options::timestamps(departure.options()) {
        if scene.tunables.removes_timestamps() {
            departure.edit_options(tcp_options::remove_timestamps)?;
        } else {
            flow.story
                .carry_timestamps(TimestampShift::choose(value, time::milliseconds()));
        }
    }
    shift(&mut departure)?;
    if flow.introduction.toa == ToaMode::Syn && scene.tunables.introduces_tcp() {
        toa::introduce(&mut departure, wire::toa::place_in_syn)
    } else {
        toa::disarm(&mut departure)
    }
}

/// Shifts sequence number and time stamps to what the server is to see.
fn shift(departure: &mut Departure<'_, '_>) -> Result<(), Counter> {
    let story = &departure.flow.story;
    let (sequence, timestamp) = (story.sequence_shift(), story.timestamp_shift());
    if sequence == SequenceShift::NONE && timestamp == TimestampShift::NONE {
        return Ok(());
    }
    departure.edit(|tcp| {
        // The header has been read: neither fails.
        let moved = sequence.shift_request(tcp).unwrap_or_default();
        let stamped = match timestamp {
            TimestampShift::NONE => Delta::NONE,
            shift => shift.shift_request(tcp).unwrap_or_default(),
        };
        moved.then(stamped)
    })
}
