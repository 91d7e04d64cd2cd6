// SPDX-License-Identifier: GPL-2.0
//! ICMP errors that are not passed on, or not whole, and errors by the thousand.

mod common;

use common::errors::*;
use common::network::*;
use common::*;
use nat::icmp::*;
use nat::*;
use proptest::prelude::*;
use wire::toa::Toa;
use wire::uoa::{self, Opp};

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
                port: sent.source_port.number(),
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
