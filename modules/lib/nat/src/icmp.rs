// SPDX-License-Identifier: GPL-2.0

//! ICMP errors about translated packets (RFC 5508, section 4.2; RFC 7915, sections 4.2 to 5.3), of
//! both families and from one to the other.
//!
//! An error quotes a packet as it was on the other side of the translator. What it quotes is turned
//! back into what its addressee has sent, and the error into one of the addressee's family. All that
//! changes is in front: the headers come out as a new beginning for the packet, and the rest of what
//! is quoted stays as it is. Of the ICMP checksum only the change is worked out, so that one that was
//! wrong stays wrong.
//!
//! Errors go between the addresses of the flow, not from the router that found the fault: an addressee
//! of the other family could not name it, and the director speaks for all that is behind it.
//!
//! Any context. Kernel counterpart: `ip_vs_nat_icmp()`, `ip_vs_nat_icmp_v6()`.

use wire::icmp::{self, Icmp};
use wire::uoa::{Opp, OPP_PROTOCOL};
use wire::{checksum, crc32c, icmp6, put, Delta, Ipv4, Ipv6, Malformed, Sctp, Tcp, Udp};

use crate::icmp_types;
use crate::rewrite::{addresses, change, ports};
use crate::siit::{Fields, TooLong};
use crate::{Address, Family, Port, Protocol, SequenceShift, Tuple};

/// How much of an error is looked at: two headers with options of any length and, in IPv6, more than a
/// hundred bytes of extension headers.
pub const LOOK_AT: usize = 256;

/// Bytes of a transport header that an error quotes at least (RFC 792).
const QUOTED_AT_LEAST: usize = 8;

/// Whom an error is for.
#[derive(Clone, Copy, Debug)]
pub struct Addressee {
    /// What the error quotes, as the addressee has sent it. The error comes back the same way: from
    /// its destination to its source.
    pub sent: Tuple,
    /// What was added to the addressee's sequence numbers: TCP ignores errors about numbers that it
    /// has not sent (RFC 5927, section 4.1).
    pub shift: SequenceShift,
    /// The MTU of the way to the addressee. Across families no larger one is announced.
    pub mtu: u32,
    /// The identification of a new IPv4 header: one that differs from packet to packet.
    pub identification: u16,
}

/// Why an error is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTranslated {
    /// It is none, quotes too little, or is not about what the addressee has sent.
    Malformed,
    /// The addressee's family has no such error, and it goes without a word (RFC 7915).
    NoEquivalent,
}

impl From<Malformed> for NotTranslated {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl From<TooLong> for NotTranslated {
    fn from(_: TooLong) -> Self {
        Self::Malformed
    }
}

/// Whether a packet of either family reports an error.
#[inline]
pub fn is_error(packet: &[u8]) -> bool {
    Fields::of_packet(packet).is_ok_and(|ip| carries_error(&ip, packet))
}

fn carries_error(ip: &Fields, packet: &[u8]) -> bool {
    let kind = packet.get(ip.header_len).copied();
    !ip.is_part()
        && kind.is_some_and(|kind| match (ip.family, ip.protocol.0) {
            (Family::V4, icmp::PROTOCOL) => icmp::is_error(kind),
            (Family::V6, icmp6::PROTOCOL) => icmp6::is_error(kind),
            _ => false,
        })
}

/// The tuple of the packet that an error quotes: TCP, UDP or SCTP, not a later part of a datagram.
pub fn quoted_tuple(leading: &[u8]) -> Result<Tuple, Malformed> {
    Report::read(leading).map(|report| report.tuple)
}

/// What is read of an error.
struct Report<'a> {
    ip: Fields,
    header: Icmp,
    /// From the ICMP header to the last byte that may change.
    message: &'a [u8],
    /// From the quoted header on.
    quote: &'a [u8],
    /// Its transport header is UDP's, also where a header of OPP is in front.
    quoted: Fields,
    /// Whether there is one: the addressee has sent none.
    introduced: bool,
    /// The fixed part of the quoted transport header, or as much of it as the error quotes.
    transport: &'a [u8],
    tuple: Tuple,
}

