// SPDX-License-Identifier: GPL-2.0

//! Which TCP options a real server takes for a client's address: pairs of kind and length.
//!
//! A length says what is inside: 8 and 20 are port and address ([`Toa`](crate::toa::Toa)), 7 and 19 a
//! byte of version and an address, as CDNs send it.

use core::net::{Ipv4Addr, Ipv6Addr};

use crate::prefix::{number, words};
use crate::tcp_options::{self, Options, FAST_OPEN, MPTCP, TIMESTAMPS};
use crate::toa::{LEN_V4, LEN_V6};
use crate::{be16, Address, Family};

/// An IPv4 address without a port.
const LEN_V4_PORTLESS: usize = 7;
/// An IPv6 address without a port.
const LEN_V6_PORTLESS: usize = 19;

/// MD5 signatures (RFC 2385).
const MD5: u8 = 19;
/// TCP-AO (RFC 5925).
const AO: u8 = 29;

/// A client, as an option names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The address; an IPv4 address in its mapped form.
    pub address: Ipv6Addr,
    /// The port, if the option has room for one.
    pub port: Option<u16>,
}

/// A set of kinds and lengths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forms {
    /// For each kind the lengths that are taken, as bits.
    lengths: [u8; 256],
}

impl Forms {
    /// What the known senders with a port use: DPVS and Alibaba's LVS, the latter with IPv6, LVS's first
    /// FullNAT and dsnat.
    pub const DEFAULT: &'static str = "254/8 254/20 253/20 200/8";

    /// Reads `kind/length` pairs, with spaces or commas between them. There must be one, and none may
    /// be a kind that the kernel's TCP reads.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut forms = Self { lengths: [0; 256] };
        let mut any = false;
        // BOUND: The length of the text.
        for word in words(text) {
            let mut halves = word.splitn(2, |byte| *byte == b'/');
            let kind = number(halves.next()?).filter(|kind| is_free(*kind))?;
            let bit = bit_of(usize::from(number(halves.next()?)?))?;
            *forms.lengths.get_mut(usize::from(kind))? |= bit;
            any = true;
        }
        any.then_some(forms)
    }

    /// The client that the first option of these names.
    #[inline]
    pub fn find(&self, list: &[u8]) -> Option<Named> {
        // Most segments have one of these two.
        if list.is_empty() || tcp_options::is_timestamps_only(list) {
            return None;
        }
        Options::new(list)
            .filter(|option| self.has(option.kind, option.bytes.len()))
            .find_map(|option| decode(option.bytes))
    }

    #[inline]
    fn has(&self, kind: u8, len: usize) -> bool {
        let taken = self.lengths.get(usize::from(kind)).copied().unwrap_or(0);
        taken != 0 && bit_of(len).is_some_and(|bit| taken & bit != 0)
    }
}

/// The bit of a length that holds an address.
fn bit_of(len: usize) -> Option<u8> {
    match len {
        LEN_V4_PORTLESS => Some(1),
        LEN_V4 => Some(2),
        LEN_V6_PORTLESS => Some(4),
        LEN_V6 => Some(8),
        _ => None,
    }
}

/// Whether a kind has no other use in the kernel's TCP.
fn is_free(kind: u8) -> bool {
    !matches!(kind, 0..=5 | TIMESTAMPS | MD5 | AO | MPTCP | FAST_OPEN)
}

/// What an option of one of these lengths says.
fn decode(option: &[u8]) -> Option<Named> {
    let has_port = matches!(option.len(), LEN_V4 | LEN_V6);
    let (address, family) = Address::of_bytes(option.get(if has_port { 4 } else { 3 }..)?)?;
    Some(Named {
        address: match family {
            Family::V4 => Ipv4Addr::from(address.v4()).to_ipv6_mapped(),
            Family::V6 => Ipv6Addr::from(*address.octets()),
        },
        port: if has_port { be16(option, 2) } else { None },
    })
}
