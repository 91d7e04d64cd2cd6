// SPDX-License-Identifier: GPL-2.0

//! TCP options (RFC 9293, section 3.1): reading a list, and changing it in place.
//!
//! A list ends at End of Option List, at its last byte, or where a length makes no sense; nothing
//! behind that point is an option to anybody. Changes keep the length of the list and return the
//! [`Delta`] of the TCP checksum. A list starts at an even offset of the segment.

use crate::Delta;

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

/// The options of a list.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    list: &'a [u8],
    at: usize,
}

impl<'a> Options<'a> {
    /// Reads a list.
    #[inline]
    pub fn new(list: &'a [u8]) -> Self {
        Self { list, at: 0 }
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = TcpOption<'a>;

    // BOUND: Every option is at least a byte long, and a list 40 bytes.
    #[inline]
    fn next(&mut self) -> Option<TcpOption<'a>> {
        let at = self.at;
        let (len, kind) = match *self.list.get(at..)? {
            [] | [END, ..] => return None,
            [NOP, ..] => (1, NOP),
            [kind, len, ..] if len >= 2 => (usize::from(len), kind),
            _ => return None,
        };
        let end = at.checked_add(len)?;
        let bytes = self.list.get(at..end)?;
        self.at = end;
        Some(TcpOption { kind, at, bytes })
    }
}

/// Changes a list through `edit` and returns what that does to the checksum.
fn change(list: &mut [u8], edit: impl FnOnce(&mut [u8])) -> Delta {
    let mut before = [0; crate::Tcp::MAX_OPTIONS];
    let Some(copy) = before.get_mut(..list.len()) else { return Delta::NONE };
    copy.copy_from_slice(list);
    edit(list);
    Delta::between(copy, list)
}

/// Overwrites the options that `unwanted` picks with NOPs: how many, and the checksum's change.
#[inline]
pub fn remove(list: &mut [u8], unwanted: impl Fn(&TcpOption<'_>) -> bool) -> (usize, Delta) {
    if !Options::new(list).any(|option| unwanted(&option)) {
        return (0, Delta::NONE);
    }
    let mut removed = 0usize;
    let delta = change(list, |list| {
        // BOUND: Each round leaves one option less to be picked: a NOP is not picked again.
        while let Some((at, len)) = Options::new(list)
            .find(|option| option.kind != NOP && unwanted(option))
            .map(|option| (option.at, option.bytes.len()))
        {
            let end = at.saturating_add(len);
            if let Some(bytes) = list.get_mut(at..end) {
                bytes.fill(NOP);
            }
            removed = removed.wrapping_add(1);
        }
    });
    (removed, delta)
}

/// Overwrites the time stamps with NOPs.
pub fn remove_timestamps(list: &mut [u8]) -> Delta {
    remove(list, |option| option.kind == TIMESTAMPS).1
}

/// The maximum segment size a SYN announces.
pub fn mss(list: &[u8]) -> Option<u16> {
    Options::new(list).find(|option| option.kind == MSS).and_then(|option| match *option.bytes {
        [_, _, high, low] => Some(u16::from_be_bytes([high, low])),
        _ => None,
    })
}

/// Lowers the announced maximum segment size by so many bytes, though never below `floor`.
pub fn lower_mss(list: &mut [u8], by: u16, floor: u16) -> Delta {
    let place = Options::new(list)
        .find(|option| option.kind == MSS && option.bytes.len() == 4)
        .and_then(|option| option.at.checked_add(2));
    let (Some(at), Some(old)) = (place, mss(list)) else { return Delta::NONE };
    let new = old.saturating_sub(by).max(floor.min(old));
    if new == old {
        return Delta::NONE;
    }
    change(list, |list| {
        crate::put(list, at, new.to_be_bytes());
    })
}

/// Adds `by` to both edges of every SACK block (RFC 2018), modulo 2^32.
pub fn shift_sack(list: &mut [u8], by: u32) -> Delta {
    let place = Options::new(list)
        .find(|option| option.kind == SACK)
        .and_then(|option| Some(option.at.checked_add(2)?..option.at.checked_add(option.bytes.len())?));
    let Some(place) = place else { return Delta::NONE };
    change(list, |list| {
        let edges = list.get_mut(place).unwrap_or(&mut []);
        // BOUND: The length of the option.
        for edge in edges.chunks_exact_mut(4) {
            if let Ok(old) = <[u8; 4]>::try_from(&*edge) {
                edge.copy_from_slice(&u32::from_be_bytes(old).wrapping_add(by).to_be_bytes());
            }
        }
    })
}
