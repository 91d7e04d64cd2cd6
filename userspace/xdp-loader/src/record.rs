// SPDX-License-Identifier: GPL-2.0
//! A frame that the XDP program has had in hand, as capture.bpf.c describes it.

use std::time::Duration;

/// What the program has done with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Dropped it.
    Dropped,
    /// Sent it, where it came from or elsewhere.
    Sent,
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When, since 1970.
    pub time: Duration,
    /// What became of it.
    pub verdict: Verdict,
    /// Bytes of the frame; less may be here.
    pub len: u32,
    /// The frame as it came.
    pub came: Vec<u8>,
    /// The frame as it left.
    pub left: Vec<u8>,
}

/// Bytes in front of the frame: `struct frame`.
const HEAD: usize = 24 + HEADERS;
/// Bytes of the frame as it came.
const HEADERS: usize = 192;
const HEADERS_AT: usize = 20;

const XDP_DROP: u32 = 1;

impl Record {
    /// Reads what the kernel has written; `None` if that is too short. `zero` is when its clock was zero.
    pub(crate) fn read(bytes: &[u8], zero: Duration) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(HEAD)?;
        let word = |at: usize| {
            let bytes = head.get(at..)?.first_chunk()?;
            Some(u32::from_ne_bytes(*bytes))
        };
        let time = u64::from_ne_bytes(*head.first_chunk()?);
        let len = word(12)?;
        // The kernel fills up to a multiple of eight, behind what it has written.
        let left = rest.get(..rest.len().min(usize::try_from(len).ok()?))?;
        let headers_len = usize::try_from(word(16)?).ok()?.min(left.len());
        let headers = head.get(HEADERS_AT..)?.get(..headers_len)?;
        let came = [headers, left.get(headers_len..)?].concat();
        Some(Self {
            time: zero.saturating_add(Duration::from_nanos(time)),
            verdict: match word(8)? {
                XDP_DROP => Verdict::Dropped,
                _ => Verdict::Sent,
            },
            len,
            came,
            left: left.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(verdict: u32, len: u32, headers: &[u8], left: &[u8]) -> Vec<u8> {
        let mut bytes = 7_000_000_001u64.to_ne_bytes().to_vec();
        bytes.extend(verdict.to_ne_bytes());
        bytes.extend(len.to_ne_bytes());
        bytes.extend(u32::try_from(headers.len()).unwrap().to_ne_bytes());
        bytes.extend(headers);
        bytes.resize(HEAD, 0xee);
        bytes.extend(left);
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Record> {
        Record::read(bytes, Duration::from_secs(100))
    }

    #[test]
    fn a_frame_as_it_came_has_its_own_headers_and_the_rest_of_what_left() {
        let left: Vec<u8> = (0..=255).collect();
        let record = read(&sample(4, 256, &[0xaa; 192], &left)).unwrap();
        assert_eq!(record.left, left);
        assert_eq!(record.came, [&[0xaa; 192], &left[192..]].concat());
        assert_eq!(record.verdict, Verdict::Sent);
        assert_eq!(record.time, Duration::new(107, 1));
    }

    #[test]
    fn filling_is_no_part_of_a_short_frame() {
        let record = read(&sample(1, 3, &[1, 2, 3], &[4, 5, 6, 0, 0])).unwrap();
        assert_eq!(record.came, [1, 2, 3]);
        assert_eq!(record.left, [4, 5, 6]);
        assert_eq!(record.verdict, Verdict::Dropped);
    }

    #[test]
    fn what_is_cut_short_is_no_frame() {
        assert_eq!(read(&sample(4, 3, &[1, 2, 3], &[])[..HEAD - 1]), None);
        let record = read(&sample(4, 300, &[1; 192], &[4, 5])).unwrap();
        assert_eq!((record.came, record.len), (vec![1, 1], 300));
    }
}