impl<'a> Report<'a> {
    fn read(leading: &'a [u8]) -> Result<Self, Malformed> {
        let ip = Fields::of_packet(leading)?;
        let leading = leading.get(..ip.total_len()).unwrap_or(leading);
        if !carries_error(&ip, leading) {
            return Err(Malformed);
        }
        let message = leading.get(ip.header_len..).ok_or(Malformed)?;
        let quote = message.get(icmp::LEN..).ok_or(Malformed)?;
        let quoted = Fields::of_packet(quote)?;
        let introduction = introduction(&quoted, quote);
        let introduced = introduction.is_some();
        let quoted = introduction.unwrap_or(quoted);
        let is_later_part = quoted.fragment.is_some_and(|part| part.offset != 0);
        if quoted.family != ip.family || is_later_part || quoted.payload_len < QUOTED_AT_LEAST {
            return Err(Malformed);
        }
        let transport = quote.get(quoted.header_len..).ok_or(Malformed)?;
        let fixed = match quoted.protocol {
            Protocol::TCP => Tcp::MIN,
            Protocol::UDP => Udp::LEN,
            Protocol::SCTP => Sctp::LEN,
            _ => return Err(Malformed),
        };
        let covered = fixed.min(transport.len());
        let transport = transport.get(..covered).ok_or(Malformed)?;
        let len = icmp::LEN
            .saturating_add(quoted.header_len)
            .saturating_add(covered);
        // A header that is cut short must be all there is: what follows a change must lie as it lay,
        // at an even offset.
        if covered < fixed && len < ip.payload_len {
            return Err(Malformed);
        }
        let &[a, b, c, d, ..] = transport
            .first_chunk::<QUOTED_AT_LEAST>()
            .ok_or(Malformed)?;
        Ok(Self {
            ip,
            header: Icmp::parse(message)?,
            message: message.get(..len).ok_or(Malformed)?,
            quote,
            quoted,
            introduced,
            transport,
            tuple: Tuple {
                family: quoted.family,
                protocol: quoted.protocol,
                source_port: Port::from_be_bytes([a, b]),
                destination_port: Port::from_be_bytes([c, d]),
                source: quoted.source,
                destination: quoted.destination,
            },
        })
    }

    /// The ICMP header as the addressee's family has it, with the old checksum.
    fn header_for(&self, to: &Addressee) -> Result<[u8; icmp::LEN], NotTranslated> {
        let header = match (self.ip.family, to.sent.family) {
            (Family::V4, Family::V6) => {
                icmp_types::to_v6(self.header, self.quoted.total_len(), to.mtu)
            }
            (Family::V6, Family::V4) => icmp_types::to_v4(self.header, to.mtu),
            _ => Some(self.header),
        };
        let check = self
            .message
            .get(icmp::CHECK..)
            .and_then(<[u8]>::first_chunk);
        let check = *check.ok_or(Malformed)?;
        Ok(header.ok_or(NotTranslated::NoEquivalent)?.encode(check))
    }

    /// Turns the quoted transport header back, as far as it is there.
    fn turn_back(&self, transport: &mut [u8], to: &Addressee) {
        let (old, new) = (&self.tuple, &to.sent);
        put(transport, 0, ports(new));
        let mut delta = Delta::between(&addresses(old), &addresses(new))
            .then(Delta::between(&ports(old), &ports(new)));
        match self.quoted.protocol {
            Protocol::TCP => {
                if let Some(seq) = chunk_at(transport, Tcp::SEQ) {
                    let new = to.shift.to_client(u32::from_be_bytes(*seq)).to_be_bytes();
                    delta = delta.then(Delta::between(seq, &new));
                    *seq = new;
                }
                change(transport, Tcp::CHECK, |check| delta.apply(check));
            }
            Protocol::UDP => change(transport, Udp::CHECK, |check| delta.apply_udp(check)),
            // How far the checksum of SCTP changes depends on how much follows the ports. The quoted
            // header says that even of a packet that is not quoted whole, but not of a datagram's
            // first part; there the checksum is left alone. Nobody can check it without the rest.
            _ if !self.quoted.is_part() => {
                if let Some(check) = chunk_at(transport, Sctp::CHECK) {
                    let (old, new) = (ports(old), ports(new));
                    let after = self.quoted.payload_len.saturating_sub(new.len());
                    *check = crc32c::replaced(old, new, after, *check);
                }
            }
            _ => {}
        }
    }
}

/// The header of a quoted packet, together with a header of OPP that follows: the client's address,
/// put there by the director on the way to the server.
fn introduction(ip: &Fields, quote: &[u8]) -> Option<Fields> {
    if ip.protocol.0 != OPP_PROTOCOL {
        return None;
    }
    let opp = Opp::decode(quote.get(ip.header_len..)?)?;
    Some(Fields {
        protocol: Protocol(opp.protocol),
        header_len: ip.header_len.saturating_add(opp.len()),
        payload_len: ip.payload_len.checked_sub(opp.len())?,
        ..*ip
    })
}

