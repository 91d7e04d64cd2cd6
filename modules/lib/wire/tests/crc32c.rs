// SPDX-License-Identifier: GPL-2.0
//! CRC32c and its changes, against dividing everything again, bit by bit.

use proptest::collection::vec;
use proptest::prelude::*;
use wire::{crc32c, Sctp};

/// Long division with the polynomial as RFC 9260 prints it, highest power first.
fn reference(bytes: &[u8]) -> [u8; 4] {
    let mut remainder = u32::MAX;
    for byte in bytes {
        for bit in 0..8 {
            let feedback = (remainder >> 31) ^ u32::from((byte >> bit) & 1);
            remainder = (remainder << 1) ^ if feedback == 1 { 0x1edc_6f41 } else { 0 };
        }
    }
    (!remainder).reverse_bits().to_le_bytes()
}

/// A packet with its checksum.
fn packet(ports: [u8; 4], tag: [u8; 4], chunks: &[u8]) -> Vec<u8> {
    let mut bytes = [ports, tag, [0; 4]].concat();
    bytes.extend(chunks);
    let check = reference(&bytes);
    bytes[Sctp::CHECK..Sctp::LEN].copy_from_slice(&check);
    bytes
}

#[test]
fn agrees_with_the_examples_of_rfc_3720() {
    let up: Vec<u8> = (0..32).collect();
    let down: Vec<u8> = (0..32).rev().collect();
    assert_eq!(crc32c::of(&[0; 32]), [0xaa, 0x36, 0x91, 0x8a]);
    assert_eq!(crc32c::of(&[0xff; 32]), [0x43, 0xab, 0xa8, 0x62]);
    assert_eq!(crc32c::of(&up), [0x4e, 0x79, 0xdd, 0x46]);
    assert_eq!(crc32c::of(&down), [0x5c, 0xdb, 0x3f, 0x11]);
    let read = [
        0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0,
        0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,
    ];
    assert_eq!(crc32c::of(&read), [0x56, 0x3a, 0x96, 0xd9]);
}

#[test]
fn agrees_with_the_usual_check_value() {
    assert_eq!(crc32c::of(b"123456789"), 0xe306_9283u32.to_le_bytes());
    assert_eq!(crc32c::of(b""), [0; 4]);
}

#[test]
fn the_same_ports_change_nothing() {
    for after in [0, 1, 8, 1460, usize::MAX] {
        assert_eq!(
            crc32c::replaced([1, 2, 3, 4], [1, 2, 3, 4], after, [5, 6, 7, 8]),
            [5, 6, 7, 8]
        );
    }
}

#[test]
fn the_longest_packet_is_changed_as_well() {
    let chunks = vec![0x5a; 65535 - 20 - Sctp::LEN];
    let (old, new) = ([0xc8, 0x22, 0, 80], [0x04, 0x01, 0x1f, 0x90]);
    let (before, after) = (packet(old, [9; 4], &chunks), packet(new, [9; 4], &chunks));
    let field = |bytes: &[u8]| Sctp::parse(bytes).unwrap().check();
    assert_eq!(
        crc32c::replaced(old, new, before.len() - 4, field(&before)),
        field(&after)
    );
}

proptest! {
    #[test]
    fn divides_bytes_of_any_length(bytes in vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(crc32c::of(&bytes), reference(&bytes));
    }

    #[test]
    fn a_changed_field_is_the_field_divided_again(
        old in any::<[u8; 4]>(),
        new in any::<[u8; 4]>(),
        tag in any::<[u8; 4]>(),
        chunks in vec(any::<u8>(), 0..1600),
        wrong in any::<[u8; 4]>(),
    ) {
        let (before, after) = (packet(old, tag, &chunks), packet(new, tag, &chunks));
        let (from, to) = (Sctp::parse(&before).unwrap(), Sctp::parse(&after).unwrap());
        let behind = before.len() - 4;
        prop_assert_eq!(crc32c::replaced(old, new, behind, from.check()), to.check());
        prop_assert_eq!(crc32c::replaced(new, old, behind, to.check()), from.check());
        // As wrong as it was: the same bits are the wrong ones.
        let xor = |a: [u8; 4], b: [u8; 4]| u32::from_ne_bytes(a) ^ u32::from_ne_bytes(b);
        let changed = crc32c::replaced(old, new, behind, wrong);
        prop_assert_eq!(xor(changed, to.check()), xor(wrong, from.check()));
    }

    #[test]
    fn changes_add_up(
        ports in any::<[[u8; 4]; 3]>(),
        after in any::<usize>(),
        field in any::<[u8; 4]>(),
    ) {
        let [a, b, c] = ports;
        let there = crc32c::replaced(a, b, after, field);
        prop_assert_eq!(crc32c::replaced(b, c, after, there), crc32c::replaced(a, c, after, field));
        prop_assert_eq!(crc32c::replaced(b, a, after, there), field);
    }
}
