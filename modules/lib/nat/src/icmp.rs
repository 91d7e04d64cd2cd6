// SPDX-License-Identifier: GPL-2.0

//! ICMP errors about translated packets (RFC 5508, section 4.2), IPv4.
//!
//! The error quotes a packet as it was on the other side of the translator. What it quotes is turned
//! back, and so are the checksums inside and outside. An ICMP checksum that was wrong stays wrong.
//!
//! Kernel counterpart: `ip_vs_nat_icmp()`.

use wire::{icmp, put, Delta, Ipv4, Malformed, Tcp};

use crate::network::Network;
use crate::rewrite::change;
use crate::{Address, Family, Protocol, Rewrite, SequenceShift, Tuple};

/// Bytes behind a quoted IP header that may change: as far as a transport checksum may lie.
const CHANGEABLE: usize = Tcp::MIN;

/// The tuple of the packet that an error quotes.
pub fn quoted_tuple(packet: &[u8]) -> Result<Tuple, Malformed> {
    let quoted = packet.get(icmp::quoted_at(packet)?..).ok_or(Malformed)?;
    let ip = Network::parse_fixed(quoted)?;
    match ip.is_later_fragment || ip.family != Family::V4 {
        true => Err(Malformed),
        false => ip.tuple(quoted),
    }
}

/// Turns an error about one tuple into one about another, sent from `source` to `destination`.
/// `packet` starts with the outer IP header and holds what is quoted up to the transport header.
pub fn translate_error(
    packet: &mut [u8],
    quoted: &Rewrite,
    source: Address,
    destination: Address,
) -> Result<(), Malformed> {
    edit_quoted(packet, |inner, _| quoted.apply_to_quoted(inner))?;

    let mut addresses = [0; 8];
    put(&mut addresses, 0, source.v4());
    put(&mut addresses, 4, destination.v4());
    let place = packet
        .get_mut(Ipv4::ADDRESSES..)
        .and_then(<[u8]>::first_chunk_mut::<8>);
    let place = place.ok_or(Malformed)?;
    let delta = Delta::between(place, &addresses);
    *place = addresses;
    change(packet, Ipv4::CHECK, |check| delta.apply(check));
    Ok(())
}

/// Makes an error about a client's TCP segment quote the sequence number that the client has sent:
/// the client ignores an error about a number it does not know (RFC 5927, section 4.1). Before or
/// after [`translate_error`].
pub fn restore_quoted_sequence(packet: &mut [u8], shift: SequenceShift) -> Result<(), Malformed> {
    edit_quoted(packet, |inner, ip| {
        if ip.protocol != Protocol::TCP || shift == SequenceShift::NONE {
            return Ok(());
        }
        let tcp = inner.get_mut(ip.header_len..).ok_or(Malformed)?;
        let place = tcp
            .get_mut(Tcp::SEQ..)
            .and_then(<[u8]>::first_chunk_mut)
            .ok_or(Malformed)?;
        let old = *place;
        let new = shift.to_client(u32::from_be_bytes(old)).to_be_bytes();
        *place = new;
        change(tcp, Tcp::CHECK, |check| {
            Delta::between(&old, &new).apply(check)
        });
        Ok(())
    })
}

/// Changes what an error quotes, and the ICMP checksum with it.
fn edit_quoted(
    packet: &mut [u8],
    edit: impl FnOnce(&mut [u8], &Network) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let at = icmp::quoted_at(packet)?;
    let check_at = Ipv4::parse(packet)?
        .header_len()
        .saturating_add(icmp::CHECK);
    let inner = packet.get_mut(at..).ok_or(Malformed)?;
    let ip = Network::parse_fixed(inner)?;
    if ip.family != Family::V4 || ip.is_later_fragment {
        return Err(Malformed);
    }
    // The quoted packet lies at an even offset, so that a delta may be taken of it alone.
    let covered = ip.header_len.saturating_add(CHANGEABLE).min(inner.len());
    let mut before = [0; 60 + CHANGEABLE];
    let before = before.get_mut(..covered).ok_or(Malformed)?;
    before.copy_from_slice(inner.get(..covered).ok_or(Malformed)?);
    edit(inner, &ip)?;
    let delta = Delta::between(before, inner.get(..covered).ok_or(Malformed)?);
    change(packet, check_at, |check| delta.apply(check));
    Ok(())
}
