// SPDX-License-Identifier: GPL-2.0
//! ICMP errors about translated packets, in both families and across, against errors made afresh.

mod common;

use common::network::{network, Network, PLAIN};
use common::*;
use nat::icmp::{is_error, quoted_tuple, translate, Addressee, NotTranslated, LOOK_AT};
use nat::{Address, Family, Malformed, Port, Protocol, SequenceShift, Tuple};
use proptest::prelude::*;
use wire::toa::Toa;
use wire::uoa::{self, Opp};

/// An error with this ICMP header, whose checksum is filled in.
fn error(
    from: Address,
    to: Address,
    family: Family,
    ip: &Network,
    icmp: [u8; 8],
    quote: &[u8],
) -> Vec<u8> {
    let mut message = [&icmp[..], quote].concat();
    let (number, pseudo) = match family {
        Family::V4 => (1, vec![]),
        Family::V6 => {
            let len = (message.len() as u32).to_be_bytes();
            let addresses = [&from.octets()[..], to.octets()].concat();
            (58, [&addresses[..], &len, &[0, 0, 0, 58]].concat())
        }
    };
    let check = checksum(&[&pseudo, &message]);
    message[2..4].copy_from_slice(&check);
    let mut bytes = ip.header(family, &from, &to, number, message.len());
    bytes.extend(message);
    bytes
}

/// The first bytes of a packet, `cut` of them behind the network header.
fn quote(tuple: &Tuple, ip: &Network, rest: &Rest, cut: usize) -> Vec<u8> {
    let segment = transport(tuple, rest, false);
    let mut bytes = ip.header(
        tuple.family,
        &tuple.source,
        &tuple.destination,
        tuple.protocol.0,
        segment.len(),
    );
    bytes.extend(&segment[..cut.min(segment.len())]);
    bytes
}

fn addressee(sent: Tuple) -> Addressee {
    Addressee {
        sent,
        shift: SequenceShift::NONE,
        mtu: 1500,
        identification: 0x1234,
    }
}

/// What goes out when the error comes in, of which the director sees its first bytes.
fn passed_on(error: &[u8], to: &Addressee) -> Result<Vec<u8>, NotTranslated> {
    let leading = &error[..error.len().min(LOOK_AT)];
    let new = translate(leading, to)?;
    Ok([new.bytes(), &error[new.replaced..]].concat())
}

fn tuple(
    family: Family,
    protocol: Protocol,
    source: Address,
    from: u16,
    destination: Address,
    to: u16,
) -> Tuple {
    Tuple {
        family,
        protocol,
        source_port: Port(from),
        destination_port: Port(to),
        source,
        destination,
    }
}

fn v6(text: &str) -> Address {
    text.parse::<std::net::IpAddr>().unwrap().into()
}

/// A client's packet to the VIP and what the server gets, in these families.
fn flow(client: Family, server: Family, protocol: Protocol) -> (Tuple, Tuple) {
    let sent = match client {
        Family::V4 => tuple(
            client,
            protocol,
            v4(172, 16, 0, 1),
            51234,
            v4(10, 0, 96, 204),
            80,
        ),
        Family::V6 => tuple(
            client,
            protocol,
            v6("2001:db8::10"),
            51234,
            v6("2001:db8:1::cc"),
            80,
        ),
    };
    let translated = match server {
        Family::V4 => tuple(
            server,
            protocol,
            v4(192, 168, 229, 204),
            1025,
            v4(192, 168, 229, 1),
            8080,
        ),
        Family::V6 => tuple(server, protocol, v6("fd00::204"), 1025, v6("fd00::1"), 8080),
    };
    (sent, translated)
}

fn router(family: Family) -> Address {
    match family {
        Family::V4 => v4(192, 168, 229, 254),
        Family::V6 => v6("fd00::fe"),
    }
}

