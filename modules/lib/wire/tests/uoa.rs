// SPDX-License-Identifier: GPL-2.0
//! UOA: where the address goes in a datagram, what the network header says then, and that a receiver
//! that takes it out again has the datagram as it was sent.

use proptest::collection::vec;
use proptest::prelude::*;
use wire::toa::Toa;
use wire::uoa::{self, Form, Insertion, Opp, Refusal};
use wire::{checksum, Address, Family, Ipv4, Ipv6, Udp};

fn client(family: Family) -> Toa {
    Toa {
        kind: 0,
        family,
        address: match family {
            Family::V4 => Address::from_v4([203, 0, 113, 7]),
            Family::V6 => "2001:db8::1".parse::<std::net::IpAddr>().unwrap().into(),
        },
        port: 51234,
    }
}

const V4_OPTION: [u8; 8] = [0x1f, 8, 0xc8, 0x22, 203, 0, 113, 7];

/// An IPv4 packet with these options; `protocol` 17 or any other.
fn v4(options: &[u8], protocol: u8, data: &[u8]) -> Vec<u8> {
    let header_len = 20 + options.len();
    let mut bytes = vec![0x40 | (header_len / 4) as u8, 0x28];
    bytes.extend(((header_len + 8 + data.len()) as u16).to_be_bytes());
    bytes.extend([0x12, 0x34, 0x40, 0, 63, protocol, 0, 0]);
    bytes.extend([10, 0, 0, 1, 10, 0, 0, 2]);
    bytes.extend(options);
    let check = checksum::of(&bytes);
    bytes[10..12].copy_from_slice(&check);
    bytes.extend(datagram(&[10, 0, 0, 1], &[10, 0, 0, 2], data));
    bytes
}

fn v6(next_header: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x62, 0x80, 0, 7];
    bytes.extend(((8 + data.len()) as u16).to_be_bytes());
    bytes.extend([next_header, 63]);
    bytes.extend([1; 16]);
    bytes.extend([2; 16]);
    bytes.extend(datagram(&[1; 16], &[2; 16], data));
    bytes
}

