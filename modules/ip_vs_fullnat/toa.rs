// SPDX-License-Identifier: GPL-2.0

//! The client's address as a TCP option.
//!
//! It goes with every segment until either end has acknowledged a byte of the other, because the
//! server has made its socket then, and has read it; where a service wants it, in the SYN, too. (DPVS
//! waits for the client, and so puts it into every segment of an upload.) What a client has made up to
//! pass for somebody else is removed from every segment, whatever becomes of the true address.

use flow_method::Counter;
use nat::ChecksumState;
use wire::toa::{self, Placement, Refusal, Toa};
use wire::{put, Delta, Tcp};

use crate::packet::{fix, has_options, Departure};

/// Removes what a client has made up.
pub(crate) fn disarm(departure: &mut Departure<'_, '_>) -> Result<(), Counter> {
    if !has_options(departure.headers) || !toa::has_forged(departure.options()) {
        return Ok(());
    }
    departure.scene.count(Counter::ToaForged);
    departure.edit_options(|options| toa::remove_forged(options).1)
}

/// Puts the client's address in front of the other options, where `place` finds room. The packet goes
/// on without it if there is none.
pub(crate) fn introduce(
    departure: &mut Departure<'_, '_>,
    place: fn(&Toa, &[u8], usize) -> Result<Placement, Refusal>,
) -> Result<(), Counter> {
    let client = departure.client(departure.flow.introduction.toa_kind);
    let room = room(departure, client.len());
    let outcome = match place(&client, departure.options(), room) {
        Ok(placement) => {
            let forged = placement.forged > 0;
            match replace_options(departure, placement.options()) {
                Ok(()) => {
                    if forged {
                        departure.scene.count(Counter::ToaForged);
                    }
                    departure.scene.count(Counter::AddToaOk);
                    return Ok(());
                }
                Err(why) => why,
            }
        }
        Err(Refusal::HeaderFull) => Counter::AddToaHeaderFull,
        Err(Refusal::TooLong) => Counter::AddToaTooLong,
    };
    departure.scene.count(outcome);
    disarm(departure)
}

/// By how many bytes the packet may grow. Of a GSO packet, each segment grows by `wanted`, or none.
fn room(departure: &Departure<'_, '_>, wanted: usize) -> usize {
    // CAST: A packet is far below 4 GiB.
    let (len, mtu) = (departure.packet.len(), departure.route.mtu() as usize);
    let on_the_wire = if !departure.packet.is_gso() {
        mtu.saturating_sub(len)
    } else if departure.packet.fits(mtu.saturating_sub(wanted) as u32) {
        wanted
    } else {
        0
    };
    // No IP header can tell a length beyond 16 bits.
    on_the_wire.min(usize::from(u16::MAX).saturating_sub(len))
}

/// Replaces the options of a segment, and corrects the lengths and checksums of both headers. If it
/// fails, the packet is as it was.
fn replace_options(departure: &mut Departure<'_, '_>, new: &[u8]) -> Result<(), Counter> {
    let (headers, packet) = (&mut *departure.headers, &mut *departure.packet);
    let mut old = [0; Tcp::MAX_OPTIONS];
    let at = headers.transport.saturating_add(Tcp::MIN);
    let old = packet
        .linear()
        .get(at..headers.end)
        .and_then(|options| {
            let copy = old.get_mut(..options.len())?;
            copy.copy_from_slice(options);
            Some(&*copy)
        })
        .ok_or(Counter::Malformed)?;
    let old_len = headers.transport_len();

    let state = packet.prepare_checksum();
    packet
        .replace(at, old.len(), new)
        .map_err(|_| Counter::AddToaNoMemory)?;
    headers.end = at.saturating_add(new.len());

    let total = packet.len();
    // All that follows has been made writable by `replace`.
    let mut correct = || {
        let bytes = packet.write(headers.end)?;
        headers.resize(bytes, total)?;
        // CAST: The caller leaves room within the 16 bits of an IP length.
        let length = |len: usize| (len as u16).to_be_bytes();
        let pseudo = Delta::of_word(length(old_len), length(headers.transport_len()));
        let tcp = bytes.get_mut(headers.transport..)?;
        let offset_flags = tcp
            .get(Tcp::OFFSET_FLAGS..)
            .and_then(<[u8]>::first_chunk)
            .copied()?;
        let header_len = Tcp::MIN.saturating_add(new.len());
        let new_offset_flags = Tcp::parse_fixed(tcp).ok()?.offset_flags(header_len);
        put(tcp, Tcp::OFFSET_FLAGS, new_offset_flags);
        let header = Delta::between(old, new).then(Delta::of_word(offset_flags, new_offset_flags));
        fix(tcp, |check| match state {
            ChecksumState::Complete => pseudo.then(header).apply(check),
            ChecksumState::Partial => pseudo.apply_to_pseudo(check),
        });
        Some(())
    };
    correct().ok_or(Counter::AddToaNoMemory)
}
