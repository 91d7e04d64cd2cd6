// SPDX-License-Identifier: GPL-2.0
//! What the tests of the codecs share.

use std::net::IpAddr;

use ipvs_netlink::{Protocol, ServiceId};

/// Bytes from hexadecimal digits; everything else is layout.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .collect();
    let pairs = digits.chunks(2);
    pairs
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap())
        .collect()
}

/// An address.
pub(crate) fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The service of all tests.
pub(crate) fn web() -> ServiceId {
    ServiceId::Address {
        protocol: Protocol::TCP,
        addr: addr("10.0.96.204"),
        port: 80,
    }
}

/// Shows a parser every beginning of a message, and every message with one byte changed; it must
/// survive them all.
pub(crate) fn damage(whole: &[u8], parse: impl Fn(&[u8])) {
    for end in 0..whole.len() {
        parse(&whole[..end]);
    }
    for place in 0..whole.len() {
        for value in [0, 1, 3, 5, 0x7f, 0x80, 0xff] {
            let mut damaged = whole.to_vec();
            damaged[place] = value;
            parse(&damaged);
        }
    }
}
