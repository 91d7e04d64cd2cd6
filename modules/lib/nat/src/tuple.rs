// SPDX-License-Identifier: GPL-2.0

//! What a packet's addresses and ports are: the key of a flow.

use wire::{Address, Family, Ipv4, Malformed, Tcp, Udp};

/// An IP protocol number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Protocol(pub u8);

impl Protocol {
    /// TCP.
    pub const TCP: Protocol = Protocol(6);
    /// UDP.
    pub const UDP: Protocol = Protocol(17);
}

/// A port, in the order of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Port(pub u16);

impl Port {
    /// From network order.
    #[inline]
    pub const fn from_be_bytes(bytes: [u8; 2]) -> Self {
        Self(u16::from_be_bytes(bytes))
    }

    /// In network order.
    #[inline]
    pub const fn to_be_bytes(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }
}

/// Where a packet comes from and where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// The family of both addresses.
    pub family: Family,
    /// The transport protocol.
    pub protocol: Protocol,
    /// The sender's port.
    pub source_port: Port,
    /// The receiver's port.
    pub destination_port: Port,
    /// The sender.
    pub source: Address,
    /// The receiver.
    pub destination: Address,
}

/// The secret of a hash table: who does not know it cannot choose the chain a packet falls into.
#[derive(Clone, Copy, Debug)]
pub struct HashKey([u64; 2]);

impl HashKey {
    /// From 128 random bits.
    pub const fn new(first: u64, second: u64) -> Self {
        Self([first, second])
    }
}

/// Multiplies and folds: every bit of the input reaches every bit of the output.
#[inline]
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a).wrapping_mul(u128::from(b));
    // CAST: Both halves of the product.
    (product as u64) ^ ((product >> 64) as u64)
}

impl Tuple {
    /// The tuple of an answer.
    #[inline]
    pub const fn reversed(&self) -> Self {
        Self {
            family: self.family,
            protocol: self.protocol,
            source_port: self.destination_port,
            destination_port: self.source_port,
            source: self.destination,
            destination: self.source,
        }
    }

    /// A hash of the whole tuple.
    #[inline]
    pub fn hash(&self, &HashKey([first, second]): &HashKey) -> u32 {
        let word = |bytes: &[u8]| bytes.first_chunk().copied().map_or(0, u32::from_ne_bytes);
        let pair = |a: u32, b: u32| u64::from(a) << 32 | u64::from(b);
        let [p, q] = [self.source_port.0, self.destination_port.0].map(u32::from);
        let ports = pair(p << 16 | q, u32::from(self.protocol.0));
        let (source, destination) = (self.source.octets(), self.destination.octets());
        let mut hash = mix(pair(word(source), word(destination)) ^ first, ports ^ second);
        if self.family == Family::V6 {
            // BOUND: Three more words of each address.
            for at in [4, 8, 12] {
                let tail = |octets: &[u8; 16]| octets.get(at..).map_or(0, word);
                hash = mix(hash ^ first, pair(tail(source), tail(destination)) ^ second);
            }
        }
        // CAST: The halves of a hash are as good as each other.
        (hash ^ (hash >> 32)) as u32
    }

    /// The tuple of an IPv4 packet; fragments have none, nor have other protocols.
    #[inline]
    pub fn of_packet(packet: &[u8]) -> Result<Self, Malformed> {
        let ip = Ipv4::parse(packet)?;
        if ip.is_fragment() {
            return Err(Malformed);
        }
        Self::of_parts(&ip)
    }

    /// The tuple of an IPv4 header and the eight bytes that follow it at least.
    pub(crate) fn of_parts(ip: &Ipv4<'_>) -> Result<Self, Malformed> {
        let protocol = Protocol(ip.protocol());
        if protocol != Protocol::TCP && protocol != Protocol::UDP {
            return Err(Malformed);
        }
        let &[a, b, c, d, ..] = ip.rest().first_chunk::<8>().ok_or(Malformed)?;
        let (source, destination) = ip.addresses();
        Ok(Self {
            family: Family::V4,
            protocol,
            source_port: Port::from_be_bytes([a, b]),
            destination_port: Port::from_be_bytes([c, d]),
            source: Address::from_v4(source),
            destination: Address::from_v4(destination),
        })
    }
}

/// How much of a packet its headers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// So many bytes.
    Ends(usize),
    /// It takes so many bytes to tell.
    Needs(usize),
}

/// Where the headers of a whole IPv4 TCP or UDP packet end, told from its first bytes; asks for more
/// at most twice. The length fields of both headers must agree.
#[inline]
pub fn headers_end(start: &[u8]) -> Result<Extent, Malformed> {
    let ip = Ipv4::parse_fixed(start)?;
    if ip.is_fragment() {
        return Err(Malformed);
    }
    let protocol = Protocol(ip.protocol());
    let fixed = match protocol {
        Protocol::TCP => Tcp::MIN,
        Protocol::UDP => Udp::LEN,
        _ => return Err(Malformed),
    };
    let total = usize::from(ip.total_len());
    let within = |end: usize| if end > total { Err(Malformed) } else { Ok(end) };
    let end = within(ip.header_len().checked_add(fixed).ok_or(Malformed)?)?;
    if start.len() < end {
        return Ok(Extent::Needs(end));
    }
    if protocol == Protocol::UDP {
        let datagram = ip.header_len().checked_add(Udp::parse(ip.rest())?.len());
        within(datagram.ok_or(Malformed)?)?;
        return Ok(Extent::Ends(end));
    }
    let tcp = Tcp::parse_fixed(ip.rest())?;
    let end = within(ip.header_len().checked_add(tcp.header_len()).ok_or(Malformed)?)?;
    Ok(if start.len() < end { Extent::Needs(end) } else { Extent::Ends(end) })
}
