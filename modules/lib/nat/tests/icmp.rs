// SPDX-License-Identifier: GPL-2.0
//! ICMP errors about translated packets, in both families and across, against errors made afresh.

mod common;

use common::errors::*;
use common::network::*;
use common::*;
use nat::icmp::*;
use nat::*;

#[test]
fn an_icmpv4_error_becomes_what_rfc_7915_says() {
    let expected = |kind, code| match (kind, code) {
        (3, 0 | 1 | 5 | 6 | 7 | 8 | 11 | 12) => Some([1, 0, 0, 0, 0, 0]),
        (3, 2) => Some([4, 1, 0, 0, 0, 6]),
        (3, 3) => Some([1, 4, 0, 0, 0, 0]),
        (3, 4) => Some([2, 0, 0, 0, 0x05, 0xdc]),
        (3, 9 | 10 | 13 | 15) => Some([1, 1, 0, 0, 0, 0]),
        (11, code) => Some([3, code, 0, 0, 0, 0]),
        (12, 0 | 2) => Some([4, 0, 0, 0, 0, 0]),
        _ => None,
    };
    for kind in [3, 4, 11, 12] {
        for code in 0..=16 {
            // An MTU of 1480, and a pointer to the first byte.
            let new = across(Family::V4, kind, code, [0, 0, 0x05, 0xc8]);
            assert_eq!(new, expected(kind, code), "type {kind}, code {code}");
        }
    }
}

#[test]
fn an_icmpv6_error_becomes_what_rfc_7915_says() {
    let expected = |kind, code| match (kind, code) {
        (1, 0 | 2 | 3) => Some([3, 1, 0, 0, 0, 0]),
        (1, 1) => Some([3, 10, 0, 0, 0, 0]),
        (1, 4) => Some([3, 3, 0, 0, 0, 0]),
        // The code is nothing that a receiver looks at.
        (2, _) => Some([3, 4, 0, 0, 0x04, 0xec]),
        (3, code) => Some([11, code, 0, 0, 0, 0]),
        (4, 0) => None,
        (4, 1) => Some([3, 2, 0, 0, 0, 0]),
        _ => None,
    };
    for kind in 1..=4 {
        for code in 0..=8 {
            // An MTU of 1280, or a pointer far behind the header.
            let new = across(Family::V6, kind, code, [0, 0, 0x05, 0x00]);
            assert_eq!(new, expected(kind, code), "type {kind}, code {code}");
        }
    }
}

#[test]
fn a_pointer_points_to_the_same_field() {
    // Figure 3 of RFC 7915.
    let to_v6 = |pointer| match pointer {
        0 => Some(0),
        1 => Some(1),
        2 | 3 => Some(4),
        8 => Some(7),
        9 => Some(6),
        12..=15 => Some(8),
        16..=19 => Some(24),
        _ => None,
    };
    // Figure 6.
    let to_v4 = |pointer| match pointer {
        0 => Some(0),
        1 => Some(1),
        4 | 5 => Some(2),
        6 => Some(9),
        7 => Some(8),
        8..=23 => Some(12),
        24..=39 => Some(16),
        _ => None,
    };
    for pointer in 0..=60 {
        for code in [0, 2] {
            let new = across(Family::V4, 12, code, [pointer, 0, 0, 0]);
            let expected = to_v6(pointer).map(|pointer| [4, 0, 0, 0, 0, pointer]);
            assert_eq!(new, expected, "pointer {pointer}");
        }
        let new = across(Family::V6, 4, 0, [0, 0, 0, pointer]);
        let expected = to_v4(pointer).map(|pointer| [12, 0, pointer, 0, 0, 0]);
        assert_eq!(new, expected, "pointer {pointer}");
    }
}

#[test]
fn the_mtu_is_that_of_the_addressees_family() {
    let to_v6 = |announced: u16, mtu, len| {
        let [a, b] = announced.to_be_bytes();
        let [.., c, d, e, f] =
            across_sized(Family::V4, [3, 4, 0, 0, 0, 0, a, b], mtu, len).unwrap();
        u32::from_be_bytes([c, d, e, f])
    };
    assert_eq!(to_v6(1400, 1500, 1500), 1420);
    assert_eq!(
        to_v6(1500, 1500, 1500),
        1500,
        "the addressee's own link is smaller"
    );
    assert_eq!(to_v6(65535, 100_000, 1500), 65555);
    assert_eq!(to_v6(1260, 1500, 1500), 1280);
    assert_eq!(to_v6(576, 1500, 1500), 1280, "IPv6 goes no lower");
    // A router that does not say: the plateau below the packet's length, 28 more than its payload.
    assert_eq!(to_v6(0, 65535, 4000), 2002 + 20);
    assert_eq!(to_v6(0, 65535, 2002 - 28), 1492 + 20);
    assert_eq!(to_v6(0, 65535, 2003 - 28), 2002 + 20);
    assert_eq!(to_v6(0, 65535, 60000), 32000 + 20);
    assert_eq!(to_v6(0, 65535, 0), 1280);

    let to_v4 = |announced: u32, mtu, len| {
        let [a, b, c, d] = announced.to_be_bytes();
        let [.., e, f] = across_sized(Family::V6, [2, 0, 0, 0, a, b, c, d], mtu, len).unwrap();
        u16::from_be_bytes([e, f])
    };
    assert_eq!(to_v4(1400, 1500, 1500), 1380);
    assert_eq!(
        to_v4(9000, 1500, 9000),
        1500,
        "the addressee's own link is smaller"
    );
    assert_eq!(to_v4(1280, 1500, 1500), 1260);
    assert_eq!(to_v4(68, 1500, 1500), 1260, "no IPv6 link is smaller");
    assert_eq!(to_v4(0, 1500, 1500), 1260);
    assert_eq!(to_v4(u32::MAX, u32::MAX, 1500), 65535);
}

