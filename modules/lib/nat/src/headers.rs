// SPDX-License-Identifier: GPL-2.0

//! The headers of a packet, read once on its way through the director.

use wire::{Delta, Family, Ipv4, Ipv6, Malformed, Sctp, Tcp, Udp};

use crate::network::{is_v6, Network};
use crate::rewrite::change;
use crate::{Port, Protocol, Tuple};

/// The headers of a whole TCP, UDP or SCTP packet, as they are now: who changes the packet keeps
/// them true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers {
    /// Addresses and ports.
    pub tuple: Tuple,
    /// Bytes of the network header, with options or extension headers: where the transport header
    /// starts.
    pub transport: usize,
    /// Where the transport header ends, with its options.
    pub end: usize,
    /// Bytes of the packet, as its network header claims; of a packet too long to say so, its length.
    pub total_len: usize,
    /// Time to live, or hop limit.
    pub hops: u8,
    /// Whether routers may not fragment it.
    pub dont_fragment: bool,
}

/// Why a packet has no [`Headers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It takes so many bytes of the packet to tell.
    Needs(usize),
    /// Headers cut short or contradicting each other.
    Malformed,
    /// A part of a datagram.
    Fragment,
    /// ICMP or ICMPv6.
    Icmp,
    /// Another protocol.
    Foreign,
}

impl Unfit {
    /// The same, as of [`Detour::taken`](crate::Detour::taken).
    #[cold]
    #[inline(never)]
    fn taken(self) -> Self {
        self
    }
}

impl From<Malformed> for Unfit {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl Headers {
    /// Reads the headers from the first bytes of a packet that is `len` bytes long: twenty bytes at
    /// least for IPv4 and forty for IPv6. Asks for more a few times. The length fields of both headers
    /// must agree.
    #[inline(always)]
    pub fn parse(start: &[u8], len: usize) -> Result<Self, Unfit> {
        match is_v6(start) {
            true => Self::parse_v6(start, len),
            false => Self::behind(Network::of_v4(start)?, start, len),
        }
    }

    /// Out of line, as IPv6 with extension headers takes its time.
    fn parse_v6(start: &[u8], len: usize) -> Result<Self, Unfit> {
        Self::behind(Network::of_v6(start)?, start, len)
    }

    /// Reads what is behind the network header.
    #[inline(always)]
    pub(crate) fn behind(ip: Network, start: &[u8], len: usize) -> Result<Self, Unfit> {
        if ip.is_fragment {
            return Err(Unfit::Fragment.taken());
        }
        let fixed = match ip.protocol {
            Protocol::TCP => Tcp::MIN,
            Protocol::UDP => Udp::LEN,
            Protocol::SCTP => Sctp::LEN,
            Protocol::ICMP | Protocol::ICMPV6 => return Err(Unfit::Icmp),
            _ => return Err(Unfit::Foreign),
        };
        // A super-packet beyond 64 KiB has no place for its length.
        let total_len = if len > usize::from(u16::MAX) {
            len
        } else {
            ip.total_len
        };
        let holds = |len: usize| {
            let end = ip.header_len.checked_add(len);
            end.is_some_and(|end| end <= total_len)
        };
        if !holds(fixed) {
            return Err(Unfit::Malformed.taken());
        }
        let mut end = ip.header_len.saturating_add(fixed);
        let Some(transport) = start.get(ip.header_len..end) else {
            return Err(Unfit::Needs(end));
        };
        if ip.protocol == Protocol::UDP {
            match Udp::parse(transport) {
                Ok(udp) if holds(udp.len()) => {}
                _ => return Err(Unfit::Malformed.taken()),
            }
        } else if ip.protocol == Protocol::TCP {
            let len = Tcp::parse_fixed(transport)?.header_len();
            if !holds(len) {
                return Err(Unfit::Malformed.taken());
            }
            end = ip.header_len.saturating_add(len);
            if start.len() < end {
                return Err(Unfit::Needs(end));
            }
        }
        let &[a, b, c, d] = transport.first_chunk().ok_or(Malformed)?;
        Ok(Self {
            tuple: Tuple {
                family: ip.family,
                protocol: ip.protocol,
                source_port: Port::from_be_bytes([a, b]),
                destination_port: Port::from_be_bytes([c, d]),
                source: ip.source,
                destination: ip.destination,
            },
            transport: ip.header_len,
            end,
            total_len,
            hops: ip.hops,
            dont_fragment: ip.dont_fragment,
        })
    }

    /// Says in the network header of `packet` that the packet is `total` bytes long; at most 64 KiB.
    pub fn resize(&mut self, packet: &mut [u8], total: usize) -> Option<()> {
        let (at, counted) = match self.tuple.family {
            Family::V4 => (Ipv4::LENGTH, total),
            Family::V6 => (Ipv6::LENGTH, total.checked_sub(Ipv6::LEN)?),
        };
        let new = u16::try_from(counted).ok()?.to_be_bytes();
        let field = packet.get_mut(at..)?.first_chunk_mut()?;
        let delta = Delta::of_word(*field, new);
        *field = new;
        if self.tuple.family == Family::V4 {
            change(packet, Ipv4::CHECK, |check| delta.apply(check));
        }
        self.total_len = total;
        Some(())
    }

    /// The network header is another one, `len` bytes long.
    pub fn replace_network(&mut self, len: usize, hops: u8, dont_fragment: bool) {
        self.total_len = len.saturating_add(self.transport_len());
        self.end = len.saturating_add(self.end.saturating_sub(self.transport));
        self.transport = len;
        self.hops = hops;
        self.dont_fragment = dont_fragment;
    }

    /// Bytes of the transport header and its data.
    #[inline]
    pub fn transport_len(&self) -> usize {
        self.total_len.saturating_sub(self.transport)
    }
}
