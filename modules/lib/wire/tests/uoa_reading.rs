// SPDX-License-Identifier: GPL-2.0
//! UOA as a real server reads it: from whoever sent it, whatever its lengths say.

use proptest::collection::vec;
use proptest::prelude::*;
use wire::toa::Toa;
use wire::uoa::{self, Announcement, Form, Insertion};
use wire::{Address, Family};

const V4: [u8; 8] = [0x1f, 8, 0xc8, 0x22, 203, 0, 113, 7];
const V6: [u8; 20] = [
    0x1f, 20, 0xc8, 0x22, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
];

fn v4() -> Toa {
    Toa {
        kind: 31,
        family: Family::V4,
        address: Address::from_v4([203, 0, 113, 7]),
        port: 51234,
    }
}

fn v6() -> Toa {
    let address: std::net::IpAddr = "2001:db8::1".parse().unwrap();
    Toa {
        kind: 31,
        family: Family::V6,
        address: address.into(),
        port: 51234,
    }
}

/// An OPP header that says what it is told to, and these options.
fn opp(version: u8, protocol: u8, len: u16, options: &[u8]) -> Vec<u8> {
    let [high, low] = len.to_be_bytes();
    [&[version << 4, protocol, high, low], options].concat()
}

#[test]
fn an_option_is_found_wherever_it_stands() {
    for before in [&[][..], &[1, 1, 1], &[0x94, 4, 0, 0], &[31, 4, 9, 9]] {
        for behind in [&[][..], &[0, 0], &[1], &[0x94, 0]] {
            let list = [before, &V4, behind].concat();
            assert_eq!(uoa::find(&list), Some(v4()), "{list:x?}");
        }
    }
    assert_eq!(uoa::find(&[&V6[..], &V4].concat()), Some(v6()), "the first");
    assert_eq!(uoa::find(&[&V4[..], &V6].concat()), Some(v4()), "the first");
}

#[test]
fn what_cannot_be_read_names_nobody() {
    for len in (0..=255).filter(|len| ![8, 20].contains(len)) {
        let mut option = V4;
        option[1] = len;
        assert_eq!(uoa::find(&option), None, "length {len}");
        let mut option = V6;
        option[1] = len;
        assert_eq!(uoa::find(&option), None, "length {len}");
    }
    // A length of its own that reaches into the next option.
    assert_eq!(uoa::find(&[&[31, 20, 0, 0][..], &V4].concat()), None);
    // Behind the end, behind a length of nothing, and in another option.
    assert_eq!(uoa::find(&[&[0][..], &V4].concat()), None);
    assert_eq!(uoa::find(&[&[0, 2][..], &V4].concat()), None);
    assert_eq!(uoa::find(&[&[7, 0][..], &V4].concat()), None);
    assert_eq!(uoa::find(&[&[7, 1][..], &V4].concat()), None);
    assert_eq!(uoa::find(&[&[7, 10][..], &V4].concat()), None);
    assert_eq!(uoa::find(&[31]), None);
    assert_eq!(uoa::find(&[]), None);
}

#[test]
fn a_header_says_where_the_datagram_starts() {
    let read = |bytes: Vec<u8>| uoa::read_opp(&bytes);
    let said = |client, len| Some(Announcement { client, len });
    assert_eq!(read(opp(1, 17, 12, &V4)), said(Some(v4()), 12));
    assert_eq!(read(opp(2, 17, 24, &V6)), said(Some(v6()), 24));
    // The lower half of the first byte is for later versions to use.
    let mut bytes = opp(1, 17, 12, &V4);
    bytes[0] |= 0xf;
    assert_eq!(read(bytes), said(Some(v4()), 12));
    let padded = [&[1, 1, 1, 1][..], &V4, &[0; 4]].concat();
    assert_eq!(read(opp(1, 17, 20, &padded)), said(Some(v4()), 20));
}

#[test]
fn a_header_without_an_address_still_says_it() {
    let said = |len| Some(Announcement { client: None, len });
    assert_eq!(uoa::read_opp(&opp(1, 17, 4, &V4)), said(4), "no options");
    assert_eq!(uoa::read_opp(&opp(1, 17, 8, &V4)), said(8), "cut off");
    assert_eq!(uoa::read_opp(&opp(1, 17, 24, &V6)), said(24), "IPv6 in 1");
    assert_eq!(uoa::read_opp(&opp(2, 17, 12, &V4)), said(12), "IPv4 in 2");
}

#[test]
fn a_header_that_lies_says_nothing() {
    for version in (0..=15).filter(|version| ![1, 2].contains(version)) {
        assert_eq!(uoa::read_opp(&opp(version, 17, 12, &V4)), None);
    }
    for protocol in (0..=255).filter(|protocol| *protocol != 17) {
        assert_eq!(uoa::read_opp(&opp(1, protocol, 12, &V4)), None);
    }
    for len in (0..4).chain([5, 6, 7, 9, 10, 11, 13, 16, 256, 0x0c00, 0xffff]) {
        assert_eq!(uoa::read_opp(&opp(1, 17, len, &V4)), None, "length {len}");
    }
    for cut in 0..12 {
        assert_eq!(uoa::read_opp(&opp(1, 17, 12, &V4)[..cut]), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Any bytes: no panic, no end missed, and what is found was there, whole.
    #[test]
    fn any_list_ends(list in vec(prop_oneof![Just(31u8), Just(8), Just(20), Just(1), any::<u8>()], 0..60)) {
        if let Some(client) = uoa::find(&list) {
            let bytes = client.encode();
            let bytes = &bytes[..client.len()];
            prop_assert!(list.windows(bytes.len()).any(|window| window == bytes));
        }
    }

    /// Any bytes behind the four fixed ones.
    #[test]
    fn any_header_ends(
        version in 0u8..4,
        protocol in prop_oneof![Just(17u8), any::<u8>()],
        len in prop_oneof![0u16..32, any::<u16>()],
        options in vec(prop_oneof![Just(31u8), Just(8), Just(20), Just(1), any::<u8>()], 0..60),
    ) {
        let bytes = opp(version, protocol, len, &options);
        if let Some(Announcement { client, len: read }) = uoa::read_opp(&bytes) {
            prop_assert_eq!(read, usize::from(len));
            prop_assert!(read >= 4 && read % 4 == 0 && read <= bytes.len());
            prop_assert!(protocol == 17 && (1..=2).contains(&version));
            if let Some(client) = client {
                let family = if version == 1 { Family::V4 } else { Family::V6 };
                prop_assert_eq!(client.family, family);
                prop_assert_eq!(uoa::find(&bytes[4..read]), Some(client));
            }
        }
    }

    /// What the director writes, in both forms.
    #[test]
    fn what_is_written_is_read(family: bool, octets: [u8; 16], port: u16) {
        let client = if family {
            Toa { family: Family::V6, address: Address::from_octets(octets), port, ..v6() }
        } else {
            let [a, b, c, d, ..] = octets;
            Toa { address: Address::from_v4([a, b, c, d]), port, ..v4() }
        };
        let opp = Insertion::new(Form::Opp, &client);
        let len = opp.bytes().len();
        prop_assert_eq!(uoa::read_opp(opp.bytes()), Some(Announcement { client: Some(client), len }));
        prop_assert_eq!(uoa::find(Insertion::new(Form::Option, &client).bytes()), Some(client));
    }
}
