// SPDX-License-Identifier: GPL-2.0
//! ICMP errors about translated packets, against errors made afresh.

mod common;

use common::*;
use nat::{
    quoted_tuple, restore_quoted_sequence, translate_error, Address, Family, Rewrite,
    SequenceShift, Tuple,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// "Fragmentation needed, MTU 1400", from `router`, quoting `len` bytes of `quoted`.
fn error(router: Address, to: Address, ip_options: &[u8], quoted: &[u8]) -> Vec<u8> {
    let mut message = vec![3, 4, 0, 0, 0, 0, 5, 120];
    message.extend(quoted);
    let check = checksum(&[&message]);
    message[2..4].copy_from_slice(&check);
    let header_len = 20 + ip_options.len();
    let mut bytes = vec![0x40 | (header_len / 4) as u8, 0xc0];
    bytes.extend(((header_len + message.len()) as u16).to_be_bytes());
    bytes.extend([0, 1, 0, 0, 64, 1, 0, 0]);
    bytes.extend(router.v4());
    bytes.extend(to.v4());
    bytes.extend(ip_options);
    let check = checksum(&[&bytes]);
    bytes[10..12].copy_from_slice(&check);
    bytes.extend(message);
    bytes
}

const ROUTER: Address = Address::from_v4([192, 168, 229, 254]);

#[test]
fn an_error_from_the_servers_side_reaches_the_client_as_its_own() {
    let client = tcp(v4(172, 16, 0, 1), 51234, v4(10, 0, 96, 204), 80);
    let server = tcp(v4(192, 168, 229, 204), 1025, v4(192, 168, 229, 1), 80);
    let quote = |tuple: &Tuple| packet(tuple, &plain(), false)[..28].to_vec();
    let mut bytes = error(ROUTER, server.source, &[], &quote(&server));
    assert_eq!(quoted_tuple(&bytes), Ok(server));
    let quoted = Rewrite::new(&server, &client);
    translate_error(&mut bytes, &quoted, client.destination, client.source).unwrap();
    // Cut to eight bytes the quotation has no TCP checksum; the IP header's is right.
    assert_eq!(
        bytes,
        error(client.destination, client.source, &[], &quote(&client))
    );
}

#[test]
fn an_error_that_makes_no_sense_is_left_alone() {
    let client = tcp(v4(172, 16, 0, 1), 51234, v4(10, 0, 96, 204), 80);
    let server = tcp(v4(192, 168, 229, 204), 1025, v4(192, 168, 229, 1), 80);
    let good = packet(&server, &plain(), false);
    let fragment = {
        let mut bytes = good.clone();
        bytes[7] = 1;
        bytes
    };
    let quoted = Rewrite::new(&server, &client);
    for quotation in [&good[..0], &good[..19], &good[..23], &fragment, &[0x60; 60]] {
        let before = error(ROUTER, server.source, &[], quotation);
        let mut bytes = before.clone();
        assert!(translate_error(&mut bytes, &quoted, client.destination, client.source).is_err());
        assert!(quoted_tuple(&bytes).is_err());
        assert_eq!(bytes, before);
    }
}

#[test]
fn a_wrong_checksum_stays_wrong() {
    let client = tcp(v4(172, 16, 0, 1), 51234, v4(10, 0, 96, 204), 80);
    let server = tcp(v4(192, 168, 229, 204), 1025, v4(192, 168, 229, 1), 80);
    let mut bytes = error(
        ROUTER,
        server.source,
        &[],
        &packet(&server, &plain(), false),
    );
    bytes[22] ^= 0x40;
    let quoted = Rewrite::new(&server, &client);
    translate_error(&mut bytes, &quoted, client.destination, client.source).unwrap();
    assert_ne!(checksum(&[&bytes[20..]]), [0, 0]);
}

/// Bytes of the transport header and payload that a router quotes; half a checksum field, which only
/// half a translation could follow, is not among them.
fn cut() -> impl Strategy<Value = usize> {
    (8usize..80).prop_map(|cut| if cut == 17 { 16 } else { cut })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_translated_error_is_one_made_afresh(
        (from, to) in tuples().prop_filter("IPv4", |(from, _)| from.family == Family::V4),
        rest in rest(),
        ip_options in vec(any::<u8>(), 0..=40),
        cut in cut(),
        (source, destination) in (address(Family::V4), address(Family::V4)),
    ) {
        let ip_options = &ip_options[..ip_options.len() & !3];
        let quote = |tuple: &Tuple| {
            let bytes = packet(tuple, &rest, false);
            let len = bytes.len().min(20 + rest.ip_options.len() + cut);
            bytes[..len].to_vec()
        };
        let mut bytes = error(ROUTER, from.source, ip_options, &quote(&from));
        prop_assert_eq!(quoted_tuple(&bytes), Ok(from));
        translate_error(&mut bytes, &Rewrite::new(&from, &to), source, destination).unwrap();
        prop_assert_eq!(bytes, error(source, destination, ip_options, &quote(&to)));
    }

    #[test]
    fn a_quoted_sequence_number_is_the_clients(
        (tuple, _) in tuples().prop_filter("IPv4", |(from, _)| from.family == Family::V4),
        rest in rest(),
        cut in cut(),
        shift in any::<u32>(),
    ) {
        let quote = |rest: &Rest| {
            let bytes = packet(&tuple, rest, false);
            let len = bytes.len().min(20 + rest.ip_options.len() + cut);
            bytes[..len].to_vec()
        };
        let shift = SequenceShift(shift);
        let mut shifted = rest.clone();
        if tuple.protocol == nat::Protocol::TCP {
            let [a, b, c, d, ..] = rest.numbers;
            let seq = shift.to_server(u32::from_be_bytes([a, b, c, d]));
            shifted.numbers[..4].copy_from_slice(&seq.to_be_bytes());
        }
        let mut bytes = error(ROUTER, tuple.source, &[], &quote(&shifted));
        restore_quoted_sequence(&mut bytes, shift).unwrap();
        prop_assert_eq!(bytes, error(ROUTER, tuple.source, &[], &quote(&rest)));
    }

    #[test]
    fn any_bytes_end_in_an_answer(
        mut bytes in vec(any::<u8>(), 0..140),
        (from, to) in tuples(),
    ) {
        if let Some(byte) = bytes.first_mut() { *byte = 0x45; }
        if let Some(byte) = bytes.get_mut(28) { *byte = 0x45; }
        let _ = quoted_tuple(&bytes);
        let rewrite = Rewrite::new(&from, &to);
        let _ = translate_error(&mut bytes, &rewrite, from.source, to.source);
        let _ = restore_quoted_sequence(&mut bytes, SequenceShift(7));
    }
}
