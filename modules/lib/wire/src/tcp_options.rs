// SPDX-License-Identifier: GPL-2.0

//! TCP options (RFC 9293, section 3.1): reading a list, and changing it in place.
//!
//! A list ends at End of Option List, at its last byte, or where a length makes no sense; nothing
//! behind that point is an option to anybody, and nothing behind it is changed. Changes keep the
//! length of the list and return the [`Delta`] of the TCP checksum. A list starts at an even offset of
//! the segment; its options may not, so a delta is always that of the whole list.
//!
//! Kernel counterpart: `tcp_parse_options()`, which lets the last of several equal options win;
//! changes are therefore made to all of them.

use crate::{be32, put, Delta, Tcp};

/// End of Option List.
pub const END: u8 = 0;
/// No-Operation.
pub const NOP: u8 = 1;
/// Maximum Segment Size.
pub const MSS: u8 = 2;
/// Window Scale.
pub const WINDOW_SCALE: u8 = 3;
/// SACK Permitted.
pub const SACK_PERMITTED: u8 = 4;
/// SACK blocks.
pub const SACK: u8 = 5;
/// Time Stamps.
pub const TIMESTAMPS: u8 = 8;
/// Multipath TCP.
pub const MPTCP: u8 = 30;
/// TCP Fast Open.
pub const FAST_OPEN: u8 = 34;

/// Bytes of the time stamps option.
pub const TIMESTAMPS_LEN: usize = 10;
/// Bytes of a pair of edges in SACK blocks.
const BLOCK: usize = 8;

/// One option: where it is and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpOption<'a> {
    /// Its kind; never [`END`].
    pub kind: u8,
    /// Its offset in the list.
    pub at: usize,
    /// All its bytes, kind and length included; one byte for [`NOP`].
    pub bytes: &'a [u8],
}

/// The length in bytes of the option a list starts with, if it starts with one that is all there.
#[inline]
fn first_len(list: &[u8]) -> Option<usize> {
    let len = match *list {
        [] | [END, ..] => return None,
        [NOP, ..] => 1,
        [_, len, ..] if len >= 2 => usize::from(len),
        _ => return None,
    };
    (len <= list.len()).then_some(len)
}

/// The options of a list.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Options<'a> {
    /// Reads a list.
    #[inline]
    pub fn new(list: &'a [u8]) -> Self {
        Self { rest: list, at: 0 }
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = TcpOption<'a>;

    // BOUND: Every option is at least a byte long, and a list 40 bytes.
    #[inline]
    fn next(&mut self) -> Option<TcpOption<'a>> {
        let (bytes, rest) = self.rest.split_at_checked(first_len(self.rest)?)?;
        let at = self.at;
        (self.rest, self.at) = (rest, at.wrapping_add(bytes.len()));
        Some(TcpOption {
            kind: *bytes.first()?,
            at,
            bytes,
        })
    }
}

/// Whether a list ends where it should: at its last byte or at End of Option List, and not at a
/// length that is too short or points behind the list.
pub fn well_formed(list: &[u8]) -> bool {
    let mut options = Options::new(list);
    options.by_ref().for_each(drop);
    matches!(options.rest, [] | [END, ..])
}

/// Shows every option to `each`, which may change it but not its length, and says what the changes
/// do to the checksum.
#[inline]
fn edit(list: &mut [u8], mut each: impl FnMut(u8, &mut [u8])) -> Delta {
    let mut before = [0; Tcp::MAX_OPTIONS];
    // No header has room for a longer list.
    let Some(before) = before.get_mut(..list.len()) else {
        return Delta::NONE;
    };
    before.copy_from_slice(list);
    let mut rest = &mut *list;
    // BOUND: Every option is at least a byte long.
    while let Some(len) = first_len(rest) {
        let Some((option, next)) = rest.split_at_mut_checked(len) else {
            break;
        };
        if let Some(&kind) = option.first() {
            each(kind, option);
        }
        rest = next;
    }
    Delta::between(before, list)
}