/// What the ICMP header of an error becomes for an addressee of the other family; the error quotes a
/// packet of `len` bytes.
fn across_sized(
    from: Family,
    header: [u8; 8],
    mtu: u32,
    len: usize,
) -> Result<[u8; 8], NotTranslated> {
    let to = match from {
        Family::V4 => Family::V6,
        Family::V6 => Family::V4,
    };
    let (sent, quoted) = flow(to, from, Protocol::UDP);
    let rest = Rest {
        payload: vec![7; len],
        ..plain()
    };
    let error = error(
        router(from),
        quoted.source,
        from,
        &PLAIN,
        header,
        &quote(&quoted, &PLAIN, &rest, 40),
    );
    let new = passed_on(
        &error,
        &Addressee {
            mtu,
            ..addressee(sent)
        },
    )?;
    let at = match to {
        Family::V4 => 20,
        Family::V6 => 40,
    };
    let mut header: [u8; 8] = new[at..at + 8].try_into().unwrap();
    (header[2], header[3]) = (0, 0);
    Ok(header)
}

fn across(from: Family, kind: u8, code: u8, rest: [u8; 4]) -> Option<[u8; 6]> {
    let [a, b, c, d] = rest;
    match across_sized(from, [kind, code, 0, 0, a, b, c, d], 65535, 100) {
        Ok([kind, code, 0, 0, a, b, c, d]) => Some([kind, code, a, b, c, d]),
        Err(NotTranslated::NoEquivalent) => None,
        other => panic!("{other:?}"),
    }
}

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

