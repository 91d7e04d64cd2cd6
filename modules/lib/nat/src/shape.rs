// SPDX-License-Identifier: GPL-2.0

//! What nearly all packets begin with.
//!
//! In a packet of one of these shapes everything has its fixed place. Code that is compiled for a shape
//! need not ask what there is and how long it is, and keeps headers in registers: with one copy of it
//! for each, a packet costs the fast path a third less.

use wire::{Family, Ipv6, Tcp, Udp};

use crate::network::{Network, V4_LEN};
use crate::{Headers, Protocol, Tuple, Unfit};

/// A network header without options or extension headers, and a transport header without options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// UDP over IPv4.
    Udp4,
    /// TCP over IPv4.
    Tcp4,
    /// UDP over IPv6.
    Udp6,
    /// TCP over IPv6.
    Tcp6,
}

/// Bytes of the headers of packets of a shape.
pub const UDP4: usize = V4_LEN + Udp::LEN;
/// As above.
pub const TCP4: usize = V4_LEN + Tcp::MIN;
/// As above.
pub const UDP6: usize = Ipv6::LEN + Udp::LEN;
/// As above.
pub const TCP6: usize = Ipv6::LEN + Tcp::MIN;

impl Shape {
    /// The shape of the packet that begins with these bytes, which hold its headers.
    #[inline(always)]
    pub fn of(start: &[u8]) -> Option<Self> {
        let least: &[u8; UDP4] = start.first_chunk()?;
        // Five words are no options, in either header.
        let has_five_words = |transport: usize| {
            let header: Option<&[u8; Tcp::MIN]> = start.get(transport..)?.first_chunk();
            header?.get(Tcp::OFFSET_FLAGS).map(|byte| byte >> 4 == 5)
        };
        let &[first, _, _, _, _, _, next_header, _, _, protocol, ..] = least;
        match (first, Protocol(protocol), Protocol(next_header)) {
            (0x45, Protocol::UDP, _) => Some(Self::Udp4),
            (0x45, Protocol::TCP, _) if has_five_words(V4_LEN)? => Some(Self::Tcp4),
            (0x60..=0x6f, _, Protocol::UDP) if start.len() >= UDP6 => Some(Self::Udp6),
            (0x60..=0x6f, _, Protocol::TCP) if has_five_words(Ipv6::LEN)? => Some(Self::Tcp6),
            _ => None,
        }
    }

    /// The shape by its length: no two are alike.
    #[inline(always)]
    pub const fn of_len(len: usize) -> Option<Self> {
        match len {
            UDP4 => Some(Self::Udp4),
            TCP4 => Some(Self::Tcp4),
            UDP6 => Some(Self::Udp6),
            TCP6 => Some(Self::Tcp6),
            _ => None,
        }
    }

    /// The family.
    #[inline(always)]
    pub const fn family(self) -> Family {
        match self {
            Self::Udp4 | Self::Tcp4 => Family::V4,
            Self::Udp6 | Self::Tcp6 => Family::V6,
        }
    }

    #[inline(always)]
    const fn protocol(self) -> Protocol {
        match self {
            Self::Udp4 | Self::Udp6 => Protocol::UDP,
            Self::Tcp4 | Self::Tcp6 => Protocol::TCP,
        }
    }

    /// Bytes of both headers.
    #[inline(always)]
    const fn len(self) -> usize {
        match self {
            Self::Udp4 => UDP4,
            Self::Tcp4 => TCP4,
            Self::Udp6 => UDP6,
            Self::Tcp6 => TCP6,
        }
    }
}

impl Headers {
    /// What [`parse`](Self::parse) makes of a packet of that shape. `start` holds its headers.
    #[inline(always)]
    pub fn of_shape(shape: Shape, start: &[u8], len: usize) -> Result<Self, Unfit> {
        let ip = match shape.family() {
            Family::V4 => {
                let ip = Network::of_plain_v4(start.first_chunk().ok_or(Unfit::Malformed)?);
                // Asked here, too, because beyond 64 KiB nobody asks below.
                match ip.total_len < V4_LEN {
                    true => return Err(Unfit::Malformed),
                    false => ip,
                }
            }
            Family::V6 => Network::of_plain_v6(start)?,
        };
        // As a constant.
        let protocol = shape.protocol();
        let ip = Network { protocol, ..ip };
        let headers = Self::behind(ip, start, len)?;
        Ok(Self {
            end: shape.len(),
            ..headers
        })
    }

    /// The same headers, which are of that shape: said once more, as compilers forget a constant that was
    /// compared with what a flow says.
    #[inline(always)]
    pub fn with_shape(self, shape: Shape) -> Self {
        Self {
            tuple: Tuple {
                family: shape.family(),
                protocol: shape.protocol(),
                ..self.tuple
            },
            ..self
        }
    }
}