fn datagram(source: &[u8], destination: &[u8], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![4, 1, 0, 53];
    bytes.extend(((8 + data.len()) as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(data);
    let check = checksum::transport(source, destination, 17, &bytes);
    bytes[6..8].copy_from_slice(&check);
    bytes
}

/// The packet with the address in it.
fn carry(form: Form, family: Family, packet: &[u8], room: usize) -> Result<Vec<u8>, Refusal> {
    let insertion = Insertion::place(form, &client(family), packet, room)?;
    let mut new = packet.to_vec();
    new.splice(
        insertion.at()..insertion.at(),
        insertion.bytes().iter().copied(),
    );
    insertion.announce(&mut new);
    Ok(new)
}

/// What a receiver does: finds the address, takes it out, and has the packet as it was.
fn receive(packet: &[u8]) -> Option<(Toa, Vec<u8>)> {
    let mut old = packet.to_vec();
    if let Ok(ip) = Ipv4::parse(packet) {
        assert_eq!(
            checksum::of(&packet[..ip.header_len()]),
            [0, 0],
            "header checksum"
        );
        assert_eq!(usize::from(ip.total_len()), packet.len());
        let (at, len, toa) = match ip.protocol() {
            uoa::OPP_PROTOCOL => {
                let opp = Opp::decode(ip.rest())?;
                old[9] = opp.protocol;
                (ip.header_len(), opp.len(), opp.client)
            }
            _ => {
                let option = &packet[20..20 + usize::from(packet[21])];
                old[0] -= 2;
                (20, option.len(), Toa::decode(option)?)
            }
        };
        old.drain(at..at + len);
        let total = old.len() as u16;
        old[2..4].copy_from_slice(&total.to_be_bytes());
        let header_len = usize::from(old[0] & 0xf) * 4;
        old[10..12].fill(0);
        let check = checksum::of(&old[..header_len]);
        old[10..12].copy_from_slice(&check);
        return Some((toa, old));
    }
    let ip = Ipv6::parse(packet).unwrap();
    assert_eq!(ip.total_len(), packet.len());
    assert_eq!(ip.next_header(), uoa::OPP_PROTOCOL);
    let opp = Opp::decode(ip.rest())?;
    old[6] = opp.protocol;
    old.drain(40..40 + opp.len());
    let payload = old.len() as u16 - 40;
    old[4..6].copy_from_slice(&payload.to_be_bytes());
    Some((opp.client, old))
}

#[test]
fn an_option_goes_in_front_of_all_others() {
    let packet = v4(&[0x94, 4, 0, 0], 17, b"data");
    let new = carry(Form::Option, Family::V4, &packet, 8).unwrap();
    assert_eq!(new[0], 0x48);
    assert_eq!(new[20..28], V4_OPTION);
    assert_eq!(new[28..], packet[20..]);
    assert_eq!(receive(&new).unwrap().1, packet);
}

#[test]
fn a_header_goes_between_network_and_transport() {
    let packet = v4(&[0x94, 4, 0, 0], 17, b"data");
    let new = carry(Form::Opp, Family::V4, &packet, 12).unwrap();
    assert_eq!((new[0], new[9]), (0x46, 248));
    assert_eq!(new[24..28], [0x10, 17, 0, 12]);
    assert_eq!(new[28..36], V4_OPTION);
    assert_eq!(new[36..], packet[24..]);
    assert_eq!(receive(&new).unwrap().1, packet);
}

#[test]
fn the_version_is_the_clients_and_the_network_header_the_servers() {
    // NAT64, NAT46.
    for (packet, family, first) in [
        (v4(&[], 17, b""), Family::V6, 0x20),
        (v6(17, b""), Family::V4, 0x10),
    ] {
        let new = carry(Form::Opp, family, &packet, 24).unwrap();
        let at = new.len() - packet.len();
        let opp = new.iter().position(|&byte| byte == first).unwrap();
        assert_eq!(usize::from(new[opp + 3]), at);
        let (toa, old) = receive(&new).unwrap();
        assert_eq!(
            (toa.family, toa.address, toa.port),
            (family, client(family).address, 51234)
        );
        assert_eq!(old, packet);
    }
}

#[test]
fn an_option_is_for_ipv4_at_both_ends() {
    for (packet, family) in [
        (v4(&[], 17, b""), Family::V6),
        (v6(17, b""), Family::V4),
        (v6(17, b""), Family::V6),
    ] {
        assert_eq!(
            carry(Form::Option, family, &packet, 99),
            Err(Refusal::Family)
        );
    }
}

#[test]
fn only_datagrams_carry_it() {
    for form in [Form::Option, Form::Opp] {
        assert_eq!(
            carry(form, Family::V4, &v4(&[], 6, b""), 99),
            Err(Refusal::Family)
        );
    }
    // Hop-by-hop options, a fragment.
    for next_header in [0, 44] {
        let packet = v6(next_header, b"");
        assert_eq!(
            carry(Form::Opp, Family::V6, &packet, 99),
            Err(Refusal::HeaderFull)
        );
    }
}

#[test]
fn options_may_leave_no_room() {
    let full = v4(&[1; 36], 17, b"");
    assert_eq!(
        carry(Form::Option, Family::V4, &full, 99),
        Err(Refusal::HeaderFull)
    );
    assert!(carry(Form::Option, Family::V4, &v4(&[1; 32], 17, b""), 99).is_ok());
    assert!(carry(Form::Opp, Family::V4, &full, 99).is_ok());
}

#[test]
fn the_packet_may_not_be_allowed_to_grow() {
    for (form, family, packet, len) in [
        (Form::Option, Family::V4, v4(&[], 17, b""), 8),
        (Form::Opp, Family::V4, v4(&[], 17, b""), 12),
        (Form::Opp, Family::V6, v6(17, b""), 24),
    ] {
        assert_eq!(carry(form, family, &packet, len - 1), Err(Refusal::TooLong));
        assert!(carry(form, family, &packet, len).is_ok());
    }
    // No length field says more than 65,535.
    let large = v4(&[], 17, &[0; 65535 - 20 - 8 - 11]);
    assert_eq!(
        carry(Form::Opp, Family::V4, &large, 99),
        Err(Refusal::TooLong)
    );
    assert!(carry(Form::Option, Family::V4, &large, 99).is_ok());
    let large = v6(17, &[0; 65535 - 8 - 24]);
    assert!(carry(Form::Opp, Family::V6, &large, 99).is_ok());
}

#[test]
fn what_a_client_made_up_is_overwritten() {
    let forged = [&[0x94, 4, 0, 0][..], &V4_OPTION, &[31, 20], &[7; 18]].concat();
    let mut packet = v4(&[&forged[..], &[0; 4]].concat(), 17, b"data");
    let rest = packet[56..].to_vec();
    assert_eq!(uoa::remove_forged(&mut packet[..56]), 2);
    assert_eq!(packet[20..24], [0x94, 4, 0, 0]);
    assert_eq!(packet[24..52], [1; 28]);
    assert_eq!(checksum::of(&packet[..56]), [0, 0]);
    assert_eq!(packet[56..], rest);
    assert_eq!(uoa::remove_forged(&mut packet[..56]), 0);
}

#[test]
fn the_end_of_the_list_hides_nothing() {
    let mut packet = v4(&[&[0, 0, 0, 0][..], &V4_OPTION].concat(), 17, b"");
    assert_eq!(uoa::remove_forged(&mut packet[..32]), 1);
    assert_eq!(packet[20..32], [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
}

#[test]
fn what_looks_like_one_within_another_option_stays() {
    let record_route = [&[7, 11, 4][..], &V4_OPTION, &[1]].concat();
    let mut packet = v4(&record_route, 17, b"");
    let before = packet.clone();
    assert_eq!(uoa::remove_forged(&mut packet[..32]), 0);
    assert_eq!(packet, before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_receiver_has_the_address_and_the_datagram(
        six in any::<bool>(),
        six_client in any::<bool>(),
        opp in any::<bool>(),
        options in 0usize..=10,
        data in vec(any::<u8>(), 0..40),
    ) {
        let packet = if six { v6(17, &data) } else { v4(&vec![1; options * 4], 17, &data) };
        let family = if six_client { Family::V6 } else { Family::V4 };
        let form = if opp { Form::Opp } else { Form::Option };
        if let Ok(new) = carry(form, family, &packet, 24) {
            let (toa, old) = receive(&new).unwrap();
            prop_assert_eq!(toa, Toa { kind: uoa::OPTION, ..client(family) });
            prop_assert_eq!(&old, &packet);
            // The datagram has not been touched, and its checksum is right.
            prop_assert!(new.ends_with(&packet[packet.len() - 8 - data.len()..]));
            let udp = &packet[packet.len() - 8 - data.len()..];
            prop_assert!(Udp::parse(udp).is_ok());
        } else {
            prop_assert!(!opp && (six || six_client || options > 8));
        }
    }

    #[test]
    fn survives_any_bytes(mut bytes in vec(any::<u8>(), 0..80), first in prop_oneof![0x40u8..0x50, 0x60u8..0x70], six in any::<bool>()) {
        if let Some(byte) = bytes.first_mut() {
            *byte = first;
        }
        let family = if six { Family::V6 } else { Family::V4 };
        for form in [Form::Option, Form::Opp] {
            if let Ok(insertion) = Insertion::place(form, &client(family), &bytes, 99) {
                insertion.announce(&mut bytes.clone());
                prop_assert!(insertion.at() <= bytes.len());
            }
        }
        let before = bytes.clone();
        let removed = uoa::remove_forged(&mut bytes);
        prop_assert_eq!(removed == 0, bytes == before);
        prop_assert_eq!(uoa::remove_forged(&mut bytes), 0);
    }
}

proptest! {
    /// A host that forwards takes the header out again: the packet is what it was, a wrong checksum of the
    /// network header as wrong as it was.
    #[test]
    fn what_is_taken_out_leaves_the_packet(
        words in vec(any::<[u8; 4]>(), 0..10),
        data in vec(any::<u8>(), 0..100),
        is_v6: bool,
        client_is_v6: bool,
        wrong: u8,
    ) {
        let family = if client_is_v6 { Family::V6 } else { Family::V4 };
        let mut packet = if is_v6 { v6(17, &data) } else { v4(&words.concat(), 17, &data) };
        if !is_v6 {
            packet[11] ^= wrong;
        }
        let at = if is_v6 { 40 } else { 20 + 4 * words.len() };
        let mut carried = carry(Form::Opp, family, &packet, 100).unwrap();
        let len = carried.len() - packet.len();
        carried.drain(at..at + len);
        prop_assert_eq!(uoa::taken_out(&mut carried, len), Some(packet.len()));
        // Two checksums may say the same of a header.
        if carried[..at] != packet[..at] && !is_v6 {
            prop_assert_eq!([&carried[10..12], &packet[10..12]].map(|it| u16::from_ne_bytes([it[0], it[1]]) % 0xffff), [0, 0]);
            carried[10..12].copy_from_slice(&packet[10..12]);
        }
        prop_assert_eq!(carried, packet);
    }

    #[test]
    fn taking_out_more_than_there_is_does_no_harm(mut bytes in vec(any::<u8>(), 0..80), len in 0usize..100_000) {
        let before = bytes.len();
        let _ = uoa::taken_out(&mut bytes, len);
        prop_assert_eq!(bytes.len(), before);
    }
}