/// What hexadecimal digits say.
fn bytes(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(|digit| *digit != b' ').collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
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

#[test]
fn only_errors_are_errors() {
    for family in [Family::V4, Family::V6] {
        let (_, quoted) = flow(family, family, Protocol::TCP);
        let with = |kind, ip: &Network| {
            let icmp = [kind, 0, 0, 0, 0, 0, 0, 0];
            error(
                router(family),
                quoted.source,
                family,
                ip,
                icmp,
                &quote(&quoted, &PLAIN, &plain(), 20),
            )
        };
        for kind in 0..=255 {
            let expected = match family {
                Family::V4 => matches!(kind, 3 | 4 | 11 | 12),
                Family::V6 => matches!(kind, 1..=4),
            };
            assert_eq!(is_error(&with(kind, &PLAIN)), expected, "type {kind}");
        }
        let kind = if family == Family::V4 { 3 } else { 1 };
        let part = Network {
            more: true,
            fragment_header: true,
            ..PLAIN
        };
        assert!(!is_error(&with(kind, &part)), "a part of an error");
        let atomic = Network {
            fragment_header: true,
            ..PLAIN
        };
        assert!(is_error(&with(kind, &atomic)));
        let with_options = Network {
            options: vec![1; 40],
            extensions: vec![0, 2],
            ..PLAIN
        };
        assert!(is_error(&with(kind, &with_options)));
        // The number of the other family's ICMP.
        let mut bytes = with(kind, &PLAIN);
        bytes[if family == Family::V4 { 9 } else { 6 }] = if family == Family::V4 { 58 } else { 1 };
        assert!(!is_error(&bytes));
    }
}

#[test]
fn an_error_that_makes_no_sense_is_refused() {
    for family in [Family::V4, Family::V6] {
        let (sent, quoted) = flow(Family::V4, family, Protocol::TCP);
        let good = quote(&quoted, &PLAIN, &plain(), 20);
        let header_len = good.len() - 20;
        let later_part = {
            let mut ip = Network {
                more: true,
                fragment_header: true,
                ..PLAIN
            };
            ip.id = 7;
            let mut bytes = quote(&quoted, &ip, &plain(), 20);
            // The lowest bit of the offset.
            let (at, bit) = if family == Family::V4 {
                (7, 1)
            } else {
                (43, 8)
            };
            bytes[at] |= bit;
            bytes
        };
        let other_protocol = {
            let mut bytes = good.clone();
            bytes[if family == Family::V4 { 9 } else { 6 }] = 47;
            bytes
        };
        let short_claim = {
            let mut bytes = good.clone();
            let claim = if family == Family::V4 { 27 } else { 7 };
            bytes[if family == Family::V4 { 3 } else { 5 }] = claim;
            bytes
        };
        let other_family = match family {
            Family::V4 => vec![0x60; 80],
            Family::V6 => vec![0x45; 80],
        };
        let kind = if family == Family::V4 { 3 } else { 1 };
        for quotation in [
            &good[..0],
            &good[..header_len - 1],
            &good[..header_len + 7],
            &later_part,
            &other_protocol,
            &short_claim,
            &other_family,
        ] {
            let icmp = [kind, 0, 0, 0, 0, 0, 0, 0];
            let error = error(
                router(family),
                quoted.source,
                family,
                &PLAIN,
                icmp,
                quotation,
            );
            assert_eq!(quoted_tuple(&error), Err(Malformed), "{quotation:x?}");
            assert_eq!(
                passed_on(&error, &addressee(sent)),
                Err(NotTranslated::Malformed)
            );
        }
        // About another protocol than the addressee's.
        let icmp = [kind, 0, 0, 0, 0, 0, 0, 0];
        let error = error(router(family), quoted.source, family, &PLAIN, icmp, &good);
        let udp = Tuple {
            protocol: Protocol::UDP,
            ..sent
        };
        assert_eq!(
            passed_on(&error, &addressee(udp)),
            Err(NotTranslated::Malformed)
        );
    }
}

#[test]
fn more_headers_than_are_looked_at_are_refused() {
    let (sent, quoted) = flow(Family::V6, Family::V6, Protocol::TCP);
    let long = Network {
        extensions: vec![10],
        ..PLAIN
    };
    let longer = Network {
        extensions: vec![10, 10],
        ..PLAIN
    };
    let result = |ip| {
        let quote = quote(&quoted, ip, &plain(), 20);
        let icmp = [1, 0, 0, 0, 0, 0, 0, 0];
        passed_on(
            &error(
                router(Family::V6),
                quoted.source,
                Family::V6,
                &PLAIN,
                icmp,
                &quote,
            ),
            &addressee(sent),
        )
        .map(drop)
    };
    assert_eq!(result(&long), Ok(()));
    assert_eq!(result(&longer), Err(NotTranslated::Malformed));
}

#[test]
fn sctp_is_left_alone_where_its_length_is_not_known() {
    let (sent, quoted) = flow(Family::V4, Family::V4, SCTP);
    let part = Network {
        more: true,
        ..PLAIN
    };
    let rest = Rest {
        payload: vec![9; 300],
        ..plain()
    };
    let icmp = [11, 0, 0, 0, 0, 0, 0, 0];
    let before = error(
        router(Family::V4),
        quoted.source,
        Family::V4,
        &PLAIN,
        icmp,
        &quote(&quoted, &part, &rest, 100),
    );
    let after = passed_on(&before, &addressee(sent)).unwrap();
    assert_eq!(after[48..52], [0xc8, 0x22, 0, 80]);
    assert_eq!(after[52..], before[52..], "tag, checksum and what follows");
    assert_eq!(checksum(&[&after[20..]]), [0, 0]);
}

#[test]
fn what_the_director_has_put_in_front_of_a_datagram_is_taken_out() {
    for (client, server) in [
        (Family::V4, Family::V4),
        (Family::V4, Family::V6),
        (Family::V6, Family::V4),
        (Family::V6, Family::V6),
    ] {
        let (sent, server) = flow(client, server, Protocol::UDP);
        let rest = Rest {
            payload: vec![9; 33],
            ..plain()
        };
        let opp = Opp {
            client: Toa {
                kind: uoa::OPTION,
                family: client,
                address: sent.source,
                port: sent.source_port.0,
            },
            protocol: 17,
        };
        let segment = transport(&server, &rest, false);
        let behind = [&opp.encode()[..opp.len()], &segment].concat();
        let (from, to) = (server.source, server.destination);
        let mut quoted = PLAIN.header(server.family, &from, &to, 248, behind.len());
        quoted.extend(&behind);
        let unreachable = |family| match family {
            Family::V4 => [3, 1, 0, 0, 0, 0, 0, 0],
            Family::V6 => [1, 0, 0, 0, 0, 0, 0, 0],
        };
        let (icmp, family) = (unreachable(server.family), server.family);
        let before = error(router(family), from, family, &PLAIN, icmp, &quoted);
        assert_eq!(quoted_tuple(&before), Ok(server));

        let ip = Network {
            id: if client == Family::V4 { 0x1234 } else { 0 },
            ..PLAIN
        };
        let about = quote(&sent, &PLAIN, &rest, 100);
        let icmp = unreachable(client);
        let after = error(sent.destination, sent.source, client, &ip, icmp, &about);
        assert_eq!(passed_on(&before, &addressee(sent)), Ok(after));

        // Cut within the header of OPP, it says nothing of the client.
        let cut = &quoted[..quoted.len() - segment.len() - 1];
        let before = error(router(family), from, family, &PLAIN, icmp, cut);
        assert_eq!(quoted_tuple(&before), Err(Malformed));
    }
}

/// Errors that both families have, with what they are in the other one.
fn icmp(from: Family, to: Family) -> impl Strategy<Value = ([u8; 8], [u8; 8])> {
    let v4 = [
        [3, 1, 0, 0, 0, 0, 0, 0],
        [3, 3, 0, 0, 0, 0, 0, 0],
        [3, 4, 0, 0, 0, 0, 5, 100],
        [11, 0, 0, 0, 0, 0, 0, 0],
    ];
    let v6 = [
        [1, 0, 0, 0, 0, 0, 0, 0],
        [1, 4, 0, 0, 0, 0, 0, 0],
        [2, 0, 0, 0, 0, 0, 5, 120],
        [3, 0, 0, 0, 0, 0, 0, 0],
    ];
    (0usize..4).prop_map(move |at| {
        let of = |family| if family == Family::V4 { v4[at] } else { v6[at] };
        (of(from), of(to))
    })
}

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::V4), Just(Family::V6)]
}