/// The bytes at `at`, if they are there.
fn chunk_at<const N: usize>(bytes: &mut [u8], at: usize) -> Option<&mut [u8; N]> {
    bytes.get_mut(at..)?.first_chunk_mut()
}

/// What the pseudo header adds to the sum of a message; ICMP of IPv4 has none.
fn pseudo(family: Family, from: &Address, to: &Address, len: usize) -> Delta {
    match family {
        Family::V4 => Delta::NONE,
        Family::V6 => {
            // CAST: The length of a packet.
            let len = len as u32;
            let sum = checksum::pseudo(from.octets(), to.octets(), icmp6::PROTOCOL, len);
            Delta::inserted(&sum)
        }
    }
}

/// A new beginning for a packet.
#[derive(Clone, Copy, Debug)]
pub struct Replacement {
    bytes: [u8; LOOK_AT],
    len: usize,
    /// How many bytes of the packet it replaces.
    pub replaced: usize,
}

impl Replacement {
    /// What comes in their place.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    /// What lies from `at` on.
    fn rest_mut(&mut self, at: usize) -> &mut [u8] {
        self.bytes.get_mut(at..self.len).unwrap_or(&mut [])
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let end = self.len.saturating_add(bytes.len());
        let place = self.bytes.get_mut(self.len..end).ok_or(Malformed)?;
        place.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    /// Appends a network header with the addresses of `to`: the one that is `kept`, or a new one that
    /// says what the fields do.
    fn push_network(
        &mut self,
        kept: Option<&[u8]>,
        fields: &Fields,
        to: &Tuple,
        identification: u16,
    ) -> Result<(), NotTranslated> {
        let Some(kept) = kept else {
            let header = fields.header(to.family, to.source, to.destination, identification)?;
            return Ok(self.push(header.bytes())?);
        };
        let at = self.len;
        self.push(kept)?;
        readdress(self.rest_mut(at), to);
        Ok(())
    }
}

/// Replaces the addresses of a network header.
fn readdress(header: &mut [u8], to: &Tuple) {
    let new = addresses(to);
    match to.family {
        Family::V4 => {
            let [a, b, c, d, e, f, g, h, ..] = new;
            if let Some(place) = chunk_at(header, Ipv4::ADDRESSES) {
                let new = [a, b, c, d, e, f, g, h];
                let delta = Delta::between(place, &new);
                *place = new;
                change(header, Ipv4::CHECK, |check| delta.apply(check));
            }
        }
        Family::V6 => {
            put(header, Ipv6::ADDRESSES, new);
        }
    }
}

/// Turns an error into one for its addressee. `leading` is the first [`LOOK_AT`] bytes of the packet,
/// or all of it; its checksum is complete.
pub fn translate(leading: &[u8], to: &Addressee) -> Result<Replacement, NotTranslated> {
    let report = Report::read(leading)?;
    let (old, sent) = (&report.ip, &to.sent);
    if sent.protocol != report.tuple.protocol {
        return Err(NotTranslated::Malformed);
    }
    // In its own family a header stays, unless something goes from behind it.
    let is_kept = old.family == sent.family && !report.introduced;
    let kept = leading.get(..old.header_len).filter(|_| is_kept);
    let kept_quote = report.quote.get(..report.quoted.header_len);
    let kept_quote = kept_quote.filter(|_| is_kept);
    let written = report.quoted.written_len(sent.family);
    let payload_len = old
        .payload_len
        .saturating_add(kept_quote.map_or(written, <[u8]>::len))
        .saturating_sub(report.quoted.header_len);
    let ip = Fields {
        payload_len,
        ..*old
    };
    let mut new = Replacement {
        bytes: [0; LOOK_AT],
        len: 0,
        replaced: old.header_len.saturating_add(report.message.len()),
    };
    let way = sent.reversed();
    new.push_network(kept, &ip, &way, to.identification)?;
    let message = new.len;
    new.push(&report.header_for(to)?)?;
    // Nobody puts a quoted packet together from fragments: it needs no identification.
    new.push_network(kept_quote, &report.quoted, sent, 0)?;
    let transport = new.len;
    new.push(report.transport)?;
    report.turn_back(new.rest_mut(transport), to);

    let (from, to) = (&way.source, &way.destination);
    let delta = Delta::between(report.message, new.rest_mut(message))
        .then(pseudo(old.family, &old.source, &old.destination, old.payload_len).negated())
        .then(pseudo(sent.family, from, to, payload_len));
    change(new.rest_mut(message), icmp::CHECK, |check| {
        delta.apply(check)
    });
    Ok(new)
}
