// SPDX-License-Identifier: GPL-2.0

//! TOA: the client's address as a TCP option.
//!
//! Layout, all in network order: kind, length, port, address. The real server takes the first such
//! option it finds, so the director puts its own in front of all others, and takes out what a client
//! may have made up.
//!
//! Counterparts: DPVS and Alibaba LVS (kind 254, and 253 for IPv6), LVS's first FullNAT and dsnat
//! (kind 200).

use crate::tcp_options::{
    self, Options, TcpOption, FAST_OPEN, MPTCP, MSS, NOP, SACK_PERMITTED, TIMESTAMPS,
    TIMESTAMPS_LEN, WINDOW_SCALE,
};
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

/// Whether a director may be told to send that kind.
pub const fn is_sendable(kind: u8) -> bool {
    matches!(kind, KIND | KIND_ALIBABA_V6 | KIND_DSNAT)
}

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

    /// Reads an option of any kind; `None` if its length is not that of an address and a port.
    pub fn decode(option: &[u8]) -> Option<Self> {
        let (&[kind, len, high, low], address) = option.split_first_chunk()?;
        let (address, family) = Address::of_bytes(address)?;
        let is_whole = usize::from(len) == option.len();
        is_whole.then_some(Self {
            kind,
            family,
            address,
            port: u16::from_be_bytes([high, low]),
        })
    }

    /// The first option of one of these kinds.
    pub fn find(list: &[u8], kinds: &[u8]) -> Option<Self> {
        Options::new(list)
            .filter(|option| kinds.contains(&option.kind))
            .find_map(|option| Self::decode(option.bytes))
    }
}

/// Whether a real server could take the option for a client's address. Of the kind that everybody
/// uses, no length is let through: there are readers that do not look at it. The other kinds have
/// other uses, too (RFC 6994).
#[inline]
fn is_toa(kind: u8, len: usize) -> bool {
    kind == KIND || (KINDS.contains(&kind) && matches!(len, LEN_V4 | LEN_V6))
}

/// Whether a list holds what a real server could take for a client's address.
#[inline]
pub fn has_forged(list: &[u8]) -> bool {
    // Nearly all lists are one of these two.
    !list.is_empty()
        && !tcp_options::is_timestamps_only(list)
        && Options::new(list).any(|option| is_forged(&option))
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
    /// How many other options were left out to make room, NOPs not counted.
    pub pruned: usize,
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

/// Puts the client's address in front of the options `old` of a segment other than a SYN, where the
/// packet may grow by `room` bytes.
///
/// What a client has made up is left out. If the rest does not fit, NOPs are left out, then one
/// option after the other from the front, until it does: DPVS's order. Time stamps stay: without
/// them a connection that has negotiated them breaks (RFC 7323, section 3.2).
///
/// If nothing is left out, what follows the end of the list stays as it is, even if the list ends in
/// a length that makes no sense: no reader gets that far, and the address is found before.
pub fn place(toa: &Toa, old: &[u8], room: usize) -> Result<Placement, Refusal> {
    arrange(toa, old, room, is_for_always)
}

/// The same for a SYN, in which everything stays that cannot be said later.
pub fn place_in_syn(toa: &Toa, old: &[u8], room: usize) -> Result<Placement, Refusal> {
    arrange(toa, old, room, |option| {
        is_for_always(option) || is_for_syn(option)
    })
}

fn arrange(
    toa: &Toa,
    old: &[u8],
    room: usize,
    must_stay: impl Fn(&TcpOption<'_>) -> bool,
) -> Result<Placement, Refusal> {
    let is_prunable =
        |option: &TcpOption<'_>| option.kind != NOP && !must_stay(option) && !is_forged(option);
    let forged = count(old, is_forged);
    let limit = old.len().saturating_add(room);
    let finish = |list: Option<List>, pruned| match list.and_then(List::padded) {
        Some(List { options, len }) if len <= limit => Ok(Placement {
            options,
            len,
            forged,
            pruned,
        }),
        Some(_) => Err(Refusal::TooLong),
        None => Err(Refusal::HeaderFull),
    };

    let list = List::of(toa);
    let whole = match forged {
        0 => list.and_then(|list| list.push(old)),
        _ => list.and_then(|list| list.extend(Options::new(old).filter(|o| !is_forged(o)))),
    };
    let mut outcome = finish(whole, 0);
    if outcome.is_ok() {
        return outcome;
    }
    let prunable = count(old, is_prunable);
    // BOUND: Every option of the list is left out once at most.
    for prune in 0..=prunable {
        let mut left = prune;
        let kept = Options::new(old).filter(|option| {
            let leave_out = left > 0 && is_prunable(option);
            left = left.saturating_sub(usize::from(leave_out));
            !leave_out && option.kind != NOP && !is_forged(option)
        });
        outcome = finish(list.and_then(|list| list.extend(kept)), prune);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// How many options of a list `which` picks.
fn count(list: &[u8], which: impl Fn(&TcpOption<'_>) -> bool) -> usize {
    // `Iterator::count()` could panic, had a list as many options.
    Options::new(list)
        .filter(which)
        .fold(0, |sum: usize, _| sum.wrapping_add(1))
}

fn is_forged(option: &TcpOption<'_>) -> bool {
    is_toa(option.kind, option.bytes.len())
}

/// What no segment can do without. Time stamps of another length than their own are none.
fn is_for_always(option: &TcpOption<'_>) -> bool {
    option.kind == TIMESTAMPS && option.bytes.len() == TIMESTAMPS_LEN
}

/// What a SYN is for.
fn is_for_syn(option: &TcpOption<'_>) -> bool {
    match (option.kind, option.bytes.len()) {
        (MSS, 4) | (WINDOW_SCALE, 3) | (SACK_PERMITTED, 2) => true,
        (MPTCP, _) => true,
        // A cookie is at most 16 bytes long (RFC 7413).
        (FAST_OPEN, len) => len <= 18,
        _ => false,
    }
}

/// An option list in the making; what is not written yet is End of Option List.
#[derive(Clone, Copy)]
struct List {
    options: [u8; Tcp::MAX_OPTIONS],
    len: usize,
}

impl List {
    /// A list of the one option.
    fn of(toa: &Toa) -> Option<Self> {
        let empty = Self {
            options: [tcp_options::END; Tcp::MAX_OPTIONS],
            len: 0,
        };
        empty.push(toa.encode().get(..toa.len())?)
    }

    /// Appends bytes as they are; `None` if they do not fit.
    fn push(mut self, bytes: &[u8]) -> Option<Self> {
        let end = self.len.checked_add(bytes.len())?;
        self.options.get_mut(self.len..end)?.copy_from_slice(bytes);
        self.len = end;
        Some(self)
    }

    /// Appends options.
    fn extend<'a>(self, options: impl Iterator<Item = TcpOption<'a>>) -> Option<Self> {
        // BOUND: The options of a list.
        options
            .into_iter()
            .try_fold(self, |list, option| list.push(option.bytes))
    }

    /// Goes on to a multiple of four.
    fn padded(mut self) -> Option<Self> {
        self.len = self.len.checked_next_multiple_of(4)?;
        (self.len <= Tcp::MAX_OPTIONS).then_some(self)
    }
}
