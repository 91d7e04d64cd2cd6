// SPDX-License-Identifier: GPL-2.0
//! Which options a real server takes for a client's address.

use proptest::collection::vec;
use proptest::prelude::*;
use wire::toa_forms::{Forms, Named};

const V4: [u8; 4] = [203, 0, 113, 7];
const V6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// An option of a client at port 51234.
fn option(kind: u8, len: u8) -> Vec<u8> {
    let middle: &[u8] = if matches!(len, 7 | 19) {
        &[1]
    } else {
        &[0xc8, 0x22]
    };
    let address: &[u8] = if len < 10 { &V4 } else { &V6 };
    [&[kind, len], middle, address].concat()
}

fn named(len: u8) -> Named {
    let address = if len < 10 {
        "::ffff:203.0.113.7"
    } else {
        "2001:db8::1"
    };
    Named {
        address: address.parse().unwrap(),
        port: matches!(len, 8 | 20).then_some(51234),
    }
}

fn default() -> Forms {
    Forms::parse(Forms::DEFAULT.as_bytes()).unwrap()
}

#[test]
fn the_default_is_what_the_known_senders_use() {
    let taken = [(254, 8), (254, 20), (253, 20), (200, 8)];
    for kind in 0..=255 {
        for len in [7, 8, 19, 20] {
            let wanted = taken.contains(&(kind, len)).then(|| named(len));
            assert_eq!(default().find(&option(kind, len)), wanted, "{kind}/{len}");
        }
    }
}

#[test]
fn any_other_can_be_asked_for() {
    for (kind, len) in [(28, 7), (28, 19), (252, 8), (6, 20), (255, 7)] {
        let forms = Forms::parse(format!("{kind}/{len}").as_bytes()).unwrap();
        assert_eq!(forms.find(&option(kind, len)), Some(named(len)));
        assert_eq!(
            forms.find(&option(254, 8)),
            None,
            "nothing but what was asked for"
        );
    }
    // User Timeout (RFC 5482) has the kind, too.
    let forms = Forms::parse(b"28/7,28/19").unwrap();
    assert_eq!(
        forms.find(&[28, 4, 0, 1, 28, 7, 1, 203, 0, 113, 7]),
        Some(named(7))
    );
}

#[test]
fn the_first_one_wins() {
    let other = [254, 8, 0, 1, 198, 51, 100, 1];
    assert_eq!(
        default().find(&[option(200, 8), other.to_vec()].concat()),
        Some(named(8))
    );
    assert_eq!(
        default().find(&[&[1, 1][..], &option(253, 20), &other].concat()),
        Some(named(20))
    );
}

#[test]
fn is_not_read_from_anything_else() {
    for text in [
        "",
        " ",
        "254",
        "254/",
        "/8",
        "254/9",
        "254/4",
        "256/8",
        "254/8/8",
        "x/8",
        "254/8 nonsense",
        "0/8",
        "1/8",
        "2/8",
        "3/8",
        "4/8",
        "5/8",
        "8/8",
        "19/8",
        "29/8",
        "30/8",
        "34/8",
    ] {
        assert_eq!(Forms::parse(text.as_bytes()), None, "{text}");
    }
}

proptest! {
    #[test]
    fn nothing_panics(text: Vec<u8>, list in vec(any::<u8>(), 0..=40)) {
        if let Some(forms) = Forms::parse(&text) {
            forms.find(&list);
        }
        default().find(&list);
    }

    #[test]
    fn what_is_found_is_in_the_list(list in vec(prop_oneof![
        any::<u8>(), Just(254u8), Just(8), Just(20), Just(1), Just(253), Just(200)
    ], 0..=40)) {
        if let Some(named) = default().find(&list) {
            let mapped = named.address.octets();
            let address: &[u8] = if named.address.to_ipv4_mapped().is_some() { &mapped[12..] } else { &mapped };
            let body = [&named.port.unwrap().to_be_bytes(), address].concat();
            prop_assert!(list.windows(body.len()).any(|window| window == body));
        }
    }

    #[test]
    fn an_option_is_found_behind_any_others(lens in vec(2u8..=6, 0..4)) {
        let mut list: Vec<u8> = lens.iter().flat_map(|&len| {
            let mut other = vec![0u8; usize::from(len)];
            other[..2].copy_from_slice(&[77, len]);
            other
        }).collect();
        list.extend(option(254, 8));
        prop_assert_eq!(default().find(&list), Some(named(8)));
    }
}
