// SPDX-License-Identifier: GPL-2.0
//! Tuples and their hash, and the addresses in them.

mod common;

use common::*;
use nat::{Address, Family, HashKey, Port, Tuple};
use proptest::prelude::*;
use std::net::IpAddr;

const KEY: HashKey = HashKey::new(0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03);

#[test]
fn has_the_size_that_flow_entries_count_on() {
    assert_eq!(size_of::<Tuple>(), 40);
    assert_eq!((size_of::<Address>(), align_of::<Address>()), (16, 4));
}

#[test]
fn an_address_lies_in_memory_as_in_the_kernel() {
    let four: Address = "203.0.113.7".parse::<IpAddr>().unwrap().into();
    assert_eq!(
        *four.octets(),
        [203, 0, 113, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    );
    assert_eq!(
        (four.v4(), four.bytes(Family::V4)),
        ([203, 0, 113, 7], &[203, 0, 113, 7][..])
    );
    let six: Address = "2001:db8::1".parse::<IpAddr>().unwrap().into();
    assert_eq!(six.bytes(Family::V6), six.octets());
    assert_eq!(Address::of_bytes(six.octets()), Some((six, Family::V6)));
    assert_eq!(Address::of_bytes(&four.v4()), Some((four, Family::V4)));
    for len in [0, 3, 5, 15, 17] {
        assert_eq!(Address::of_bytes(&vec![1; len]), None);
    }
}

#[test]
fn tells_addresses_of_hosts_from_others() {
    let is_unicast = |text: &str| {
        let address: IpAddr = text.parse().unwrap();
        let family = if address.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        };
        Address::from(address).is_unicast(family)
    };
    for good in [
        "10.0.96.204",
        "1.2.3.4",
        "223.255.255.255",
        "2001:db8::1",
        "fe80::1",
    ] {
        assert!(is_unicast(good), "{good}");
    }
    for bad in [
        "0.0.0.0",
        "127.0.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "ff02::1",
    ] {
        assert!(!is_unicast(bad), "{bad}");
    }
}

/// How far the fullest of 1,024 buckets is from the mean, with 64 tuples in a bucket on average.
fn fullest(tuples: impl Iterator<Item = Tuple>, bucket: impl Fn(u32) -> u32) -> u32 {
    let mut buckets = vec![0u32; 1024];
    for tuple in tuples {
        buckets[bucket(tuple.hash(&KEY)) as usize] += 1;
    }
    assert_eq!(buckets.iter().sum::<u32>(), 65536);
    *buckets.iter().max().unwrap()
}

#[test]
fn spreads_what_differs_in_little_over_all_buckets() {
    let base = tcp(v4(10, 0, 0, 1), 1024, v4(10, 0, 96, 204), 80);
    let six = Tuple {
        family: Family::V6,
        ..base
    };
    // Each family of tuples differs in one field only, as real traffic does.
    type Vary = fn(Tuple, u16) -> Tuple;
    let families: [(&str, Tuple, Vary); 5] = [
        ("source port", base, |t, n| Tuple {
            source_port: Port::new(n),
            ..t
        }),
        ("destination port", base, |t, n| Tuple {
            destination_port: Port::new(n),
            ..t
        }),
        ("source", base, |t, n| Tuple {
            source: v4(10, 0, (n >> 8) as u8, n as u8),
            ..t
        }),
        ("last bytes of an IPv6 source", six, |t, n| {
            let mut octets = [0; 16];
            octets[14..].copy_from_slice(&n.to_be_bytes());
            Tuple {
                source: Address::from_octets(octets),
                ..t
            }
        }),
        ("middle bytes of an IPv6 destination", six, |t, n| {
            let mut octets = [0; 16];
            octets[6..8].copy_from_slice(&n.to_be_bytes());
            Tuple {
                destination: Address::from_octets(octets),
                ..t
            }
        }),
    ];
    for (what, base, vary) in families {
        let tuples = || (0..=u16::MAX).map(|n| vary(base, n));
        // With a mean of 64, a random function passes 110 about once in 10^4 tables.
        assert!(
            fullest(tuples(), |hash| hash & 1023) < 115,
            "{what}, low bits"
        );
        assert!(
            fullest(tuples(), |hash| hash >> 22) < 115,
            "{what}, high bits"
        );
    }
}

#[test]
fn another_key_is_another_hash() {
    let tuple = tcp(v4(10, 0, 0, 1), 1024, v4(10, 0, 96, 204), 80);
    let hashes: std::collections::HashSet<u32> = (0..1000u64)
        .map(|n| tuple.hash(&HashKey::new(n.wrapping_mul(0x1234_5678_9abc_def1), !n)))
        .collect();
    assert!(hashes.len() > 990);
}

/// How often the rarest pair is seen when things are chosen by remainder and others in turn, for clients with
/// ports one after the other; 60 on average.
fn rarest(key: &HashKey, number: u32, in_turn: u32) -> u32 {
    let mut pairs = vec![0u32; (number * in_turn) as usize];
    for turn in 0..60 * number * in_turn {
        let client = Tuple {
            family: Family::V4,
            protocol: nat::Protocol::UDP,
            source: v4(10, 9, 0, 10),
            source_port: Port::new(10000 + turn as u16),
            destination: v4(10, 0, 96, 204),
            destination_port: Port::new(80),
        };
        let chosen = client.hash(key) % number;
        pairs[(chosen * in_turn + turn % in_turn) as usize] += 1;
    }
    *pairs.iter().min().unwrap()
}

#[test]
fn choices_do_not_go_in_step_with_what_is_taken_in_turn() {
    let keys = (1..=400u64).map(|n| {
        let random = |n: u64| {
            let mixed = (n ^ (n >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            (mixed ^ (mixed >> 32)).wrapping_mul(0x94d0_49bb_1331_11eb)
        };
        let word = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        HashKey::new(random(word), random(!word))
    });
    for key in keys {
        for (number, in_turn) in [(2, 2), (3, 2), (2, 3), (4, 2), (8, 4)] {
            let least = rarest(&key, number, in_turn);
            assert!(least > 20, "{number} and {in_turn}: {least} with {key:?}");
        }
    }
}

proptest! {
    #[test]
    fn an_answer_comes_back((tuple, _) in tuples()) {
        let answer = tuple.reversed();
        prop_assert_eq!((answer.source, answer.source_port), (tuple.destination, tuple.destination_port));
        prop_assert_eq!(answer.reversed(), tuple);
        prop_assert!(answer.answers(&tuple));
    }

    #[test]
    fn every_field_counts((tuple, other) in tuples()) {
        let variants = [
            Tuple { source: other.source, ..tuple },
            Tuple { destination: other.destination, ..tuple },
            Tuple { source_port: other.source_port, ..tuple },
            Tuple { destination_port: other.destination_port, ..tuple },
            Tuple { protocol: nat::Protocol(tuple.protocol.0 ^ 1), ..tuple },
        ];
        for variant in variants {
            prop_assert_eq!(variant.hash(&KEY) == tuple.hash(&KEY), variant == tuple);
            prop_assert_eq!(variant.reversed().answers(&tuple), variant == tuple);
        }
    }
}
