// SPDX-License-Identifier: GPL-2.0

//! What a real server's packet gets beside its translation.
//!
//! The server's SYN-ACK tells when the client's introduction ends and how large segments may be: it
//! leaves with a maximum segment size that has room for the option the director will add. Shifted
//! sequence numbers and time stamps are shifted back. What the server acknowledges last is what it
//! will remember of the port.

use flow_method::{Counter, Flow, Scene, ToaMode};
use kernel_net::route::Route;
use kernel_net::skb::Packet;
use nat::{Family, Headers, Protocol, SequenceShift, TimestampShift};
use wire::toa::{LEN_V4, LEN_V6};
use wire::{tcp_options, Delta};

use crate::packet::{has_options, Departure, Segment};

/// Below this no maximum segment size is lowered (RFC 879: hosts need not send less).
const MIN_MSS: u16 = 88;

/// `Method::reply`.
pub(crate) fn reply(
    scene: &Scene,
    flow: &Flow,
    headers: &mut Headers,
    packet: &mut Packet<'_>,
    route: &Route,
) -> Result<(), Counter> {
    if headers.tuple.protocol != Protocol::TCP {
        return Ok(());
    }
    let segment = Segment::of(packet, headers)?;
    if segment.flags.ack() {
        flow.story.server_acknowledged(segment.ack);
    }
    if segment.flags.is_midstream() && !flow.story.is_shifted() {
        return Ok(());
    }
    let departure = Departure {
        scene,
        flow,
        headers,
        packet,
        route,
    };
    eventful(departure)
}

/// A segment that begins or ends something, or belongs to a connection that is shifted.
#[inline(never)]
fn eventful(mut departure: Departure<'_, '_>) -> Result<(), Counter> {
    let segment = Segment::of(departure.packet, departure.headers)?;
    let story = &departure.flow.story;
    shift_back(&mut departure)?;
    let flags = segment.flags;
    if flags.rst() {
        story.server_reset();
    } else if flags.fin() {
        story.server_closed();
    } else if flags.syn() && flags.ack() {
        let tunables = &departure.scene.tunables;
        let told = departure.flow.introduction.toa != ToaMode::Off && tunables.introduces_tcp();
        story.server_answered(segment.seq.wrapping_add(1), told);
        if told && tunables.adjusts_mss() && has_options(departure.headers) {
            return leave_room(&mut departure);
        }
    }
    Ok(())
}

/// Lowers the maximum segment size by what a client's address takes.
fn leave_room(departure: &mut Departure<'_, '_>) -> Result<(), Counter> {
    let room = match departure.flow.client.family {
        Family::V4 => LEN_V4,
        Family::V6 => LEN_V6,
    };
    // CAST: Eight or twenty.
    departure.edit_options(|options| tcp_options::lower_mss(options, room as u16, MIN_MSS))
}

/// Shifts acknowledgements and echoed time stamps back to what the client has sent.
fn shift_back(departure: &mut Departure<'_, '_>) -> Result<(), Counter> {
    let story = &departure.flow.story;
    let (sequence, timestamp) = (story.sequence_shift(), story.timestamp_shift());
    if sequence == SequenceShift::NONE && timestamp == TimestampShift::NONE {
        return Ok(());
    }
    departure.edit(|tcp| {
        let moved = match sequence {
            SequenceShift::NONE => Delta::NONE,
            shift => shift.shift_reply(tcp).unwrap_or_default(),
        };
        let stamped = match timestamp {
            TimestampShift::NONE => Delta::NONE,
            shift => shift.shift_reply(tcp).unwrap_or_default(),
        };
        moved.then(stamped)
    })
}