fn any_tuple(family: Family, protocol: Protocol) -> impl Strategy<Value = Tuple> {
    (address(family), address(family), any::<u16>(), any::<u16>()).prop_map(
        move |(source, destination, from, to)| {
            tuple(family, protocol, source, from, destination, to)
        },
    )
}

#[derive(Clone, Debug)]
struct Case {
    quoted: Tuple,
    sent: Tuple,
    icmp: ([u8; 8], [u8; 8]),
    outer: Network,
    inner: Network,
}

fn case() -> impl Strategy<Value = Case> {
    let protocol = prop_oneof![Just(Protocol::TCP), Just(Protocol::UDP), Just(SCTP)];
    (family(), family(), protocol).prop_flat_map(|(from, to, protocol)| {
        let parts = protocol != SCTP;
        (
            any_tuple(from, protocol),
            any_tuple(to, protocol),
            icmp(from, to),
            network(from, false),
            network(from, parts),
        )
            .prop_map(|(quoted, sent, icmp, outer, inner)| Case {
                quoted,
                sent,
                icmp,
                outer,
                inner,
            })
    })
}

/// Bytes of the transport header and payload that a router quotes; half a checksum field, which only
/// half a translation could follow, is not among them.
fn cut() -> impl Strategy<Value = usize> {
    (8usize..120).prop_map(|cut| match cut {
        9..12 => 12,
        17 => 16,
        cut => cut,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn a_translated_error_is_one_made_afresh(
        case in case(),
        rest in rest(),
        cut in cut(),
        shift in any::<u32>(),
        identification in any::<u16>(),
    ) {
        let Case { quoted, sent, icmp, outer, inner } = case;
        let shift = SequenceShift(shift);
        let mut shifted = rest.clone();
        if quoted.protocol == Protocol::TCP {
            let [a, b, c, d, ..] = rest.numbers;
            let seq = shift.to_server(u32::from_be_bytes([a, b, c, d]));
            shifted.numbers[..4].copy_from_slice(&seq.to_be_bytes());
        }
        let old_quote = quote(&quoted, &inner, &shifted, cut);
        let before = error(router(quoted.family), quoted.source, quoted.family, &outer, icmp.0, &old_quote);
        prop_assert!(is_error(&before));
        prop_assert_eq!(quoted_tuple(&before), Ok(quoted));

        let segment = transport(&sent, &rest, false).len();
        let (outer, inner) = match quoted.family == sent.family {
            true => (outer, inner),
            false => {
                let inner = inner.across(quoted.family, segment, 0);
                let len = 8 + quote(&sent, &inner, &rest, cut).len();
                (outer.across(quoted.family, len, identification), inner)
            }
        };
        let new_quote = quote(&sent, &inner, &rest, cut);
        let after = error(sent.destination, sent.source, sent.family, &outer, icmp.1, &new_quote);
        let to = Addressee { sent, shift, mtu: 1500, identification };
        prop_assert_eq!(passed_on(&before, &to), Ok(after));
    }

    #[test]
    fn a_wrong_checksum_stays_wrong(case in case(), rest in rest(), wrong in 1u16..) {
        let Case { quoted, sent, icmp, outer, inner } = case;
        let quote = quote(&quoted, &inner, &rest, 60);
        let mut bytes = error(router(quoted.family), quoted.source, quoted.family, &outer, icmp.0, &quote);
        let at = bytes.len() - quote.len() - 6;
        let check = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        // Not by 0xffff: zero has two forms.
        prop_assume!(wrong != 0xffff && check != !wrong);
        bytes[at..at + 2].copy_from_slice(&(check ^ wrong).to_be_bytes());
        let new = passed_on(&bytes, &addressee(sent)).unwrap();
        let (payload_at, pseudo) = match sent.family {
            Family::V4 => (usize::from(new[0] & 15) * 4, vec![]),
            Family::V6 => {
                let at = new.len() - (bytes.len() - at + 2);
                let at = if quoted.family == sent.family { at } else { 40 };
                let len = ((new.len() - at) as u32).to_be_bytes();
                (at, [&new[8..40], &len, &[0, 0, 0, 58]].concat())
            }
        };
        prop_assert_ne!(checksum(&[&pseudo, &new[payload_at..]]), [0, 0]);
    }

    #[test]
    fn there_and_back_changes_nothing(case in case(), rest in rest(), cut in cut()) {
        // What one family cannot say is lost across families; ports, numbers and data are not.
        let Case { quoted, sent, icmp, .. } = case;
        let hops = Network { hops: 9, ..PLAIN };
        let before = error(quoted.destination, quoted.source, quoted.family, &hops, icmp.0, &quote(&quoted, &hops, &rest, cut));
        let there = passed_on(&before, &addressee(sent)).unwrap();
        let to = Addressee { identification: 0, ..addressee(quoted) };
        prop_assert_eq!(passed_on(&there, &to), Ok(before));
    }

    #[test]
    fn any_bytes_end_in_an_answer(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..LOOK_AT + 20),
        (sent, _) in tuples(),
        first in family(),
        kind in 0u8..13,
        inner in 0usize..5,
    ) {
        // Far enough from nonsense to get deep into the functions.
        let (start, number, at): (&[u8], usize, usize) = match first {
            Family::V4 => (&[0x45, 0, 1, 0, 0, 0, 0, 0, 64, 1], 9, 20),
            Family::V6 => (&[0x60, 0, 0, 0, 1, 0, 58, 64], 6, 40),
        };
        for (byte, &value) in bytes.iter_mut().zip(start) { *byte = value; }
        if let Some(byte) = bytes.get_mut(at) { *byte = kind; }
        if let Some(byte) = bytes.get_mut(at + 8) { *byte = start[0]; }
        if let Some(byte) = bytes.get_mut(at + 8 + number) { *byte = [6, 17, 132, 44, 248][inner]; }
        let _ = (is_error(&bytes), quoted_tuple(&bytes));
        if let Ok(new) = translate(&bytes, &addressee(sent)) {
            prop_assert!(new.replaced <= bytes.len());
            prop_assert!(new.bytes().len() <= LOOK_AT);
        }
    }
}
