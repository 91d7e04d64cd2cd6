// SPDX-License-Identifier: GPL-2.0

//! IPv6 extension headers (RFC 8200, section 4): the way from the fixed header to what it carries.
//!
//! Those that every router or host may skip are followed. Authentication and encryption are not:
//! nothing behind them is ours to change, so they count as what the packet carries.
//!
//! Kernel counterpart: `ipv6_skip_exthdr()`.

use crate::{Ipv6, Malformed};

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
/// The next header number of a fragment header.
pub const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;

/// Bytes of a fragment header, and of the shortest of the others.
pub const FRAGMENT_LEN: usize = 8;

/// Extension headers that are followed, at most.
const MOST: usize = 8;

/// What is said of a datagram's part (RFC 8200, section 4.5; RFC 791).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// What all parts of the datagram share.
    pub id: u32,
    /// Where the part begins, in units of eight bytes.
    pub offset: u16,
    /// Whether there are further parts.
    pub more: bool,
}

impl Fragment {
    /// Whether the datagram has other parts.
    #[inline]
    pub const fn is_part(&self) -> bool {
        self.more || self.offset != 0
    }

    /// The header, in front of what has this protocol number.
    pub fn encode(&self, protocol: u8) -> [u8; FRAGMENT_LEN] {
        let [high, low] = ((self.offset << 3) | u16::from(self.more)).to_be_bytes();
        let [a, b, c, d] = self.id.to_be_bytes();
        [protocol, 0, high, low, a, b, c, d]
    }
}

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upper {
    /// Its protocol number.
    pub protocol: u8,
    /// Its offset.
    pub at: usize,
    /// What a fragment header says. An atomic fragment (RFC 6946) has one and is no part of anything.
    pub fragment: Option<Fragment>,
    /// Offset of the number of addresses still to be visited, if there are any: the destination
    /// address is not the last one then.
    pub segments_left: Option<usize>,
}

/// How far the headers could be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chain {
    /// To the end.
    Ends(Upper),
    /// It takes so many bytes of the packet to go on.
    Needs(usize),
}

/// Follows the headers of an IPv6 packet, of which at least the fixed one is there.
#[inline]
pub fn walk(packet: &[u8]) -> Result<Chain, Malformed> {
    let ip = Ipv6::parse(packet)?;
    let mut upper = Upper {
        protocol: ip.next_header(),
        at: Ipv6::LEN,
        fragment: None,
        segments_left: None,
    };
    // BOUND: So many headers.
    for _ in 0..=MOST {
        let is_later_part = upper.fragment.is_some_and(|fragment| fragment.offset != 0);
        let is_extension = matches!(
            upper.protocol,
            HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION
        );
        if is_later_part || !is_extension {
            return Ok(Chain::Ends(upper));
        }
        let fixed = upper.at.saturating_add(FRAGMENT_LEN);
        if fixed > ip.total_len() {
            return Err(Malformed);
        }
        let header = packet.get(upper.at..).and_then(<[u8]>::first_chunk);
        let Some(header) = header else {
            return Ok(Chain::Needs(fixed));
        };
        upper = upper.skip(header)?;
        if upper.at > ip.total_len() {
            return Err(Malformed);
        }
    }
    Err(Malformed)
}

impl Upper {
    /// Steps over the extension header that begins with these bytes.
    fn skip(self, header: &[u8; FRAGMENT_LEN]) -> Result<Self, Malformed> {
        let &[next, units, high, low, a, b, c, d] = header;
        let mut upper = self;
        let mut len = FRAGMENT_LEN;
        match self.protocol {
            FRAGMENT if self.fragment.is_some() => return Err(Malformed),
            FRAGMENT => {
                let place = u16::from_be_bytes([high, low]);
                upper.fragment = Some(Fragment {
                    id: u32::from_be_bytes([a, b, c, d]),
                    offset: place >> 3,
                    more: place & 1 != 0,
                });
            }
            protocol => {
                len = len.saturating_add(usize::from(units) << 3);
                if protocol == ROUTING && low != 0 {
                    upper.segments_left = Some(self.at.saturating_add(3));
                }
            }
        }
        upper.protocol = next;
        upper.at = self.at.saturating_add(len);
        Ok(upper)
    }
}
