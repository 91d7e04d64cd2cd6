// SPDX-License-Identifier: GPL-2.0
//! Shifted sequence numbers.

mod common;

use common::*;
use nat::{after, LastUse, SequenceShift};
use proptest::collection::vec;
use proptest::prelude::*;
use wire::{Delta, Tcp};

#[test]
fn a_port_without_a_past_is_not_shifted() {
    for isn in [0, 1, u32::MAX, 0x8000_0000] {
        assert_eq!(SequenceShift::choose(isn, None), SequenceShift::NONE);
    }
}

#[test]
fn only_a_number_that_the_server_would_refuse_is_shifted() {
    let last = Some(LastUse { end_seq: 1000 });
    assert_eq!(SequenceShift::choose(1001, last), SequenceShift::NONE);
    assert_eq!(
        SequenceShift::choose(1000 + 0x7fff_ffff, last),
        SequenceShift::NONE
    );
    for isn in [1000, 999, 0, u32::MAX, 1000u32.wrapping_add(0x8000_0001)] {
        let shift = SequenceShift::choose(isn, last);
        assert_ne!(shift, SequenceShift::NONE, "{isn}");
        assert!(after(shift.to_server(isn), 1000), "{isn}");
    }
}

/// A segment of the server: ACK flag, an acknowledgement, and SACK blocks at an odd offset.
fn answer(flags: u8, ack: u32, edges: &[u32]) -> Vec<u8> {
    let mut options = vec![1, 5, 2 + 4 * edges.len() as u8];
    options.extend(edges.iter().flat_map(|edge| edge.to_be_bytes()));
    options.resize(options.len().next_multiple_of(4), 0);
    let mut bytes = vec![0, 80, 0xc8, 0x22, 9, 9, 9, 9];
    bytes.extend(ack.to_be_bytes());
    bytes.extend([
        (5 + options.len() as u8 / 4) << 4,
        flags,
        0xff,
        0xff,
        0,
        0,
        0,
        0,
    ]);
    bytes.extend(options);
    bytes
}

#[test]
fn an_acknowledgement_that_does_not_count_is_left_alone() {
    let mut bytes = answer(0x04, 77, &[1, 2]);
    let before = bytes.clone();
    assert_eq!(SequenceShift(5).shift_reply(&mut bytes), Ok(Delta::NONE));
    assert_eq!(bytes, before);
}

#[test]
fn a_header_that_lies_is_left_alone() {
    let mut bytes = answer(0x10, 77, &[1, 2]);
    bytes[12] = 0xf0;
    let before = bytes.clone();
    assert!(SequenceShift(5).shift_reply(&mut bytes).is_err());
    assert!(SequenceShift(5).shift_request(&mut bytes).is_err());
    assert_eq!(bytes, before);
}

proptest! {
    #[test]
    fn the_server_never_refuses_the_number(isn in any::<u32>(), end_seq in any::<u32>()) {
        let shift = SequenceShift::choose(isn, Some(LastUse { end_seq }));
        prop_assert!(after(shift.to_server(isn), end_seq));
        prop_assert_eq!(shift == SequenceShift::NONE, after(isn, end_seq));
        prop_assert_eq!(shift.to_client(shift.to_server(isn)), isn);
    }

    #[test]
    fn after_is_serial(a in any::<u32>(), distance in 1u32..0x8000_0000) {
        let b = a.wrapping_add(distance);
        prop_assert!(after(b, a) && !after(a, b) && !after(a, a));
    }

    #[test]
    fn a_shifted_request_keeps_its_checksum(
        (tuple, _) in tuples().prop_filter("TCP", |(from, _)| from.protocol == nat::Protocol::TCP),
        rest in rest(),
        shift in any::<u32>(),
    ) {
        let at = if tuple.family == nat::Family::V4 { 20 + rest.ip_options.len() } else { 40 };
        let mut bytes = packet(&tuple, &rest, false);
        let tcp = &mut bytes[at..];
        let delta = SequenceShift(shift).shift_request(tcp).unwrap();
        let check = delta.apply([tcp[16], tcp[17]]);
        tcp[16..18].copy_from_slice(&check);
        let [a, b, c, d, ..] = rest.numbers;
        let seq = u32::from_be_bytes([a, b, c, d]).wrapping_add(shift);
        let mut expected = rest;
        expected.numbers[..4].copy_from_slice(&seq.to_be_bytes());
        prop_assert_eq!(bytes, packet(&tuple, &expected, false));
    }

    #[test]
    fn a_shifted_answer_speaks_of_the_clients_numbers(
        ack in any::<u32>(),
        edges in vec(any::<u32>(), 2..=8),
        shift in any::<u32>(),
    ) {
        let edges = &edges[..edges.len() & !1];
        let back = |numbers: &[u32]| -> Vec<u32> {
            numbers.iter().map(|number| number.wrapping_sub(shift)).collect()
        };
        let mut bytes = answer(0x10, ack, edges);
        let before = bytes.clone();
        let delta = SequenceShift(shift).shift_reply(&mut bytes).unwrap();
        prop_assert_eq!(&bytes, &answer(0x10, ack.wrapping_sub(shift), &back(edges)));
        prop_assert_eq!(delta.apply(checksum(&[&before])), checksum(&[&bytes]));
        prop_assert!(Tcp::parse(&bytes).is_ok());
    }
}
