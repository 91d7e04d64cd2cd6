// SPDX-License-Identifier: GPL-2.0

//! UOA: the client's address in front of a UDP datagram, as an IP option or behind a header of its
//! own.
//!
//! The option is laid out like [`crate::toa`]'s: kind, length, port, address. Routers that are slow
//! with IP options are spared them by a private protocol, OPP: four bytes (version of the client's
//! family, next protocol, length of header and option), the option, and then the datagram.
//!
//! Counterpart: DPVS, `uoa.ko`.

use crate::toa::{Toa, LEN_V4, LEN_V6};
use crate::Family;

/// Number of the IP option: not copied to fragments, class control.
pub const OPTION: u8 = 31;
/// IP protocol and IPv6 next header number of OPP.
pub const OPP_PROTOCOL: u8 = 248;
/// Bytes of the fixed part of an OPP header.
const OPP_FIXED: usize = 4;
/// Bytes of the longest OPP header.
pub const OPP_MAX: usize = OPP_FIXED + LEN_V6;

/// An OPP header: the client, and the protocol that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opp {
    /// The client; its `kind` is [`OPTION`].
    pub client: Toa,
    /// The IP protocol number of what follows the header.
    pub protocol: u8,
}

impl Opp {
    /// Bytes of the header with its option.
    #[inline]
    #[expect(clippy::len_without_is_empty)]
    pub const fn len(&self) -> usize {
        match self.client.family {
            Family::V4 => OPP_FIXED + LEN_V4,
            Family::V6 => OPP_FIXED + LEN_V6,
        }
    }

    /// The header in the first [`len`](Self::len) bytes.
    pub fn encode(&self) -> [u8; OPP_MAX] {
        let mut bytes = [0; OPP_MAX];
        let version = match self.client.family {
            Family::V4 => 1,
            Family::V6 => 2,
        };
        // CAST: Twelve or twenty-four.
        crate::put(
            &mut bytes,
            0,
            [version << 4, self.protocol, 0, self.len() as u8],
        );
        crate::put(&mut bytes, OPP_FIXED, self.client.encode());
        bytes
    }

    /// Reads the header at the start of `bytes`; `None` if it is cut short or contradicts itself.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&[version, protocol, high, low], _) = bytes.split_first_chunk()?;
        let len = usize::from(u16::from_be_bytes([high, low]));
        let client = Toa::decode(bytes.get(OPP_FIXED..len)?)?;
        let header = Self { client, protocol };
        let family = match version >> 4 {
            1 => Family::V4,
            2 => Family::V6,
            _ => return None,
        };
        (client.kind == OPTION && client.family == family).then_some(header)
    }
}
