// SPDX-License-Identifier: GPL-2.0

//! Which packets may take the short way.

mod common;

use common::{packet, plain, rest, tcp, tuples, v4, Rest};
use nat::{Detour, Headers, LastUse, Plain, Protocol, Story, TimestampShift, Tuple};
use proptest::prelude::*;

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

fn tuple() -> Tuple {
    tcp(v4(192, 0, 2, 1), 40000, v4(198, 51, 100, 1), 80)
}

fn judge(bytes: &[u8], from_client: bool) -> Result<Plain, Detour> {
    let headers = Headers::parse(bytes, bytes.len()).map_err(Detour::from)?;
    Plain::of(bytes, &headers, from_client)
}

/// What becomes of a segment of the client with something changed behind its checksums' back.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Result<Plain, Detour> {
    let mut bytes = packet(&tuple(), &plain(), false);
    change(&mut bytes);
    bytes[10..12].fill(0);
    let check = common::checksum(&[&bytes[..20]]);
    bytes[10..12].copy_from_slice(&check);
    judge(&bytes, true)
}

#[test]
fn a_segment_in_the_middle_passes_and_tells_what_it_acknowledges() {
    assert_eq!(changed(|_| ()), Ok(Plain::Segment(0x0506_0708)));
    let pushed = changed(|bytes| bytes[33] = 0x18);
    assert_eq!(pushed, Ok(Plain::Segment(0x0506_0708)));
}

#[test]
fn what_begins_or_ends_a_connection_takes_the_long_way() {
    for flags in [SYN, SYN | ACK, 0x11, 0x04, 0x14, 0x00, 0x08] {
        assert_eq!(changed(|bytes| bytes[33] = flags), Err(Detour::Flags));
    }
}

#[test]
fn the_last_hop_takes_the_long_way() {
    for (ttl, expected) in [(0, false), (1, false), (2, true), (255, true)] {
        let result = changed(|bytes| bytes[8] = ttl);
        assert_eq!(result.is_ok(), expected, "{ttl}");
        assert!(expected || result == Err(Detour::Hops));
    }
}

#[test]
fn congestion_marks_pass_and_classes_of_service_do_not() {
    for (tos, expected) in [
        (1, true),
        (3, true),
        (4, false),
        (0xb8, false),
        (0xff, false),
    ] {
        let result = changed(|bytes| bytes[1] = tos);
        assert_eq!(result.is_ok(), expected, "{tos:#x}");
        assert!(expected || result == Err(Detour::Class));
        let mut bytes = packet(&v6(), &plain(), false);
        (bytes[0], bytes[1]) = (0x60 | (tos >> 4), tos << 4);
        assert_eq!(judge(&bytes, true).is_ok(), expected, "{tos:#x}");
    }
}

fn v6() -> Tuple {
    let tuple = tuple();
    Tuple {
        family: nat::Family::V6,
        source: nat::Address::from_octets([0x20; 16]),
        destination: nat::Address::from_octets([0x21; 16]),
        ..tuple
    }
}

#[test]
fn fragments_take_the_long_way() {
    assert_eq!(changed(|bytes| bytes[6] = 0x20), Err(Detour::Fragment));
    assert_eq!(changed(|bytes| bytes[7] = 1), Err(Detour::Fragment));
}

#[test]
fn an_ip_header_whose_checksum_is_wrong_is_left_to_the_stack() {
    let mut bytes = packet(&tuple(), &plain(), false);
    bytes[10] ^= 1;
    assert_eq!(judge(&bytes, true), Err(Detour::Malformed));
}

#[test]
fn tcp_options_of_clients_are_looked_at_on_the_long_way() {
    let options = Rest {
        tcp_options: vec![1; 4],
        ..plain()
    };
    let bytes = packet(&tuple(), &options, false);
    assert_eq!(judge(&bytes, true), Err(Detour::Options));
    assert_eq!(judge(&bytes, false), Ok(Plain::Segment(0x0506_0708)));
}

#[test]
fn names_differ() {
    let names: std::collections::HashSet<_> = Detour::ALL.iter().map(|why| why.name()).collect();
    assert_eq!(names.len(), Detour::ALL.len());
    for (number, why) in Detour::ALL.iter().enumerate() {
        assert_eq!(*why as usize, number);
    }
}

/// A connection both ends have agreed on, of which the server has been told the client's address.
fn settled() -> Story {
    let story = Story::default();
    story.begin(1, None);
    story.server_answered(100, true);
    assert!(!story.introduces_client(101));
    story
}

const SEGMENT: Plain = Plain::Segment(500);

#[test]
fn a_connection_passes_between_its_introduction_and_its_end() {
    let story = Story::default();
    story.begin(1, None);
    assert_eq!(story.passes(SEGMENT, true), Err(Detour::State));
    story.server_answered(100, true);
    assert_eq!(story.passes(SEGMENT, true), Err(Detour::Introduction));
    assert_eq!(story.passes(SEGMENT, false), Ok(()));
    let story = settled();
    assert_eq!(story.passes(SEGMENT, true), Ok(()));
    story.client_closed();
    for from_client in [false, true] {
        assert_eq!(story.passes(SEGMENT, from_client), Err(Detour::State));
    }
}

#[test]
fn what_passes_is_remembered_as_on_the_long_way() {
    let story = settled();
    assert_eq!(story.passes(Plain::Segment(700), true), Ok(()));
    assert_eq!(story.passes(Plain::Segment(900), false), Ok(()));
    let resets = story.resets().unwrap();
    assert_eq!((resets.to_client, resets.to_server), (700, 900));
    assert_eq!(story.last_use(), Some(LastUse { end_seq: 900 }));
}

#[test]
fn shifted_numbers_and_stamps_take_the_long_way() {
    let story = Story::default();
    story.begin(1, Some(LastUse { end_seq: 1000 }));
    story.server_answered(100, false);
    assert_eq!(story.passes(SEGMENT, true), Err(Detour::Shifted));
    let story = settled();
    story.carry_timestamps(TimestampShift(7));
    assert_eq!(story.passes(SEGMENT, false), Err(Detour::Shifted));
}

#[test]
fn datagrams_pass_when_the_client_has_been_introduced() {
    let story = Story::default();
    story.introduce(1);
    assert_eq!(
        story.passes(Plain::Datagram, true),
        Err(Detour::Introduction)
    );
    assert_eq!(story.passes(Plain::Datagram, false), Ok(()));
    story.introduced();
    assert_eq!(story.passes(Plain::Datagram, true), Ok(()));
}

proptest! {
    /// What passes is whole, plain, and what `Headers` says.
    #[test]
    fn what_passes_has_nothing_special(((tuple, _), rest) in (tuples(), rest())) {
        let bytes = packet(&tuple, &rest, false);
        let passes = judge(&bytes, true).is_ok();
        let is_plain = rest.ip_options.is_empty() || tuple.family == nat::Family::V6;
        let has_options = tuple.protocol == Protocol::TCP && !rest.tcp_options.is_empty();
        let expected = is_plain && rest.ttl > 1 && !has_options && tuple.protocol != common::SCTP;
        prop_assert_eq!(passes, expected);
    }

    #[test]
    fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..80), from_client: bool) {
        let _ = judge(&bytes, from_client);
    }
}