#[test]
fn in_its_own_family_an_error_says_what_it_said() {
    for (family, icmp) in [
        (Family::V4, [3, 4, 0, 0, 0, 0, 0x02, 0x40]),
        (Family::V4, [4, 0, 0, 0, 1, 2, 3, 4]),
        (Family::V4, [12, 1, 0, 0, 21, 0, 0, 0]),
        (Family::V4, [11, 0, 0, 0, 0, 17, 0, 0]),
        (Family::V6, [2, 0, 0, 0, 0, 0, 0x05, 0x78]),
        (Family::V6, [1, 6, 0, 0, 16, 0, 0, 0]),
        (Family::V6, [4, 2, 0, 0, 0, 0, 0, 48]),
    ] {
        let (sent, quoted) = flow(family, family, Protocol::TCP);
        let about = |tuple: &Tuple| quote(tuple, &PLAIN, &plain(), 20);
        let before = error(
            router(family),
            quoted.source,
            family,
            &PLAIN,
            icmp,
            &about(&quoted),
        );
        let after = error(
            sent.destination,
            sent.source,
            family,
            &PLAIN,
            icmp,
            &about(&sent),
        );
        assert_eq!(passed_on(&before, &addressee(sent)), Ok(after));
    }
}
/// Fragmentation needed, from a router between director and server, as it lies on the wire.
#[test]
fn a_known_error_reaches_an_ipv6_client() {
    // From 10.0.0.254 to 10.0.0.5, 56 bytes, hops 61.
    let outer = "45c0003800070000 3d0167fc0a0000fe0a000005";
    // Fragmentation needed, MTU 1400.
    let message = "0304e32d00000578";
    // From 10.0.0.5, port 1025, to 10.0.0.9, port 80, 1480 bytes, DF, hops 62, and a number.
    let quoted = "450005c800004000 3e0623230a0000050a000009 0401005000001005";
    let error = bytes(&[outer, message, quoted].concat());
    let sent = tuple(
        Family::V6,
        Protocol::TCP,
        v6("2001:db8::10"),
        50000,
        v6("2001:db8:1::cc"),
        443,
    );
    let server = tcp(v4(10, 0, 0, 5), 1025, v4(10, 0, 0, 9), 80);
    assert!(is_error(&error));
    assert_eq!(quoted_tuple(&error), Ok(server));
    let to = Addressee {
        shift: SequenceShift(5),
        ..addressee(sent)
    };
    let mut expected = vec![0x6c, 0, 0, 0, 0, 56, 58, 61];
    expected.extend(sent.destination.octets());
    expected.extend(sent.source.octets());
    // Packet too big, MTU 1420; the sum is checked below.
    expected.extend([2, 0, 0, 0, 0, 0, 0x05, 0x8c]);
    expected.extend([0x60, 0, 0, 0, 0x05, 0xb4, 6, 62]);
    expected.extend(sent.source.octets());
    expected.extend(sent.destination.octets());
    expected.extend([0xc3, 0x50, 0x01, 0xbb, 0x00, 0x00, 0x10, 0x00]);
    let pseudo = [&expected[8..40], &[0, 0, 0, 56, 0, 0, 0, 58]].concat();
    let check = checksum(&[&pseudo, &expected[40..]]);
    expected[42..44].copy_from_slice(&check);
    assert_eq!(passed_on(&error, &to), Ok(expected));
}

#[test]
fn a_known_error_reaches_an_ipv4_client() {
    let client = tuple(
        Family::V4,
        Protocol::UDP,
        v4(192, 0, 2, 1),
        5000,
        v4(198, 51, 100, 7),
        53,
    );
    let server = tuple(
        Family::V6,
        Protocol::UDP,
        v6("fd00::5"),
        1025,
        v6("fd00::9"),
        5353,
    );
    // Port unreachable, with a datagram "abcd" quoted whole behind a padded extension header.
    let ip = Network {
        hops: 60,
        extensions: vec![0],
        ..PLAIN
    };
    let mut quoted = ip.header(Family::V6, &server.source, &server.destination, 17, 12);
    quoted.extend([0x04, 0x01, 0x14, 0xe9, 0, 12, 0, 0]);
    quoted.extend(b"abcd");
    let pseudo = pseudo(&server, 12);
    let check = checksum(&[&pseudo, &quoted[48..]]);
    quoted[54..56].copy_from_slice(&check);
    let error = error(
        server.destination,
        server.source,
        Family::V6,
        &PLAIN,
        [1, 4, 0, 0, 0, 0, 0, 0],
        &quoted,
    );

    let new = passed_on(&error, &addressee(client)).unwrap();
    let mut expected = vec![
        0x45, 0, 0, 60, 0x12, 0x34, 0, 0, 64, 1, 0, 0, 198, 51, 100, 7, 192, 0, 2, 1, 3, 3, 0, 0,
        0, 0, 0, 0, 0x45, 0, 0, 32, 0, 0, 0, 0, 60, 17, 0, 0, 192, 0, 2, 1, 198, 51, 100, 7, 0x13,
        0x88, 0, 53, 0, 12, 0, 0,
    ];
    expected.extend(b"abcd");
    let segment = checksum(&[&common::pseudo(&client, 12), &expected[48..]]);
    expected[54..56].copy_from_slice(&segment);
    for (check, covered) in [(38, 28..48), (10, 0..20), (22, 20..60)] {
        let sum = checksum(&[&expected[covered]]);
        expected[check..check + 2].copy_from_slice(&sum);
    }
    assert_eq!(new, expected);
}
