// SPDX-License-Identifier: GPL-2.0
//! The way through IPv6 extension headers.

use proptest::collection::vec;
use proptest::prelude::*;
use wire::extensions::{walk, Chain, Upper, FRAGMENT};
use wire::{Fragment, Malformed};

/// A packet of these extension headers: number and bytes, whose first one is filled in; `rest` follows,
/// of the protocol.
fn packet(headers: &[(u8, Vec<u8>)], protocol: u8, rest: &[u8]) -> Vec<u8> {
    let numbers: Vec<u8> = headers.iter().map(|header| header.0).collect();
    let next = |at: usize| numbers.get(at).copied().unwrap_or(protocol);
    let mut body = vec![];
    for (at, (_, bytes)) in headers.iter().enumerate() {
        body.push(next(at + 1));
        body.extend(&bytes[1..]);
    }
    body.extend(rest);
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((body.len() as u16).to_be_bytes());
    packet.extend([next(0), 64]);
    packet.extend([1; 16]);
    packet.extend([2; 16]);
    packet.extend(body);
    packet
}

/// Padding, as much as makes `8 + 8 * units` bytes.
fn padded(units: u8) -> Vec<u8> {
    let mut bytes = vec![0; 8 + 8 * usize::from(units)];
    (bytes[1], bytes[2], bytes[3]) = (units, 1, 4);
    bytes
}

fn upper(protocol: u8, at: usize) -> Upper {
    Upper {
        protocol,
        at,
        fragment: None,
        segments_left: None,
    }
}

#[test]
fn a_packet_without_has_its_protocol_at_forty() {
    for protocol in [6, 17, 58, 132, 50, 51, 59, 248] {
        assert_eq!(
            walk(&packet(&[], protocol, &[0; 8])),
            Ok(Chain::Ends(upper(protocol, 40)))
        );
    }
}

#[test]
fn follows_all_that_may_be_skipped() {
    let headers = [(0, padded(0)), (60, padded(2)), (43, padded(1))];
    let routing = {
        let mut headers = headers.clone();
        (headers[2].1[2], headers[2].1[3]) = (4, 0);
        headers
    };
    assert_eq!(
        walk(&packet(&routing, 6, &[0; 20])),
        Ok(Chain::Ends(upper(6, 40 + 8 + 24 + 16)))
    );
}

#[test]
fn tells_when_the_destination_is_not_the_last() {
    let mut routing = padded(1);
    (routing[2], routing[3]) = (4, 1);
    let bytes = packet(&[(60, padded(0)), (43, routing)], 6, &[0; 20]);
    let expected = Upper {
        segments_left: Some(40 + 8 + 3),
        ..upper(6, 40 + 8 + 16)
    };
    assert_eq!(walk(&bytes), Ok(Chain::Ends(expected)));
}

#[test]
fn reads_a_fragment_header() {
    let fragment = |offset, more| {
        let fragment = Fragment {
            id: 0x1234_5678,
            offset,
            more,
        };
        let bytes = packet(&[(FRAGMENT, fragment.encode(0).to_vec())], 17, &[0; 8]);
        assert_eq!(bytes[40], 17);
        let expected = Upper {
            fragment: Some(fragment),
            ..upper(17, 48)
        };
        assert_eq!(walk(&bytes), Ok(Chain::Ends(expected)));
        fragment.is_part()
    };
    assert!(!fragment(0, false), "atomic");
    assert!(fragment(0, true));
    assert!(fragment(185, false));
    assert!(fragment(0x1fff, true));
}

#[test]
fn takes_the_data_of_later_parts_for_no_header() {
    let fragment = Fragment {
        id: 1,
        offset: 1,
        more: false,
    };
    let bytes = packet(&[(FRAGMENT, fragment.encode(0).to_vec())], 60, &[0; 8]);
    let Ok(Chain::Ends(upper)) = walk(&bytes) else {
        panic!("no end");
    };
    assert_eq!((upper.protocol, upper.at), (60, 48));
}

#[test]
fn asks_for_what_it_needs_to_go_on() {
    let bytes = packet(&[(0, padded(0)), (60, padded(2))], 17, &[0; 8]);
    for len in 40..48 {
        assert_eq!(walk(&bytes[..len]), Ok(Chain::Needs(48)));
    }
    // The length of the second is told by its first eight bytes.
    for len in 48..56 {
        assert_eq!(walk(&bytes[..len]), Ok(Chain::Needs(56)));
    }
    assert_eq!(walk(&bytes[..56]), Ok(Chain::Ends(upper(17, 72))));
    assert_eq!(walk(&bytes[..39]), Err(Malformed));
}

#[test]
fn refuses_chains_that_lie_or_go_on_and_on() {
    let many = |number| vec![(60, padded(0)); number];
    assert_eq!(
        walk(&packet(&many(8), 6, &[])),
        Ok(Chain::Ends(upper(6, 40 + 64)))
    );
    assert_eq!(walk(&packet(&many(9), 6, &[])), Err(Malformed));
    let fragment = (FRAGMENT, vec![0; 8]);
    assert_eq!(
        walk(&packet(&[fragment.clone(), fragment], 6, &[])),
        Err(Malformed),
        "a part of a part"
    );
    let mut long = packet(&[(60, padded(1))], 6, &[]);
    long[41] = 2;
    assert_eq!(walk(&long), Err(Malformed), "beyond the end of the packet");
    let mut short = packet(&[(60, padded(0))], 6, &[]);
    short[5] = 7;
    assert_eq!(walk(&short), Err(Malformed), "cut by the length field");
}

proptest! {
    #[test]
    fn any_bytes_end_in_an_answer(mut bytes in vec(any::<u8>(), 0..200), next in vec(0usize..6, 0..10)) {
        if let Some(byte) = bytes.first_mut() { *byte = 0x60; }
        // Headers that are often followed.
        for (at, next) in next.iter().enumerate() {
            let number = [0, 43, 44, 60, 6, 17][*next];
            let place = if at == 0 { 6 } else { 32 + 8 * at };
            if let Some(byte) = bytes.get_mut(place) { *byte = number; }
            if let (true, Some(byte)) = (at > 0, bytes.get_mut(place + 1)) { *byte = 0; }
        }
        match walk(&bytes) {
            Ok(Chain::Ends(upper)) => {
                prop_assert!(upper.at >= 40 && upper.at <= 40 + 8 * 2048);
                prop_assert!(upper.segments_left.is_none_or(|at| at < upper.at));
            }
            Ok(Chain::Needs(len)) => prop_assert!(len > bytes.len()),
            Err(Malformed) => {}
        }
    }
}
