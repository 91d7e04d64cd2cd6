// SPDX-License-Identifier: GPL-2.0
//! Network headers from one family to the other, against headers written byte by byte.

mod common;

use common::network::{network, PLAIN};
use common::{address, v4};
use nat::siit::{has_source_route, Fields, TooLong};
use nat::{Address, Family, Malformed, Protocol};
use proptest::collection::vec;
use proptest::prelude::*;

const CLIENT: Address =
    Address::from_octets([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10]);
const VIP: Address =
    Address::from_octets([0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xcc]);

fn other(family: Family) -> Family {
    match family {
        Family::V4 => Family::V6,
        Family::V6 => Family::V4,
    }
}

#[test]
fn a_syn_becomes_ipv4() {
    let packet = PLAIN.header(Family::V6, &CLIENT, &VIP, 6, 40);
    let fields = Fields::of_packet(&packet).unwrap();
    let header = fields.header(Family::V4, v4(192, 0, 2, 1), v4(198, 51, 100, 7), 0xbeef);
    // 60 bytes: may be fragmented, so it needs an identification. The sum by hand:
    // 4500+003c+beef+4006+c000+0201+c633+6407 = 3_306c, 306f, complement cf90.
    let expected = [
        0x45, 0x00, 0x00, 0x3c, 0xbe, 0xef, 0x00, 0x00, 0x40, 0x06, 0xcf, 0x90, 192, 0, 2, 1, 198,
        51, 100, 7,
    ];
    assert_eq!(header.unwrap().bytes(), expected);
}

#[test]
fn a_syn_becomes_ipv6() {
    let packet = [
        0x45, 0xb8, 0x00, 0x3c, 0xbe, 0xef, 0x40, 0x00, 0x3f, 0x06, 0, 0, 192, 0, 2, 1, 198, 51,
        100, 7,
    ];
    let fields = Fields::of_packet(&packet).unwrap();
    let header = fields.header(Family::V6, CLIENT, VIP, 1).unwrap();
    let mut expected = vec![0x6b, 0x80, 0, 0, 0, 40, 6, 63];
    expected.extend(CLIENT.octets());
    expected.extend(VIP.octets());
    assert_eq!(header.bytes(), expected);
}

#[test]
fn routers_may_fragment_what_every_ipv6_link_would_have_taken() {
    for (payload_len, flags) in [(0, 0), (1240, 0), (1241, 0x40), (1480, 0x40)] {
        let packet = PLAIN.header(Family::V6, &CLIENT, &VIP, 17, payload_len);
        let header = Fields::of_packet(&packet).unwrap().header(
            Family::V4,
            v4(192, 0, 2, 1),
            v4(198, 51, 100, 7),
            0x1234,
        );
        let header = header.unwrap();
        assert_eq!(header.bytes()[6..8], [flags, 0], "{payload_len} bytes");
        let id: [u8; 2] = if flags == 0 { [0x12, 0x34] } else { [0, 0] };
        assert_eq!(header.bytes()[4..6], id, "{payload_len} bytes");
    }
}

#[test]
fn icmp_changes_its_number() {
    let number = |family, protocol| {
        let packet = PLAIN.header(family, &CLIENT, &VIP, protocol, 8);
        let fields = Fields::of_packet(&packet).unwrap();
        let header = fields.header(other(family), CLIENT, VIP, 1).unwrap();
        Fields::of_packet(header.bytes()).unwrap().protocol
    };
    assert_eq!(number(Family::V6, 58), Protocol(1));
    assert_eq!(number(Family::V4, 1), Protocol(58));
    for protocol in [6, 17, 132, 47] {
        assert_eq!(number(Family::V6, protocol), Protocol(protocol));
        assert_eq!(number(Family::V4, protocol), Protocol(protocol));
    }
}

#[test]
fn a_packet_that_gets_too_long_is_refused() {
    let header = |family: Family, payload_len| {
        let packet = PLAIN.header(family, &CLIENT, &VIP, 17, payload_len);
        let fields = Fields::of_packet(&packet).unwrap();
        fields.header(other(family), CLIENT, VIP, 1).map(drop)
    };
    assert_eq!(header(Family::V6, 65515), Ok(()));
    assert_eq!(header(Family::V6, 65516), Err(TooLong));
    assert_eq!(header(Family::V4, 65515), Ok(()));
}

