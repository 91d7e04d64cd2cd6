// SPDX-License-Identifier: GPL-2.0

//! What a real server's packet goes through before its addresses change.
//!
//! The server's SYN-ACK tells when the client's introduction ends and how large segments may be: it
//! leaves with a maximum segment size that has room for the option the director will add. Shifted
//! sequence numbers are shifted back.

use flow_method::{Counter, Flow, Scene};
use kernel_net::route::Route;
use kernel_net::skb::Packet;
use nat::{Headers, Protocol, SequenceShift};
use wire::toa::{LEN_V4, LEN_V6};
use wire::{tcp_options, Delta, Family, Tcp};

use crate::packet::Segment;

/// Below this no maximum segment size is lowered (RFC 879: hosts need not send less).
const MIN_MSS: u16 = 88;

/// `Method::reply`.
pub(crate) fn reply(
    scene: &Scene,
    flow: &Flow,
    headers: &mut Headers,
    packet: &mut Packet<'_>,
    _route: &Route,
) -> Result<(), Counter> {
    if flow.client.protocol != Protocol::TCP {
        return Ok(());
    }
    let shift = flow.tcp.shift();
    let segment = Segment::of(headers, packet)?;
    if shift != SequenceShift::NONE {
        segment.edit(packet, |tcp| shift.shift_reply(tcp).unwrap_or_default())?;
    }
    if segment.flags.syn() && segment.flags.ack() {
        flow.tcp.server_answered(segment.seq.wrapping_add(1));
        if scene.tunables.adjusts_mss() && segment.has_options() {
            let room = match flow.client.family {
                Family::V4 => LEN_V4,
                Family::V6 => LEN_V6,
            };
            segment.edit(packet, |tcp| {
                // CAST: Eight or twenty.
                tcp.get_mut(Tcp::MIN..).map_or(Delta::NONE, |options| {
                    tcp_options::lower_mss(options, room as u16, MIN_MSS)
                })
            })?;
        }
    }
    Ok(())
}
