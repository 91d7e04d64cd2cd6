// SPDX-License-Identifier: GPL-2.0
//! Servers of the other family: the well-known prefix and aliases.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};

use nat::address_map::{alias_of, embed, extract, is_alias};
use nat::Address;
use proptest::prelude::*;

fn address(text: &str) -> Address {
    text.parse::<IpAddr>().unwrap().into()
}

#[test]
fn agrees_with_the_example_of_rfc_6052() {
    assert_eq!(embed([192, 0, 2, 33]), address("64:ff9b::192.0.2.33"));
    assert_eq!(
        extract(&address("64:ff9b::c000:221")),
        Some([192, 0, 2, 33])
    );
}

#[test]
fn other_prefixes_hold_no_address() {
    for text in [
        "::192.0.2.33",
        "::ffff:192.0.2.33",
        "64:ff9b:1::192.0.2.33",
        "64:ff9b::1:c000:221",
        "64:ff9b:0:0:0:1::",
        "2001:db8::1",
        "192.0.2.33",
    ] {
        assert_eq!(extract(&address(text)), None, "{text}");
    }
}

#[test]
fn aliases_are_of_the_block_that_nobody_uses() {
    assert!(is_alias([240, 0, 0, 0]) && is_alias([255, 255, 255, 254]));
    assert!(!is_alias([239, 255, 255, 255]) && !is_alias([255; 4]));
    assert!(!is_alias([10, 0, 0, 1]));
}

#[test]
fn aliases_never_change() {
    let alias = |text, attempt| Ipv4Addr::from(alias_of(&address(text), attempt)).to_string();
    assert_eq!(alias("2001:db8::1", 0), "249.224.194.150");
    assert_eq!(alias("2001:db8::1", 1), "255.3.78.224");
    assert_eq!(alias("fd00::ffff", 0), "250.182.217.132");
}

#[test]
fn neighbours_get_aliases_of_their_own() {
    let alias = |last: u16| {
        let mut octets = *address("2001:db8:0:1::").octets();
        octets[14..].copy_from_slice(&last.to_be_bytes());
        alias_of(&Address::from_octets(octets), 0)
    };
    let aliases: HashSet<[u8; 4]> = (0..10_000).map(alias).collect();
    // A random choice of 10,000 out of 2^28 has 0.2 collisions.
    assert!(aliases.len() >= 9_997, "{}", aliases.len());
    let first_bytes: HashSet<u8> = aliases.iter().map(|alias| alias[0]).collect();
    assert_eq!(first_bytes.len(), 16, "all of the block is used");
}

proptest! {
    #[test]
    fn every_address_lies_in_the_prefix(v4 in any::<[u8; 4]>()) {
        prop_assert_eq!(extract(&embed(v4)), Some(v4));
    }

    #[test]
    fn every_attempt_is_an_alias(octets in any::<[u8; 16]>(), attempt in any::<u32>()) {
        let address = Address::from_octets(octets);
        prop_assert!(is_alias(alias_of(&address, attempt)));
        let attempts: HashSet<[u8; 4]> = (0..8).map(|attempt| alias_of(&address, attempt)).collect();
        prop_assert!(attempts.len() >= 7);
    }
}
