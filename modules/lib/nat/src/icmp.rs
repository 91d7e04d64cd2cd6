// SPDX-License-Identifier: GPL-2.0

//! ICMP errors about translated packets (RFC 5508, section 4.2).
//!
//! The error quotes a packet as it was on the other side of the translator. What it quotes is turned
//! back, and so are the checksums inside and outside.

use wire::{icmp, put, Delta, Ipv4, Malformed};

use crate::rewrite::change;
use crate::{Address, ChecksumState, Protocol, Rewrite, Tuple};

/// The tuple of the packet that an error quotes.
pub fn quoted_tuple(packet: &[u8]) -> Result<Tuple, Malformed> {
    let quoted = packet.get(icmp::quoted_at(packet)?..).ok_or(Malformed)?;
    let ip = Ipv4::parse(quoted)?;
    if ip.is_later_fragment() {
        return Err(Malformed);
    }
    Tuple::of_parts(&ip)
}

/// Turns an error about one tuple into one about another, sent from `source` to `destination`.
/// `packet` starts with the outer IP header and holds what is quoted up to the transport header.
pub fn translate_error(
    packet: &mut [u8],
    quoted: &Rewrite,
    source: Address,
    destination: Address,
) -> Result<(), Malformed> {
    let at = icmp::quoted_at(packet)?;
    let outer_len = Ipv4::parse(packet)?.header_len();

    let inner = packet.get_mut(at..).ok_or(Malformed)?;
    let (inner_len, protocol) = {
        let ip = Ipv4::parse(inner)?;
        (ip.header_len(), Protocol(ip.protocol()))
    };
    // The ICMP checksum covers all that changes in the quoted packet, its own checksums included.
    let covered = inner_len.saturating_add(match protocol {
        Protocol::UDP => 8,
        _ => 20,
    });
    let covered = covered.min(inner.len()) & !1;
    let mut before = [0; 60 + 20];
    let copy = before.get_mut(..covered).ok_or(Malformed)?;
    copy.copy_from_slice(inner.get(..covered).ok_or(Malformed)?);
    quoted.apply(inner, ChecksumState::Complete)?;
    let delta = Delta::between(copy, inner.get(..covered).ok_or(Malformed)?);
    change(packet, outer_len.saturating_add(icmp::CHECK), |check| delta.apply(check));

    let mut addresses = [0; 8];
    put(&mut addresses, 0, source.v4());
    put(&mut addresses, 4, destination.v4());
    let place = packet.get_mut(Ipv4::ADDRESSES..).and_then(<[u8]>::first_chunk_mut::<8>);
    let place = place.ok_or(Malformed)?;
    let delta = Delta::between(place, &addresses);
    *place = addresses;
    change(packet, Ipv4::CHECK, |check| delta.apply(check));
    Ok(())
}
