// SPDX-License-Identifier: GPL-2.0

//! Address prefixes of both families, and their text.
//!
//! An IPv4 address is its mapped IPv6 address, `::ffff:a.b.c.d`, as everywhere where the family of an
//! address is not known beforehand.

use core::net::{IpAddr, Ipv6Addr};

/// Leading bits of mapped addresses that all IPv4 addresses share.
const MAPPED_BITS: u8 = 96;

/// All addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    address: u128,
    mask: u128,
}

impl Prefix {
    /// Reads `address/length`, or an address, which is a prefix of its own. Bits behind the length are
    /// of no account.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let slash = len_until(text, |byte| *byte == b'/');
        let (address, length) = match text.split_at_checked(slash)? {
            (address, []) => (address, None),
            (address, [_, digits @ ..]) => (address, Some(number(digits)?)),
        };
        let address: IpAddr = core::str::from_utf8(address).ok()?.parse().ok()?;
        let (address, ahead) = match address {
            IpAddr::V4(v4) => (v4.to_ipv6_mapped(), MAPPED_BITS),
            IpAddr::V6(v6) => (v6, 0),
        };
        let longest = 128u8.wrapping_sub(ahead);
        let length = length.unwrap_or(longest);
        if length > longest {
            return None;
        }
        // The sum is at most 128; a shift by that much leaves nothing.
        let host = 128u32.wrapping_sub(u32::from(ahead.wrapping_add(length)));
        let mask = u128::MAX.checked_shl(host).unwrap_or(0);
        Some(Self {
            address: u128::from(address) & mask,
            mask,
        })
    }

    /// Whether an address begins with these bits.
    #[inline]
    pub fn contains(&self, address: Ipv6Addr) -> bool {
        u128::from(address) & self.mask == self.address
    }
}

/// A number of up to three decimal digits.
pub(crate) fn number(digits: &[u8]) -> Option<u8> {
    if digits.is_empty() || digits.len() > 3 {
        return None;
    }
    // BOUND: Three digits.
    digits.iter().try_fold(0u8, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// How many bytes there are before the first one that `is_it`. `Iterator::position()` could panic.
fn len_until(bytes: &[u8], is_it: impl Fn(&u8) -> bool) -> usize {
    let mut len = 0usize;
    // BOUND: The number of bytes.
    while bytes.get(len).is_some_and(|byte| !is_it(byte)) {
        len = len.wrapping_add(1);
    }
    len
}

/// The words of a list; spaces, commas and line ends are between them.
pub fn words(list: &[u8]) -> Words<'_> {
    Words { rest: list }
}

/// See [`words`].
#[derive(Clone, Debug)]
pub struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let is_between = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b',');
        // BOUND: The length of the list.
        while let Some((first, rest)) = self.rest.split_first() {
            if !is_between(first) {
                break;
            }
            self.rest = rest;
        }
        let (word, rest) = self
            .rest
            .split_at_checked(len_until(self.rest, is_between))?;
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }
}