/// Overwrites the options that `unwanted` picks by kind and length with NOPs: how many, and the
/// checksum's change.
#[inline]
pub fn remove(list: &mut [u8], unwanted: impl Fn(u8, usize) -> bool) -> (usize, Delta) {
    let mut removed = 0usize;
    let delta = edit(list, |kind, option| {
        if kind != NOP && unwanted(kind, option.len()) {
            option.fill(NOP);
            removed = removed.wrapping_add(1);
        }
    });
    (removed, delta)
}

/// Overwrites the time stamps with NOPs.
pub fn remove_timestamps(list: &mut [u8]) -> Delta {
    remove(list, |kind, _| kind == TIMESTAMPS).1
}

/// The time stamps of a segment, TSval and TSecr (RFC 7323).
pub fn timestamps(list: &[u8]) -> Option<(u32, u32)> {
    Options::new(list)
        .filter(|option| option.kind == TIMESTAMPS)
        .find_map(|option| match *option.bytes {
            [_, _, a, b, c, d, e, f, g, h] => Some((
                u32::from_be_bytes([a, b, c, d]),
                u32::from_be_bytes([e, f, g, h]),
            )),
            _ => None,
        })
}

/// Whether a list is what segments in the middle of a connection carry: time stamps behind two NOPs
/// (RFC 7323, appendix A), and nothing else.
#[inline]
pub fn is_timestamps_only(list: &[u8]) -> bool {
    matches!(list, [NOP, NOP, TIMESTAMPS, 10, _, _, _, _, _, _, _, _])
}

/// Adds `value` to TSval and `echo` to TSecr of the time stamps, modulo 2^32.
#[inline]
pub fn shift_timestamps(list: &mut [u8], value: u32, echo: u32) -> Delta {
    if is_timestamps_only(list) {
        return list.get_mut(4..).map_or(Delta::NONE, |stamps| {
            let (a, b) = (add(stamps, 0, value), add(stamps, 4, echo));
            a.then(b)
        });
    }
    edit(list, |kind, option| {
        if kind == TIMESTAMPS && option.len() == TIMESTAMPS_LEN {
            add(option, 2, value);
            add(option, 6, echo);
        }
    })
}

/// Adds `by` to the number at `at`; the checksum's change if that is an even offset.
#[inline]
fn add(bytes: &mut [u8], at: usize, by: u32) -> Delta {
    let Some(old) = be32(bytes, at) else {
        return Delta::NONE;
    };
    let new = old.wrapping_add(by).to_be_bytes();
    put(bytes, at, new);
    Delta::between(&old.to_be_bytes(), &new)
}

/// The maximum segment size in bytes a SYN announces.
pub fn mss(list: &[u8]) -> Option<u16> {
    let sizes = Options::new(list).filter_map(|option| match *option.bytes {
        [MSS, 4, high, low] => Some(u16::from_be_bytes([high, low])),
        _ => None,
    });
    sizes.last()
}

/// Lowers the announced maximum segment size by so many bytes, though never below `floor`.
pub fn lower_mss(list: &mut [u8], by: u16, floor: u16) -> Delta {
    edit(list, |_, option| {
        if let [MSS, 4, high, low] = option {
            let old = u16::from_be_bytes([*high, *low]);
            let new = old.saturating_sub(by).max(floor.min(old));
            [*high, *low] = new.to_be_bytes();
        }
    })
}

/// Adds `by` to both edges of every SACK block (RFC 2018), modulo 2^32.
pub fn shift_sack(list: &mut [u8], by: u32) -> Delta {
    edit(list, |kind, option| {
        let Some((_, blocks)) = option.split_at_mut_checked(2) else {
            return;
        };
        if kind != SACK || blocks.len() & (BLOCK - 1) != 0 {
            return;
        }
        // BOUND: The length of the option.
        for edge in blocks.chunks_exact_mut(4) {
            add(edge, 0, by);
        }
    })
}
