// SPDX-License-Identifier: GPL-2.0

//! UOA: the client's address in front of a UDP datagram, as an IP option or behind a header of its
//! own.
//!
//! The option is laid out like [`crate::toa`]'s: kind, length, port, address. Routers that are slow
//! with IP options are spared them by a private protocol, OPP: four bytes (version of the client's
//! family, next protocol, length of header and option), the option, and then the datagram.
//!
//! Neither form touches the datagram. Its checksum stays what it was: it covers a pseudo header of
//! the datagram's own length and protocol 17, and the receiver verifies it when it has taken the
//! address out again. DPVS sends zero, "no checksum", with OPP over IPv4, since its NICs cannot do
//! better; over IPv6 that is not allowed (RFC 8200, section 8.1), and it sends what we send.
//!
//! What a real server reads it from may come from anybody: [`find`] and [`read_opp`] believe no length.
//!
//! Counterpart: DPVS, `uoa.ko`.

use crate::ipv4::MIN as IPV4_MIN;
use crate::toa::{Toa, LEN_V4, LEN_V6};
use crate::{be16, put, Delta, Family, Ipv4, Ipv6};

/// Number of the IP option: not copied to fragments, class control.
pub const OPTION: u8 = 31;
/// IP protocol and IPv6 next header number of OPP.
pub const OPP_PROTOCOL: u8 = 248;
/// IP protocol number of UDP.
const UDP: u8 = 17;
/// Bytes of the fixed part of an OPP header.
const OPP_FIXED: usize = 4;
/// Bytes of the longest OPP header.
pub const OPP_MAX: usize = OPP_FIXED + LEN_V6;
/// Bytes of the longest IPv4 header.
const IPV4_MAX: usize = 60;
/// End of Option List and No-Operation, of IP as of TCP.
const END: u8 = 0;
const NOP: u8 = 1;
/// Offset of the next header's number in an IPv6 header.
const NEXT_HEADER: usize = 6;

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
        put(
            &mut bytes,
            0,
            [version << 4, self.protocol, 0, self.len() as u8],
        );
        put(&mut bytes, OPP_FIXED, self.client.encode());
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

/// The client that an IP option names, the first that there is. `options` is what follows an IPv4
/// header's fixed part.
///
/// The list ends where it says so, and where a length makes no sense.
pub fn find(options: &[u8]) -> Option<Toa> {
    let mut rest = options;
    // BOUND: Every round goes on by a byte at least.
    loop {
        let len = match *rest {
            [NOP, ..] => 1,
            [kind, len, ..] if kind != END && len >= 2 => usize::from(len),
            _ => return None,
        };
        let (option, behind) = rest.split_at_checked(len)?;
        if let (&[OPTION, ..], Some(client)) = (option, Toa::decode(option)) {
            return Some(client);
        }
        rest = behind;
    }
}

/// What a receiver makes of an OPP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The client, if an option names one that is of the header's version.
    pub client: Option<Toa>,
    /// Bytes of the header with its options: where the datagram starts.
    pub len: usize,
}

/// Reads the OPP header of a datagram at the start of `bytes`; `None` if there is no telling where the
/// datagram starts, or if it is none.
///
/// More is let pass than [`Opp::decode`] does: other options, before and behind. Who sends nonsense
/// instead of an address has sent a datagram without one.
pub fn read_opp(bytes: &[u8]) -> Option<Announcement> {
    let (&[version, protocol, high, low], _) = bytes.split_first_chunk()?;
    let len = usize::from(u16::from_be_bytes([high, low]));
    if protocol != UDP || len % 4 != 0 {
        return None;
    }
    let family = match version >> 4 {
        1 => Family::V4,
        2 => Family::V6,
        _ => return None,
    };
    let options = bytes.get(OPP_FIXED..len)?;
    let client = find(options).filter(|client| client.family == family);
    Some(Announcement { client, len })
}

/// Corrects the network header at the start of `packet`, from which an OPP header of `len` bytes was taken
/// out: the packet's length now. A checksum that was wrong stays wrong.
pub fn taken_out(packet: &mut [u8], len: usize) -> Option<usize> {
    let len = u16::try_from(len).ok()?;
    if let Ok(ip) = Ipv6::parse(packet) {
        let payload_len = be16(packet, Ipv6::LENGTH)?.checked_sub(len)?;
        let total = ip.total_len().checked_sub(usize::from(len))?;
        put(packet, Ipv6::LENGTH, payload_len.to_be_bytes());
        put(packet, NEXT_HEADER, [UDP]);
        return Some(total);
    }
    let old = *packet.first_chunk::<IPV4_MIN>()?;
    let new = packet.first_chunk_mut::<IPV4_MIN>()?;
    let [_, _, high, low, _, _, _, _, _, protocol, ..] = new;
    let total = u16::from_be_bytes([*high, *low]).checked_sub(len)?;
    [*high, *low] = total.to_be_bytes();
    *protocol = UDP;
    let delta = Delta::between(&old, new);
    fix(new, delta);
    Some(total.into())
}

/// How the address travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As an IP option, from IPv4 client to IPv4 server.
    Option,
    /// In a header of its own.
    Opp,
}

/// Why the address has no place in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No room among the IP options, or extension headers in the way.
    HeaderFull,
    /// The packet would grow by more than `room` bytes.
    TooLong,
    /// The form is not for these families, or the packet is no UDP datagram: no other packet of the
    /// flow does better.
    Family,
}

