// SPDX-License-Identifier: GPL-2.0

//! What a client's packet goes through before its addresses change.
//!
//! The server sees all clients as one host, so what a client says about itself must not contradict
//! what another one said: a SYN loses its time stamps, and sequence numbers are shifted where the
//! server remembers the port. In return the server is told the client's address, as DPVS tells it:
//! with every segment until the client has acknowledged the server's first byte, never with a SYN.

use flow_method::{Counter, Flow, Scene, ToaMode};
use kernel_net::route::Route;
use kernel_net::skb::Packet;
use nat::{ChecksumState, Headers, LastUse, Protocol, SequenceShift};
use wire::toa::{self, Refusal, Toa};
use wire::{put, tcp_options, Delta, Tcp};

use crate::packet::{fix, Segment};

/// `Method::bound`: how the client's sequence numbers are shifted.
pub(crate) fn bound(
    _scene: &Scene,
    flow: &Flow,
    headers: &Headers,
    packet: &mut Packet<'_>,
    last_use: Option<LastUse>,
) {
    if flow.client.protocol != Protocol::TCP {
        return;
    }
    if let Ok(segment) = Segment::of(headers, packet) {
        flow.tcp
            .set_shift(SequenceShift::choose(segment.seq, last_use));
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
    if flow.client.protocol != Protocol::TCP {
        return Ok(());
    }
    let segment = Segment::of(headers, packet)?;
    let shift = flow.tcp.shift();
    if shift != SequenceShift::NONE {
        segment.edit(packet, |tcp| shift.shift_request(tcp).unwrap_or_default())?;
    }
    if segment.flags.fin() {
        // CAST: A segment is far below 4 GiB.
        let next = segment
            .seq
            .wrapping_add(segment.data_len as u32)
            .wrapping_add(1);
        flow.tcp.client_finished(shift.to_server(next));
    }
    if segment.flags.syn() {
        syn(scene, &segment, packet)
    } else if flow.introduction.toa != ToaMode::Off
        && !segment.flags.rst()
        && flow.tcp.introduces_client(segment.ack)
        && scene.tunables.introduces_tcp()
    {
        introduce(scene, flow, headers, &segment, packet, route.mtu())
    } else {
        disarm(scene, &segment, packet)
    }
}

/// The first segment of a client.
fn syn(scene: &Scene, segment: &Segment, packet: &mut Packet<'_>) -> Result<(), Counter> {
    disarm(scene, segment, packet)?;
    if scene.tunables.removes_timestamps() && segment.has_options() {
        segment.edit(packet, |tcp| {
            tcp.get_mut(Tcp::MIN..)
                .map_or(Delta::NONE, tcp_options::remove_timestamps)
        })?;
    }
    Ok(())
}

/// Removes what a client has made up to pass for somebody else.
fn disarm(scene: &Scene, segment: &Segment, packet: &mut Packet<'_>) -> Result<(), Counter> {
    let suspicious = |packet: &Packet<'_>| {
        let options = packet
            .linear()
            .get(segment.at..segment.end)?
            .get(Tcp::MIN..)?;
        Some(toa::has_forged(options))
    };
    if !segment.has_options() || suspicious(packet) != Some(true) {
        return Ok(());
    }
    segment.edit(packet, |tcp| match tcp.get_mut(Tcp::MIN..) {
        Some(options) => toa::remove_forged(options).1,
        None => Delta::NONE,
    })?;
    scene.count(Counter::ToaForged);
    Ok(())
}

/// Puts the client's address in front of the other options. The packet goes on without it if there
/// is no way to.
fn introduce(
    scene: &Scene,
    flow: &Flow,
    headers: &mut Headers,
    segment: &Segment,
    packet: &mut Packet<'_>,
    mtu: u32,
) -> Result<(), Counter> {
    let client = Toa {
        kind: flow.introduction.toa_kind,
        family: flow.client.family,
        address: flow.client.source,
        port: flow.client.source_port.0,
    };
    // Of a GSO packet, each segment gets the option: the longest of them decides.
    let room = if packet.fits(mtu.saturating_sub(toa::LEN_V6 as u32)) {
        toa::LEN_V6
    } else if packet.fits(mtu.saturating_sub(client.len() as u32)) {
        client.len()
    } else {
        0
    };
    // No IP header can tell a length beyond 16 bits.
    let room = room.min(usize::from(u16::MAX).saturating_sub(packet.len()));
    let options = packet
        .linear()
        .get(segment.at..segment.end)
        .and_then(|tcp| tcp.get(Tcp::MIN..));
    let placement = toa::place(&client, options.ok_or(Counter::Malformed)?, room);
    let outcome = match placement {
        Ok(placement) => {
            if placement.forged > 0 {
                scene.count(Counter::ToaForged);
            }
            if replace_options(headers, segment, packet, placement.options()).is_some() {
                scene.count(Counter::AddToaOk);
                return Ok(());
            }
            Counter::AddToaNoMemory
        }
        Err(Refusal::HeaderFull) => Counter::AddToaHeaderFull,
        Err(Refusal::TooLong) => Counter::AddToaTooLong,
    };
    scene.count(outcome);
    disarm(scene, segment, packet)
}

/// Replaces the options of a segment, and corrects the lengths and checksums of both headers.
fn replace_options(
    headers: &mut Headers,
    segment: &Segment,
    packet: &mut Packet<'_>,
    new: &[u8],
) -> Option<()> {
    let at = segment.at.checked_add(Tcp::MIN)?;
    let old_len = segment.end.checked_sub(at)?;
    let mut old = [0; Tcp::MAX_OPTIONS];
    let old = old.get_mut(..old_len)?;
    old.copy_from_slice(packet.linear().get(at..segment.end)?);
    let old_total = packet.len();

    let state = packet.prepare_checksum();
    packet.replace(at, old_len, new).ok()?;

    let total = packet.len();
    // CAST: The caller leaves room within the 16 bits of an IP length.
    let length = |total: usize| (total.wrapping_sub(segment.at) as u16).to_be_bytes();
    let pseudo = Delta::of_word(length(old_total), length(total));
    let bytes = packet.write(at.checked_add(new.len())?)?;
    let header_len = Tcp::MIN.checked_add(new.len())?;

    headers.resize(bytes, total)?;
    headers.end = at.checked_add(new.len())?;

    let tcp = bytes.get_mut(segment.at..)?;
    let offset_flags = tcp
        .get(Tcp::OFFSET_FLAGS..)
        .and_then(<[u8]>::first_chunk)
        .copied()?;
    let new_offset_flags = Tcp::parse_fixed(tcp).ok()?.offset_flags(header_len);
    put(tcp, Tcp::OFFSET_FLAGS, new_offset_flags);
    let header = Delta::between(old, new).then(Delta::of_word(offset_flags, new_offset_flags));
    fix(tcp, |check| match state {
        ChecksumState::Complete => pseudo.then(header).apply(check),
        ChecksumState::Partial => pseudo.apply_to_pseudo(check),
    });
    Some(())
}
