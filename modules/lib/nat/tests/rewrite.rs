// SPDX-License-Identifier: GPL-2.0
//! Translated packets, against packets made afresh with the other addresses.

mod common;

use common::*;
use nat::{
    decrement_ttl, headers_end, ChecksumState, Expired, Extent, Family, Protocol, Rewrite, Tuple,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Bytes of a packet's headers.
fn headers(packet: &[u8]) -> usize {
    match headers_end(packet) {
        Ok(Extent::Ends(at)) => at,
        other => panic!("{other:?}"),
    }
}

#[test]
fn translates_a_request_and_its_answer() {
    let client = tcp(v4(172, 16, 0, 1), 51234, v4(10, 0, 96, 204), 80);
    let server = tcp(v4(192, 168, 229, 204), 1025, v4(192, 168, 229, 1), 80);
    let mut bytes = packet(&client, &plain(), false);
    Rewrite::new(&client, &server)
        .apply(&mut bytes, ChecksumState::Complete)
        .unwrap();
    assert_eq!(bytes, packet(&server, &plain(), false));
    assert_eq!(Tuple::of_packet(&bytes), Ok(server));

    let mut answer = packet(&server.reversed(), &plain(), false);
    let back = Rewrite::new(&server.reversed(), &client.reversed());
    back.apply(&mut answer, ChecksumState::Complete).unwrap();
    assert_eq!(answer, packet(&client.reversed(), &plain(), false));
}

#[test]
fn leaves_packets_alone_that_it_is_not_made_for() {
    let client = tcp(v4(172, 16, 0, 1), 51234, v4(10, 0, 96, 204), 80);
    let server = tcp(v4(192, 168, 229, 204), 1025, v4(192, 168, 229, 1), 80);
    let rewrite = Rewrite::new(&client, &server);
    let good = packet(&client, &plain(), false);
    let bad = [
        (
            "UDP",
            packet(
                &Tuple {
                    protocol: Protocol::UDP,
                    ..client
                },
                &plain(),
                false,
            ),
        ),
        (
            "IPv6",
            packet(
                &Tuple {
                    family: Family::V6,
                    ..client
                },
                &plain(),
                false,
            ),
        ),
        ("no checksum field", good[..37].to_vec()),
        ("no header", good[..19].to_vec()),
        ("nothing", vec![]),
        ("a later fragment", {
            let mut bytes = good.clone();
            bytes[7] = 1;
            bytes
        }),
    ];
    for (what, bytes) in bad {
        let mut after = bytes.clone();
        assert!(
            rewrite.apply(&mut after, ChecksumState::Complete).is_err(),
            "{what}"
        );
        assert_eq!(after, bytes, "{what}");
    }
}

#[test]
fn counts_down_to_one() {
    for (ttl, after) in [(255, Some(254)), (2, Some(1)), (1, None), (0, None)] {
        for family in [Family::V4, Family::V6] {
            let tuple = Tuple {
                family,
                ..tcp(v4(1, 2, 3, 4), 5, v4(6, 7, 8, 9), 10)
            };
            let mut bytes = packet(&tuple, &common::Rest { ttl, ..plain() }, false);
            let before = bytes.clone();
            match after {
                Some(ttl) => {
                    assert_eq!(decrement_ttl(&mut bytes), Ok(()));
                    assert_eq!(
                        bytes,
                        packet(&tuple, &common::Rest { ttl, ..plain() }, false)
                    );
                }
                None => {
                    assert_eq!(decrement_ttl(&mut bytes), Err(Expired));
                    assert_eq!(bytes, before);
                }
            }
        }
    }
}

#[test]
fn asks_for_as_much_as_the_headers_are() {
    let tuple = tcp(v4(1, 2, 3, 4), 5, v4(6, 7, 8, 9), 10);
    let rest = common::Rest {
        ip_options: vec![1; 8],
        tcp_options: vec![1; 12],
        payload: vec![7; 30],
        ..plain()
    };
    let bytes = packet(&tuple, &rest, false);
    assert_eq!(headers_end(&bytes[..20]), Ok(Extent::Needs(48)));
    assert_eq!(headers_end(&bytes[..48]), Ok(Extent::Needs(60)));
    assert_eq!(headers_end(&bytes[..60]), Ok(Extent::Ends(60)));
    assert_eq!(headers_end(&bytes), Ok(Extent::Ends(60)));
    let bytes = packet(
        &Tuple {
            protocol: Protocol::UDP,
            ..tuple
        },
        &rest,
        false,
    );
    assert_eq!(headers_end(&bytes[..20]), Ok(Extent::Needs(36)));
    assert_eq!(headers_end(&bytes[..36]), Ok(Extent::Ends(36)));
    let six = Tuple {
        family: Family::V6,
        ..tuple
    };
    let bytes = packet(&six, &rest, false);
    assert_eq!(headers_end(&bytes[..40]), Ok(Extent::Needs(60)));
    assert_eq!(headers_end(&bytes[..60]), Ok(Extent::Needs(72)));
    assert_eq!(headers_end(&bytes), Ok(Extent::Ends(72)));
}

#[test]
fn has_no_end_for_headers_that_lie() {
    let tuple = tcp(v4(1, 2, 3, 4), 5, v4(6, 7, 8, 9), 10);
    let udp = Tuple {
        protocol: Protocol::UDP,
        ..tuple
    };
    let with = |tuple: &Tuple, at: usize, value: u8| {
        let mut bytes = packet(tuple, &plain(), false);
        bytes[at] = value;
        (headers_end(&bytes), Tuple::of_packet(&bytes))
    };
    let refused = |(end, _): (Result<Extent, _>, Result<Tuple, _>)| end.is_err();
    assert!(
        refused(with(&tuple, 3, 39)),
        "the packet ends in the TCP header"
    );
    assert!(
        refused(with(&tuple, 32, 0x60)),
        "TCP options beyond the end"
    );
    assert!(refused(with(&tuple, 32, 0x40)), "a data offset below 5");
    assert!(refused(with(&udp, 25, 9)), "a UDP length beyond the end");
    assert!(refused(with(&udp, 25, 7)), "a UDP length within the header");
    for (what, at, value) in [
        ("more fragments", 6, 0x20),
        ("a later fragment", 7, 1),
        ("another protocol", 9, 132),
        ("another version", 0, 0x75),
    ] {
        let (end, packet) = with(&tuple, at, value);
        assert!(end.is_err() && packet.is_err(), "{what}");
    }
    let short = packet(&tuple, &plain(), false);
    assert!(Tuple::of_packet(&short[..27]).is_err());
    assert_eq!(Tuple::of_packet(&short[..28]), Ok(tuple));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_translated_packet_is_one_made_afresh((from, to) in tuples(), rest in rest()) {
        let mut bytes = packet(&from, &rest, false);
        let rewrite = Rewrite::new(&from, &to);
        rewrite.apply(&mut bytes, ChecksumState::Complete).unwrap();
        prop_assert_eq!(&bytes, &packet(&to, &rest, false));
        // And back.
        Rewrite::new(&to, &from).apply(&mut bytes, ChecksumState::Complete).unwrap();
        prop_assert_eq!(bytes, packet(&from, &rest, false));
    }

    #[test]
    fn a_packet_that_the_nic_will_finish_is_one_made_afresh(
        (from, to) in tuples(),
        rest in rest(),
    ) {
        let mut bytes = packet(&from, &rest, true);
        Rewrite::new(&from, &to).apply(&mut bytes, ChecksumState::Partial).unwrap();
        prop_assert_eq!(&bytes, &packet(&to, &rest, true));
    }

    #[test]
    fn the_headers_are_enough((from, to) in tuples(), rest in rest()) {
        let mut bytes = packet(&from, &rest, false);
        let end = headers(&bytes);
        Rewrite::new(&from, &to).apply(&mut bytes[..end], ChecksumState::Complete).unwrap();
        prop_assert_eq!(bytes, packet(&to, &rest, false));
    }

    #[test]
    fn a_packet_has_the_tuple_it_was_made_with((tuple, _) in tuples(), rest in rest()) {
        let bytes = packet(&tuple, &rest, false);
        prop_assert_eq!(Tuple::of_packet(&bytes), Ok(tuple));
        prop_assert_eq!(Tuple::of_packet(&bytes[..headers(&bytes)]), Ok(tuple));
    }

    #[test]
    fn one_hop_less_is_made_afresh((tuple, _) in tuples(), rest in rest()) {
        let mut bytes = packet(&tuple, &rest, false);
        if rest.ttl > 1 {
            prop_assert_eq!(decrement_ttl(&mut bytes), Ok(()));
            let rest = common::Rest { ttl: rest.ttl - 1, ..rest };
            prop_assert_eq!(bytes, packet(&tuple, &rest, false));
        } else {
            prop_assert_eq!(decrement_ttl(&mut bytes), Err(Expired));
        }
    }

    #[test]
    fn any_bytes_end_in_an_answer(
        mut bytes in vec(any::<u8>(), 0..120),
        first in prop_oneof![Just(0x45u8), Just(0x4f), Just(0x60), any::<u8>()],
        protocol in prop_oneof![Just(6u8), Just(17)],
        (from, to) in tuples(),
    ) {
        if let Some(byte) = bytes.first_mut() { *byte = first; }
        if let Some(byte) = bytes.get_mut(9) { *byte = protocol; }
        if let Ok(Extent::Ends(at)) = headers_end(&bytes) {
            prop_assert!(at <= bytes.len());
            prop_assert!(Tuple::of_packet(&bytes[..at]).is_ok());
        }
        let _ = Rewrite::new(&from, &to).apply(&mut bytes, ChecksumState::Complete);
        let _ = decrement_ttl(&mut bytes);
        prop_assert!(bytes.len() < 120);
    }
}
