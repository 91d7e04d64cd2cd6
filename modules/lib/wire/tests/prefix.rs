// SPDX-License-Identifier: GPL-2.0
//! Prefixes: what is one, and what is in it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use wire::prefix::{words, Prefix};

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

fn contains(prefix: &str, address: &str) -> bool {
    let prefix = Prefix::parse(prefix.as_bytes()).expect(prefix);
    prefix.contains(mapped(address.parse().unwrap()))
}

#[test]
fn holds_the_addresses_that_begin_like_it() {
    for (prefix, inside, outside) in [
        ("192.168.229.0/24", "192.168.229.255", "192.168.228.255"),
        ("192.168.229.77/24", "192.168.229.0", "192.168.230.0"),
        ("10.0.0.1", "10.0.0.1", "10.0.0.2"),
        ("10.0.0.1/32", "10.0.0.1", "10.0.0.0"),
        ("0.0.0.0/0", "255.255.255.255", "2001:db8::1"),
        ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
        ("::1", "::1", "::2"),
        ("fe80::/10", "febf::1", "fec0::"),
    ] {
        assert!(contains(prefix, inside), "{prefix} {inside}");
        assert!(!contains(prefix, outside), "{prefix} {outside}");
    }
    assert!(contains("::/0", "192.0.2.1") && contains("::/0", "ffff::"));
}

#[test]
fn is_not_read_from_anything_else() {
    for text in [
        "",
        "/",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/8/8",
        "10.0.0.0/0x8",
        "10.0.0.0/256",
        "10.0.0.0/0008",
        "10.0.0",
        "010.0.0.1",
        "::/129",
        "2001:db8::/",
        "[::1]",
        "example.org",
        "10.0.0.1 ",
        "fe80::1%eth0",
        "\u{ff11}.1.1.1",
    ] {
        assert_eq!(Prefix::parse(text.as_bytes()), None, "{text}");
    }
    assert_eq!(Prefix::parse(b"10.0.0.1\xff"), None);
}

#[test]
fn words_are_what_is_between_spaces_commas_and_line_ends() {
    let all = |text: &'static str| words(text.as_bytes()).collect::<Vec<_>>();
    assert_eq!(all(" a\tbc,,d\n"), [&b"a"[..], b"bc", b"d"]);
    assert!(all("").is_empty() && all(" ,\n").is_empty());
}

proptest! {
    #[test]
    fn nothing_panics_and_words_lose_only_what_is_between(text: Vec<u8>) {
        let kept: Vec<u8> = words(&text).flatten().copied().collect();
        let wanted: Vec<u8> = text.iter().copied().filter(|byte| !b" \t\n,".contains(byte)).collect();
        prop_assert_eq!(kept, wanted);
        for word in words(&text) {
            Prefix::parse(word);
        }
    }

    #[test]
    fn agrees_with_the_definition_in_ipv4(network: u32, length in 0u32..=32, address: u32) {
        let text = format!("{}/{length}", Ipv4Addr::from(network));
        let prefix = Prefix::parse(text.as_bytes()).unwrap();
        let differing = (network ^ address).leading_zeros();
        prop_assert_eq!(prefix.contains(Ipv4Addr::from(address).to_ipv6_mapped()), differing >= length);
    }

    #[test]
    fn agrees_with_the_definition_in_ipv6(network: u128, length in 0u32..=128, bits in 0u32..=128) {
        let text = format!("{}/{length}", Ipv6Addr::from(network));
        let prefix = Prefix::parse(text.as_bytes()).unwrap();
        // An address that shares its first `bits` bits, no more.
        let address = 1u128.checked_shl(127u32.wrapping_sub(bits)).map_or(network, |bit| network ^ bit);
        prop_assert_eq!(prefix.contains(Ipv6Addr::from(address)), bits >= length);
    }
}