/// What brings a client's address into a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insertion {
    bytes: [u8; OPP_MAX],
    len: usize,
    at: usize,
    form: Form,
}

impl Insertion {
    /// The bytes that are inserted, by themselves: a stand-alone packet's.
    pub fn new(form: Form, client: &Toa) -> Self {
        let client = Toa {
            kind: OPTION,
            ..*client
        };
        let (bytes, len) = match form {
            Form::Option => {
                let mut bytes = [0; OPP_MAX];
                put(&mut bytes, 0, client.encode());
                (bytes, client.len())
            }
            Form::Opp => {
                let header = Opp {
                    client,
                    protocol: UDP,
                };
                (header.encode(), header.len())
            }
        };
        Self {
            bytes,
            len,
            at: IPV4_MIN,
            form,
        }
    }

    /// Finds the place in a UDP packet that may grow by `room` bytes: `packet` holds its network
    /// header at least.
    pub fn place(form: Form, client: &Toa, packet: &[u8], room: usize) -> Result<Self, Refusal> {
        let mut insertion = Self::new(form, client);
        let (at, total) = match (Ipv4::parse(packet), Ipv6::parse(packet)) {
            (Ok(ip), _) => {
                let at = insertion.place_v4(&ip, client)?;
                (at, usize::from(ip.total_len()))
            }
            (_, Ok(ip)) => match (form, ip.next_header()) {
                (Form::Option, _) => return Err(Refusal::Family),
                (Form::Opp, UDP) => (Ipv6::LEN, ip.total_len().saturating_sub(Ipv6::LEN)),
                (Form::Opp, _) => return Err(Refusal::HeaderFull),
            },
            _ => return Err(Refusal::Family),
        };
        let total = total.saturating_add(insertion.len);
        if insertion.len > room || total > usize::from(u16::MAX) {
            return Err(Refusal::TooLong);
        }
        insertion.at = at;
        Ok(insertion)
    }

    fn place_v4(&self, ip: &Ipv4<'_>, client: &Toa) -> Result<usize, Refusal> {
        match self.form {
            _ if ip.protocol() != UDP => Err(Refusal::Family),
            Form::Opp => Ok(ip.header_len()),
            Form::Option if client.family != Family::V4 => Err(Refusal::Family),
            Form::Option if ip.header_len().saturating_add(self.len) > IPV4_MAX => {
                Err(Refusal::HeaderFull)
            }
            // In front of other options: readers take the first that they find.
            Form::Option => Ok(IPV4_MIN),
        }
    }

    /// The form that was asked for.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Where the bytes go.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    /// Corrects the network header at the start of `packet`, in which the bytes are by now.
    pub fn announce(&self, packet: &mut [u8]) {
        // CAST: At most 24; `place` has seen to it that the sums below stay within 16 bits.
        let len = self.len as u16;
        if Ipv6::parse(packet).is_ok() {
            let payload_len = be16(packet, Ipv6::LENGTH).unwrap_or(0).wrapping_add(len);
            put(packet, Ipv6::LENGTH, payload_len.to_be_bytes());
            put(packet, NEXT_HEADER, [OPP_PROTOCOL]);
            return;
        }
        let Some(&old) = packet.first_chunk::<IPV4_MIN>() else {
            return;
        };
        let Some(new) = packet.first_chunk_mut::<IPV4_MIN>() else {
            return;
        };
        let [version, _, high, low, _, _, _, _, _, protocol, ..] = new;
        [*high, *low] = u16::from_be_bytes([*high, *low])
            .wrapping_add(len)
            .to_be_bytes();
        let options = match self.form {
            // Two words of four bytes more.
            Form::Option => {
                *version = version.wrapping_add(2);
                Delta::inserted(self.bytes())
            }
            Form::Opp => {
                *protocol = OPP_PROTOCOL;
                Delta::NONE
            }
        };
        let delta = Delta::between(&old, new).then(options);
        fix(new, delta);
    }
}

/// Overwrites IP options that claim to be a client's address with No-Operations, and corrects the
/// header's checksum: how many. `header` is an IPv4 header with all its options.
///
/// Nothing ends the list but its last byte and a length that makes no sense: there are readers that
/// go on behind End of Option List.
pub fn remove_forged(header: &mut [u8]) -> usize {
    let mut before = [0; IPV4_MAX];
    // No header is longer.
    let Some(before) = before.get_mut(..header.len()) else {
        return 0;
    };
    before.copy_from_slice(header);
    let mut removed = 0usize;
    let mut at = IPV4_MIN;
    // BOUND: Every round goes on by a byte at least.
    while let Some(rest) = header.get_mut(at..) {
        let len = match *rest {
            [END | NOP, ..] => 1,
            [_, len, ..] if len >= 2 => usize::from(len),
            _ => break,
        };
        let Some(option) = rest.get_mut(..len) else {
            break;
        };
        if let [OPTION, ..] = option {
            option.fill(NOP);
            removed = removed.wrapping_add(1);
        }
        at = at.saturating_add(len);
    }
    if removed > 0 {
        fix(header, Delta::between(before, header));
    }
    removed
}

/// Corrects the checksum of an IPv4 header.
fn fix(header: &mut [u8], delta: Delta) {
    if let Some(check) = header
        .get_mut(Ipv4::CHECK..)
        .and_then(<[u8]>::first_chunk_mut)
    {
        *check = delta.apply(*check);
    }
}