#[test]
fn a_source_route_counts_until_its_end() {
    let route = |kind, next| vec![kind, 7, next, 192, 0, 2, 9, 0];
    for kind in [131, 137] {
        assert!(has_source_route(&route(kind, 4)));
        assert!(has_source_route(
            &[&[1, 7, 3, 4][..], &route(kind, 4)].concat()
        ));
        assert!(has_source_route(
            &[&[1, 1, 1, 1][..], &route(kind, 4)].concat()
        ));
        assert!(!has_source_route(&route(kind, 8)), "visited");
        assert!(!has_source_route(&[&[0][..], &route(kind, 4)].concat()));
        assert!(has_source_route(&[kind, 2]), "without a pointer");
    }
    assert!(!has_source_route(&route(7, 4)), "record route");
    assert!(!has_source_route(&[]));
}

#[test]
fn a_header_must_be_there_whole() {
    let mut header = PLAIN.clone();
    (header.options, header.extensions) = (vec![1; 8], vec![0, 1]);
    for (family, len) in [(Family::V4, 28), (Family::V6, 64)] {
        let packet = header.header(family, &CLIENT, &VIP, 6, 20);
        assert_eq!(packet.len(), len);
        assert_eq!(Fields::of_packet(&packet).map(|ip| ip.header_len), Ok(len));
        for len in 0..len {
            assert_eq!(Fields::of_packet(&packet[..len]), Err(Malformed));
        }
    }
    assert_eq!(Fields::of_packet(&[0x55; 60]), Err(Malformed));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_translated_header_is_one_written_afresh(
        (family, net) in prop_oneof![Just(Family::V4), Just(Family::V6)]
            .prop_flat_map(|family| (Just(family), network(family, true))),
        (from, to) in (address(Family::V6), address(Family::V6)),
        protocol in prop_oneof![Just(6u8), Just(17), Just(132)],
        payload_len in 0usize..65000,
        id in any::<u16>(),
    ) {
        let packet = net.header(family, &from, &to, protocol, payload_len);
        let fields = Fields::of_packet(&packet).unwrap();
        prop_assert_eq!(fields.header_len, packet.len());
        prop_assert_eq!(fields.total_len(), packet.len() + payload_len);
        prop_assert_eq!(fields.source.bytes(family), from.bytes(family));
        prop_assert_eq!(fields.destination.bytes(family), to.bytes(family));
        let target = other(family);
        let new = fields.header(target, to, from, id).unwrap();
        let expected = net.across(family, payload_len, id);
        prop_assert_eq!(new.bytes(), expected.header(target, &to, &from, protocol, payload_len));
        prop_assert_eq!(fields.written_len(target), new.bytes().len());
        // And back: what both families can say has survived.
        let back = Fields::of_packet(new.bytes()).unwrap();
        prop_assert_eq!(
            (back.traffic_class, back.hops, back.protocol, back.payload_len),
            (fields.traffic_class, fields.hops, fields.protocol, fields.payload_len)
        );
        prop_assert_eq!(
            back.fragment.filter(|part| part.is_part()).map(|part| (part.id as u16, part.more)),
            fields.fragment.filter(|part| part.is_part()).map(|part| (part.id as u16, part.more))
        );
    }

    #[test]
    fn any_bytes_end_in_an_answer(mut bytes in vec(any::<u8>(), 0..120), first in any::<bool>()) {
        if let Some(byte) = bytes.first_mut() { *byte = if first { 0x45 } else { 0x60 }; }
        if let (false, Some(byte)) = (first, bytes.get_mut(6)) { *byte = [44, 60, 0, 6][usize::from(*byte & 3)]; }
        let _ = has_source_route(&bytes);
        if let Ok(fields) = Fields::of_packet(&bytes) {
            prop_assert!(fields.header_len <= bytes.len());
            for family in [Family::V4, Family::V6] {
                if let Ok(header) = fields.header(family, CLIENT, VIP, 1) {
                    prop_assert!(matches!(header.bytes().len(), 20 | 40 | 48));
                }
            }
        }
    }
}
