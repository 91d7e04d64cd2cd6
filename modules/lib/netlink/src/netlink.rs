// SPDX-License-Identifier: GPL-2.0

//! Reading netlink attributes as strictly as the spec of the family describes them.
//!
//! A request is refused as a whole, with the attribute that is to blame, before anything is done:
//! unknown and repeated attributes, wrong lengths and truncated nests are errors. Process context.
//!
//! Kernel counterpart: `lib/nlattr.c`, `__nla_validate_parse()`, which lets the last of several
//! equal attributes win.

#![cfg_attr(not(CONFIG_RUST), no_std)]
#![forbid(unsafe_code)]

use flow_abi::Kind;

/// Bytes of an attribute's header: length and type, both 16 bits of the host's order.
const HEADER: usize = 4;
/// The type's bits that say how to read the payload (`NLA_F_NESTED`, `NLA_F_NET_BYTEORDER`).
const FLAGS: u16 = 0xc000;
/// The longest set of attributes of the family, id 0 included.
const MAX: usize = 16;

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The message ends inside an attribute, or a length is smaller than the header.
    Truncated,
    /// The family has no such attribute there.
    Unknown,
    /// The attribute is there twice.
    Twice,
    /// The payload has not the length its kind asks for.
    Length,
    /// The attribute is needed and is not there.
    Missing,
}

/// A fault and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub fault: Fault,
    /// The id of the attribute, 0 where none can be named.
    pub attribute: u16,
}

/// The attributes of one set, at most one of each.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    payloads: [Option<&'a [u8]>; MAX],
    kinds: &'static [Kind],
}

impl<'a> Attributes<'a> {
    /// Reads a whole set; `kinds` tells what there may be.
    pub fn parse(mut rest: &'a [u8], kinds: &'static [Kind]) -> Result<Self, Refusal> {
        let mut payloads = [None; MAX];
        // BOUND: Every round takes at least a header off `rest`.
        while !rest.is_empty() {
            let (id, payload, next) = split(rest)?;
            let refuse = |fault| {
                Err(Refusal {
                    fault,
                    attribute: id,
                })
            };
            let (Some(kind), Some(place)) = (
                kinds.get(usize::from(id)),
                payloads.get_mut(usize::from(id)),
            ) else {
                return refuse(Fault::Unknown);
            };
            match kind {
                Kind::Unspec => return refuse(Fault::Unknown),
                kind if !fits(*kind, payload) => return refuse(Fault::Length),
                _ if place.is_some() => return refuse(Fault::Twice),
                _ => *place = Some(payload),
            }
            rest = next;
        }
        Ok(Self { payloads, kinds })
    }

    /// The payload of an attribute, if it is there.
    pub fn get(&self, id: u16) -> Option<&'a [u8]> {
        self.payloads.get(usize::from(id)).copied().flatten()
    }

    /// The payload of an attribute that has to be there.
    pub fn need(&self, id: u16) -> Result<&'a [u8], Refusal> {
        self.get(id).ok_or(Refusal {
            fault: Fault::Missing,
            attribute: id,
        })
    }

    /// The attributes inside an attribute.
    pub fn nest(&self, id: u16) -> Result<Option<Attributes<'a>>, Refusal> {
        match (self.get(id), self.kinds.get(usize::from(id))) {
            (Some(payload), Some(Kind::Nest(kinds))) => Attributes::parse(payload, kinds).map(Some),
            _ => Ok(None),
        }
    }

    /// An 8-bit number, if it is there.
    pub fn u8(&self, id: u16) -> Option<u8> {
        self.get(id)?.try_into().ok().map(u8::from_ne_bytes)
    }

    /// A 16-bit number in the host's order, if it is there.
    pub fn u16(&self, id: u16) -> Option<u16> {
        self.get(id)?.try_into().ok().map(u16::from_ne_bytes)
    }

    /// A 16-bit number in network order, if it is there.
    pub fn be16(&self, id: u16) -> Option<u16> {
        self.get(id)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// A 32-bit number in the host's order, if it is there.
    pub fn u32(&self, id: u16) -> Option<u32> {
        self.get(id)?.try_into().ok().map(u32::from_ne_bytes)
    }
}

/// Takes the first attribute off: id, payload and what follows its padding.
fn split(bytes: &[u8]) -> Result<(u16, &[u8], &[u8]), Refusal> {
    let truncated = |attribute| Refusal {
        fault: Fault::Truncated,
        attribute,
    };
    let Some(&[l0, l1, t0, t1]) = bytes.first_chunk::<HEADER>() else {
        return Err(truncated(0));
    };
    let (len, id) = (
        u16::from_ne_bytes([l0, l1]),
        u16::from_ne_bytes([t0, t1]) & !FLAGS,
    );
    let len = usize::from(len);
    let (attribute, _) = bytes.split_at_checked(len).ok_or(truncated(id))?;
    let payload = attribute.get(HEADER..).ok_or(truncated(id))?;
    // Attributes start at multiples of four; the last one needs no padding.
    let padded = len.next_multiple_of(4).min(bytes.len());
    Ok((id, payload, bytes.get(padded..).unwrap_or(&[])))
}

/// Whether a payload has a length its kind allows.
fn fits(kind: Kind, payload: &[u8]) -> bool {
    let len = payload.len();
    match kind {
        Kind::Unspec => false,
        Kind::Flag => len == 0,
        Kind::U8 => len == 1,
        Kind::U16 | Kind::Be16 => len == 2,
        Kind::U32 => len == 4,
        Kind::U64 => len == 8,
        Kind::Binary(min, max) => (usize::from(min)..=usize::from(max)).contains(&len),
        Kind::String => payload.last() == Some(&0),
        Kind::Nest(_) => true,
    }
}
