// SPDX-License-Identifier: GPL-2.0
//! The checksum and its changes, against summing everything up again.

use proptest::collection::vec;
use proptest::prelude::*;
use wire::checksum;
use wire::Delta;

/// RFC 1071, word by word, in network order and with wide carries.
fn reference(parts: &[&[u8]]) -> u16 {
    let bytes: Vec<u8> = parts.concat();
    let mut sum = 0u64;
    for word in bytes.chunks(2) {
        sum += (u64::from(word[0]) << 8) | u64::from(*word.get(1).unwrap_or(&0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[test]
fn agrees_with_the_example_of_rfc_1071() {
    let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
    assert_eq!(checksum::of(&bytes), (!0xddf2u16).to_be_bytes());
}

#[test]
fn agrees_with_a_header_from_the_wire() {
    let header = [
        0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0x00, 0x00, 0xc0, 0xa8, 0x00,
        0x01, 0xc0, 0xa8, 0x00, 0xc7,
    ];
    assert_eq!(checksum::of(&header), [0xb8, 0x61]);
}

#[test]
fn a_change_that_changes_nothing_is_none() {
    assert_eq!(Delta::between(&[1, 2, 3], &[1, 2, 3]), Delta::NONE);
    assert_eq!(Delta::of_word([7, 7], [7, 7]), Delta::NONE);
    assert_eq!(Delta::NONE.negated(), Delta::NONE);
    assert_eq!(Delta::NONE.apply([0xff, 0xff]), [0xff, 0xff]);
    assert_eq!(Delta::NONE.apply([0, 0]), [0, 0]);
}

#[test]
fn eqn_3_of_rfc_1624_does_not_turn_zero_into_minus_zero() {
    // The example of section 4: a header's checksum 0xdd2f, a field from 0x5555 to 0x3285.
    let delta = Delta::of_word([0x55, 0x55], [0x32, 0x85]);
    assert_eq!(delta.apply([0xdd, 0x2f]), [0x00, 0x00]);
}

#[test]
fn a_datagram_without_checksum_stays_without() {
    assert_eq!(Delta::of_word([1, 2], [3, 4]).apply_udp([0, 0]), [0, 0]);
}

#[test]
fn a_datagram_never_gets_the_checksum_that_means_none() {
    let delta = Delta::of_word([0x55, 0x55], [0x32, 0x85]);
    assert_eq!(delta.apply_udp([0xdd, 0x2f]), [0xff, 0xff]);
    assert_eq!(Delta::NONE.apply_udp([0xff, 0xff]), [0xff, 0xff]);
}

proptest! {
    #[test]
    fn sums_bytes_of_any_length(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(checksum::of(&bytes), reference(&[&bytes]).to_be_bytes());
    }

    #[test]
    fn sums_a_pseudo_header(
        addresses in prop_oneof![vec(any::<u8>(), 8..=8), vec(any::<u8>(), 32..=32)],
        protocol in any::<u8>(),
        segment in vec(any::<u8>(), 0..200),
    ) {
        let (source, destination) = addresses.split_at(addresses.len() / 2);
        let len = (segment.len() as u32).to_be_bytes();
        let pseudo: [&[u8]; 4] = [source, destination, &len, &[0, 0, 0, protocol]];
        let sum = !reference(&pseudo);
        prop_assert_eq!(
            checksum::pseudo(source, destination, protocol, segment.len() as u32),
            sum.to_be_bytes()
        );
        let all: [&[u8]; 5] = [source, destination, &len, &[0, 0, 0, protocol], &segment];
        prop_assert_eq!(
            checksum::transport(source, destination, protocol, &segment),
            reference(&all).to_be_bytes()
        );
    }

    #[test]
    fn a_changed_field_is_the_field_summed_up_again(
        head in vec(any::<u8>(), 1..20),
        old in vec(any::<u8>(), 0..40),
        new in vec(any::<u8>(), 0..40),
        tail in vec(any::<u8>(), 0..20),
    ) {
        // Everything but the last part has an even length, as fields in headers have.
        let even = |mut bytes: Vec<u8>| { bytes.resize(bytes.len().next_multiple_of(2), 1); bytes };
        let (head, old, new) = (even(head), even(old), even(new));
        // Data of zeroes only do not occur: there is always an address or a length.
        prop_assume!(head.iter().any(|&byte| byte != 0));
        let before = reference(&[&head, &old, &tail]).to_be_bytes();
        let after = reference(&[&head, &new, &tail]).to_be_bytes();
        let delta = Delta::between(&old, &new);
        prop_assert_eq!(delta.apply(before), after);
        prop_assert_eq!(delta.negated().apply(after), before);
        prop_assert_eq!(Delta::removed(&old).then(Delta::inserted(&new)).apply(before), after);
        prop_assert_eq!(delta.then(delta.negated()), Delta::NONE);
        let complement = |check: [u8; 2]| check.map(|byte| !byte);
        prop_assert_eq!(delta.apply_to_pseudo(complement(before)), complement(after));
        if before != [0, 0] {
            let sent = if after == [0, 0] { [0xff, 0xff] } else { after };
            prop_assert_eq!(delta.apply_udp(before), sent);
        }
    }
}
