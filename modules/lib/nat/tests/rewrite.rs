// SPDX-License-Identifier: GPL-2.0
//! Translated packets, against packets made afresh with the other addresses.

mod common;

use common::*;
use nat::shape::{TCP4, TCP6, UDP4, UDP6};
use nat::{
    decrement_ttl, renew_header_checksum, ChecksumState, Expired, Family, Headers, Malformed,
    Protocol, Rewrite, Shape, Tuple, Unfit,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// The headers of a packet that is all there.
fn read(packet: &[u8]) -> Result<Headers, Unfit> {
    let headers = Headers::parse(packet, packet.len());
    assert!(!matches!(headers, Err(Unfit::Needs(_))), "{headers:?}");
    headers
}

fn tuple_of(packet: &[u8]) -> Result<Tuple, Unfit> {
    read(packet).map(|headers| headers.tuple)
}

/// Translates a packet, and looks whether its headers are what is said of them then.
fn apply(rewrite: &Rewrite<'_>, bytes: &mut [u8], state: ChecksumState) -> Result<(), Malformed> {
    let mut headers = read(bytes).map_err(|_| Malformed)?;
    rewrite.apply(bytes, &mut headers, state, 0)?;
    assert_eq!(read(bytes), Ok(headers));
    Ok(())
}

#[test]
fn translates_a_request_and_its_answer() {
    let client = tcp(v4(172, 16, 0, 1), 51234, v4(10, 0, 96, 204), 80);
    let server = tcp(v4(192, 168, 229, 204), 1025, v4(192, 168, 229, 1), 80);
    let mut bytes = packet(&client, &plain(), false);
    apply(
        &Rewrite::new(&client, &server),
        &mut bytes,
        ChecksumState::Complete,
    )
    .unwrap();
    assert_eq!(bytes, packet(&server, &plain(), false));
    assert_eq!(tuple_of(&bytes), Ok(server));

    let mut answer = packet(&server.reversed(), &plain(), false);
    let to_client = client.reversed();
    let back = Rewrite::new(&server.reversed(), &to_client);
    apply(&back, &mut answer, ChecksumState::Complete).unwrap();
    assert_eq!(answer, packet(&client.reversed(), &plain(), false));
}

#[test]
fn leaves_packets_of_the_other_family_alone() {
    let client = tcp(v4(172, 16, 0, 1), 51234, v4(10, 0, 96, 204), 80);
    let six = Tuple {
        family: Family::V6,
        ..client
    };
    let mut bytes = packet(&client, &plain(), false);
    let before = bytes.clone();
    let state = ChecksumState::Complete;
    assert!(apply(&Rewrite::new(&client, &six), &mut bytes, state).is_err());
    assert_eq!(bytes, before);
}

#[test]
fn a_header_that_the_stack_has_written_into_gets_its_checksum() {
    let mut header = [0; 28];
    header[..20].copy_from_slice(
        &packet(&tcp(v4(1, 2, 3, 4), 5, v4(6, 7, 8, 9), 10), &plain(), false)[..20],
    );
    header[0] = 0x47;
    header[20..].copy_from_slice(&[7, 7, 8, 198, 51, 100, 80, 0]);
    assert_ne!(wire::checksum::sum(&header), 0xffff);
    renew_header_checksum(&mut header, 28);
    assert_eq!(wire::checksum::sum(&header), 0xffff);
    renew_header_checksum(&mut header, 29);
    assert_eq!(
        wire::checksum::sum(&header),
        0xffff,
        "what is not there is left alone"
    );
}

#[test]
fn a_hop_is_taken_off_with_the_addresses() {
    for family in [Family::V4, Family::V6] {
        let from = Tuple {
            family,
            ..tcp(v4(1, 2, 3, 4), 5, v4(6, 7, 8, 9), 10)
        };
        let to = from.reversed();
        let mut bytes = packet(&from, &plain(), false);
        let mut headers = read(&bytes).unwrap();
        let rewrite = Rewrite::new(&from, &to);
        let state = ChecksumState::Complete;
        rewrite.apply(&mut bytes, &mut headers, state, 1).unwrap();
        let rest = common::Rest { ttl: 63, ..plain() };
        assert_eq!(bytes, packet(&to, &rest, false));
        assert_eq!(headers.hops, 63);
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
    let asks = |bytes: &[u8], steps: &[usize], end: usize| {
        for pair in steps.windows(2) {
            let start = &bytes[..pair[0]];
            assert_eq!(
                Headers::parse(start, bytes.len()),
                Err(Unfit::Needs(pair[1]))
            );
        }
        let start = &bytes[..end];
        let headers = Headers::parse(start, bytes.len()).expect("enough bytes");
        assert_eq!((headers.end, headers.total_len), (end, bytes.len()));
    };
    let udp = Tuple {
        protocol: Protocol::UDP,
        ..tuple
    };
    let six = Tuple {
        family: Family::V6,
        ..tuple
    };
    asks(&packet(&tuple, &rest, false), &[20, 48, 60], 60);
    asks(&packet(&udp, &rest, false), &[20, 36], 36);
    asks(&packet(&six, &rest, false), &[20, 40, 60, 72], 72);
    // Hop-by-hop options of 16 bytes, then a fragment header of a packet that is whole (RFC 6946).
    let mut bytes = packet(&six, &rest, false);
    let chain = [
        &[44, 1, 1, 12][..],
        &[0; 12],
        &[Protocol::TCP.0, 0, 0, 0, 1, 2, 3, 4],
    ];
    bytes.splice(40..40, chain.concat());
    bytes[5] += 24;
    bytes[6] = 0;
    asks(&bytes, &[40, 48, 64, 84, 96], 96);
    assert_eq!(read(&bytes).map(|headers| headers.transport), Ok(64));
    bytes[59] = 1;
    assert_eq!(read(&bytes), Err(Unfit::Fragment));
}

#[test]
fn has_no_headers_where_they_lie() {
    let tuple = tcp(v4(1, 2, 3, 4), 5, v4(6, 7, 8, 9), 10);
    let udp = Tuple {
        protocol: Protocol::UDP,
        ..tuple
    };
    let with = |tuple: &Tuple, at: usize, value: u8| {
        let mut bytes = packet(tuple, &plain(), false);
        bytes[at] = value;
        Headers::parse(&bytes, bytes.len())
    };
    for (what, tuple, at, value, why) in [
        ("ends in the TCP header", &tuple, 3, 39, Unfit::Malformed),
        (
            "TCP options beyond the end",
            &tuple,
            32,
            0x60,
            Unfit::Malformed,
        ),
        ("a data offset below 5", &tuple, 32, 0x40, Unfit::Malformed),
        ("a UDP length beyond the end", &udp, 25, 9, Unfit::Malformed),
        (
            "a UDP length within the header",
            &udp,
            25,
            7,
            Unfit::Malformed,
        ),
        ("more fragments", &tuple, 6, 0x20, Unfit::Fragment),
        ("a later fragment", &tuple, 7, 1, Unfit::Fragment),
        ("another protocol", &tuple, 9, 47, Unfit::Foreign),
        ("ICMP", &tuple, 9, 1, Unfit::Icmp),
        ("another version", &tuple, 0, 0x75, Unfit::Malformed),
    ] {
        assert_eq!(with(tuple, at, value), Err(why), "{what}");
    }
}

#[test]
fn a_reset_length_is_a_length_made_afresh() {
    for family in [Family::V4, Family::V6] {
        let tuple = Tuple {
            family,
            ..tcp(v4(1, 2, 3, 4), 5, v4(6, 7, 8, 9), 10)
        };
        let mut bytes = packet(&tuple, &plain(), false);
        let mut headers = read(&bytes).unwrap();
        let longer = bytes.len() + 8;
        assert_eq!(headers.resize(&mut bytes, longer), Some(()));
        let rest = common::Rest {
            payload: vec![0; 8],
            ..plain()
        };
        let afresh = packet(&tuple, &rest, false);
        assert_eq!(bytes[..headers.transport], afresh[..headers.transport]);
        assert_eq!(headers.total_len, longer);
        assert_eq!(headers.resize(&mut bytes, 70_000), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_translated_packet_is_one_made_afresh((from, to) in tuples(), rest in rest()) {
        let mut bytes = packet(&from, &rest, false);
        let rewrite = Rewrite::new(&from, &to);
        apply(&rewrite, &mut bytes, ChecksumState::Complete).unwrap();
        prop_assert_eq!(&bytes, &packet(&to, &rest, false));
        // And back.
        apply(&Rewrite::new(&to, &from), &mut bytes, ChecksumState::Complete).unwrap();
        prop_assert_eq!(bytes, packet(&from, &rest, false));
    }

    #[test]
    fn a_packet_that_the_nic_will_finish_is_one_made_afresh(
        (from, to) in tuples(),
        rest in rest(),
    ) {
        // What the NIC makes of an SCTP packet does not start from a pseudo header.
        if from.protocol == Protocol::SCTP {
            return Ok(());
        }
        let mut bytes = packet(&from, &rest, true);
        apply(&Rewrite::new(&from, &to), &mut bytes, ChecksumState::Partial).unwrap();
        prop_assert_eq!(&bytes, &packet(&to, &rest, true));
    }

    #[test]
    fn the_headers_are_enough((from, to) in tuples(), rest in rest()) {
        let mut bytes = packet(&from, &rest, false);
        let mut headers = read(&bytes).unwrap();
        let end = headers.end;
        let rewrite = Rewrite::new(&from, &to);
        rewrite.apply(&mut bytes[..end], &mut headers, ChecksumState::Complete, 0).unwrap();
        prop_assert_eq!(bytes, packet(&to, &rest, false));
    }

    #[test]
    fn a_packet_has_the_tuple_it_was_made_with((tuple, _) in tuples(), rest in rest()) {
        let bytes = packet(&tuple, &rest, false);
        prop_assert_eq!(tuple_of(&bytes), Ok(tuple));
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
    fn a_shape_tells_the_same_headers(
        (tuples, rest) in (tuples(), rest()),
        changes in vec((0usize..64, any::<u8>()), 0..3),
        cut in prop_oneof![Just(usize::MAX), 0usize..64],
        beyond in prop_oneof![Just(0usize), 0usize..100_000],
    ) {
        let mut bytes = packet(&tuples.0, &rest, false);
        for (at, byte) in changes {
            if let Some(place) = bytes.get_mut(at) { *place = byte; }
        }
        let len = bytes.len() + beyond;
        bytes.truncate(cut);
        if let Some(shape) = Shape::of(&bytes) {
            prop_assert_eq!(Headers::of_shape(shape, &bytes, len), Headers::parse(&bytes, len));
        }
    }

    #[test]
    fn what_has_no_options_has_a_shape((tuples, rest) in (tuples(), rest())) {
        let tuple = tuples.0;
        let bytes = packet(&tuple, &rest, false);
        let is_v4 = tuple.family == Family::V4;
        let expected = match tuple.protocol {
            Protocol::UDP if !is_v4 => Some((Shape::Udp6, UDP6)),
            Protocol::TCP if !rest.tcp_options.is_empty() => None,
            Protocol::TCP if !is_v4 => Some((Shape::Tcp6, TCP6)),
            _ if is_v4 && !rest.ip_options.is_empty() => None,
            Protocol::UDP => Some((Shape::Udp4, UDP4)),
            Protocol::TCP => Some((Shape::Tcp4, TCP4)),
            _ => None,
        };
        prop_assert_eq!(Shape::of(&bytes), expected.map(|(shape, _)| shape));
        if let Some((shape, len)) = expected {
            prop_assert_eq!(Shape::of(&bytes[..len]), Some(shape));
            prop_assert_eq!(Shape::of(&bytes[..len - 1]), None);
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
        let len = bytes.len();
        if let Ok(mut headers) = Headers::parse(&bytes, len) {
            prop_assert!(headers.transport <= headers.end && headers.end <= len);
            let rewrite = Rewrite::new(&from, &to);
            let _ = rewrite.apply(&mut bytes, &mut headers, ChecksumState::Complete, 1);
        }
        let _ = decrement_ttl(&mut bytes);
        prop_assert!(bytes.len() < 120);
    }
}
