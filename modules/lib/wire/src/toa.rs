// SPDX-License-Identifier: GPL-2.0

//! TOA: the client's address as a TCP option.
//!
//! Layout, all in network order: kind, length, port, address. The real server takes the first such
//! option it finds, so the director puts its own in front of all others, and takes out what a client
//! may have made up.
//!
//! Counterparts: DPVS and Alibaba LVS (kind 254, and 253 for IPv6), LVS's first FullNAT and dsnat
//! (kind 200).

use crate::tcp_options::{self, Options, TcpOption, FAST_OPEN, MPTCP, NOP, TIMESTAMPS};
use crate::{Address, Delta, Family, Tcp};

/// The kind DPVS and Alibaba LVS use.
pub const KIND: u8 = 254;
/// The kind Alibaba LVS uses for IPv6.
pub const KIND_ALIBABA_V6: u8 = 253;
/// The kind of LVS's first FullNAT and of dsnat.
pub const KIND_DSNAT: u8 = 200;
/// The kind of an old UCloud kernel.
const KIND_UCLOUD: u8 = 252;

/// Kinds that a real server may believe; none of them is a client's to send.
pub const KINDS: [u8; 4] = [KIND, KIND_ALIBABA_V6, KIND_DSNAT, KIND_UCLOUD];

/// Length in bytes with an IPv4 address.
pub const LEN_V4: usize = 8;
/// Length in bytes with an IPv6 address.
pub const LEN_V6: usize = 20;

/// A client's address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Toa {
    /// The option's kind.
    pub kind: u8,
    /// The family of the address.
    pub family: Family,
    /// The client's address.
    pub address: Address,
    /// The client's port.
    pub port: u16,
}

impl Toa {
    /// Bytes of the option.
    #[inline]
    #[expect(clippy::len_without_is_empty)]
    pub const fn len(&self) -> usize {
        match self.family {
            Family::V4 => LEN_V4,
            Family::V6 => LEN_V6,
        }
    }

    /// The option in the first [`len`](Self::len) bytes, NOPs behind.
    pub fn encode(&self) -> [u8; LEN_V6] {
        let mut bytes = [NOP; LEN_V6];
        let [high, low] = self.port.to_be_bytes();
        // CAST: Eight or twenty.
        crate::put(&mut bytes, 0, [self.kind, self.len() as u8, high, low]);
        match self.family {
            Family::V4 => crate::put(&mut bytes, 4, self.address.v4()),
            Family::V6 => crate::put(&mut bytes, 4, *self.address.octets()),
        };
        bytes
    }

    /// Reads an option of any kind; `None` if its length is not that of an address.
    pub fn decode(option: &[u8]) -> Option<Self> {
        let (&[kind, _, high, low], address) = option.split_first_chunk()?;
        let (address, family) = Address::of_bytes(address)?;
        Some(Self { kind, family, address, port: u16::from_be_bytes([high, low]) })
    }

    /// The first option of one of these kinds.
    pub fn find(list: &[u8], kinds: &[u8]) -> Option<Self> {
        Options::new(list)
            .filter(|option| kinds.contains(&option.kind))
            .find_map(|option| Self::decode(option.bytes))
    }
}

/// Whether a real server could take the option for a client's address.
#[inline]
fn is_toa(option: &TcpOption<'_>) -> bool {
    KINDS.contains(&option.kind) && matches!(option.bytes.len(), LEN_V4 | LEN_V6)
}

/// Whether a list holds what a real server could take for a client's address.
#[inline]
pub fn has_forged(list: &[u8]) -> bool {
    Options::new(list).any(|option| is_toa(&option))
}

/// Overwrites what claims to be a client's address with NOPs: how many, and the checksum's change.
#[inline]
pub fn remove_forged(list: &mut [u8]) -> (usize, Delta) {
    tcp_options::remove(list, is_toa)
}

/// A new option list with the client's address in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    options: [u8; Tcp::MAX_OPTIONS],
    len: usize,
    /// How many options a client had made up.
    pub forged: usize,
}

impl Placement {
    /// The list; its length is a multiple of four.
    pub fn options(&self) -> &[u8] {
        self.options.get(..self.len).unwrap_or(&[])
    }
}

/// Why the address found no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The header has no room, even without what may be left out.
    HeaderFull,
    /// The packet would grow by more than `room` bytes.
    TooLong,
}

/// Puts the client's address in front of the options `old`, where the packet may grow by `room`
/// bytes.
///
/// What a client has made up is left out. If the rest does not fit, NOPs are left out, then options
/// from the front, as DPVS does: time stamps are kept, and what sets up Multipath TCP or Fast Open.
pub fn place(toa: &Toa, old: &[u8], room: usize) -> Result<Placement, Refusal> {
    let limit = old.len().saturating_add(room);
    let forged = Options::new(old).filter(is_toa).count();
    let mut refusal = Refusal::HeaderFull;
    // BOUND: One attempt as it is, one without NOPs, one for each option left out.
    for leave_out in 0..=Tcp::MAX_OPTIONS {
        let (list, all_left_out) = match leave_out {
            0 if forged == 0 => (Builder::with(toa).raw(old), false),
            0 => (Builder::with(toa).options(Options::new(old).filter(|o| !is_toa(o))), false),
            _ => {
                let mut left_out = 1usize;
                let kept = Options::new(old).filter(|option| {
                    let droppable = !matches!(option.kind, TIMESTAMPS | MPTCP | FAST_OPEN);
                    let drop = droppable && left_out < leave_out;
                    if is_toa(option) || option.kind == NOP {
                        return false;
                    }
                    left_out = left_out.wrapping_add(usize::from(drop));
                    !drop
                });
                let list = Builder::with(toa).options(kept);
                (list, left_out < leave_out)
            }
        };
        match list.and_then(Builder::finish) {
            Some((options, len)) if len <= limit => return Ok(Placement { options, len, forged }),
            Some(_) => refusal = Refusal::TooLong,
            None => refusal = Refusal::HeaderFull,
        }
        if all_left_out {
            break;
        }
    }
    Err(refusal)
}

/// An option list in the making.
struct Builder {
    options: [u8; Tcp::MAX_OPTIONS],
    len: usize,
}

impl Builder {
    fn with(toa: &Toa) -> Self {
        let mut options = [tcp_options::END; Tcp::MAX_OPTIONS];
        crate::put(&mut options, 0, toa.encode());
        if let Some(rest) = options.get_mut(toa.len()..) {
            rest.fill(tcp_options::END);
        }
        Self { options, len: toa.len() }
    }

    /// Appends bytes as they are.
    fn raw(mut self, bytes: &[u8]) -> Option<Self> {
        let end = self.len.checked_add(bytes.len())?;
        self.options.get_mut(self.len..end)?.copy_from_slice(bytes);
        self.len = end;
        Some(self)
    }

    /// Appends options.
    fn options<'a>(self, options: impl Iterator<Item = TcpOption<'a>>) -> Option<Self> {
        // BOUND: The options of a list.
        options.into_iter().try_fold(self, |list, option| list.raw(option.bytes))
    }

    /// Pads the list, with zeroes: End of Option List.
    fn finish(self) -> Option<([u8; Tcp::MAX_OPTIONS], usize)> {
        let len = self.len.checked_next_multiple_of(4)?;
        (len <= Tcp::MAX_OPTIONS).then_some((self.options, len))
    }
}
