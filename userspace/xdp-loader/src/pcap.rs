// SPDX-License-Identifier: GPL-2.0
//! Files that tcpdump and wireshark read: pcap, of Ethernet, with nanoseconds.

use std::io::{self, Write};
use std::time::Duration;

const MAGIC: u32 = 0xa1b2_3c4d;
const VERSION: (u16, u16) = (2, 4);
const LONGEST: u32 = 262_144;
const ETHERNET: u32 = 1;

/// Writes a file.
pub struct Writer<W: Write> {
    out: W,
}

impl<W: Write> Writer<W> {
    /// A file that is still empty.
    pub fn new(out: W) -> Self {
        Self { out }
    }

    /// Begins the file.
    ///
    /// # Errors
    ///
    /// What `out` says.
    pub fn begin(&mut self) -> io::Result<()> {
        let mut head = Vec::new();
        head.extend(MAGIC.to_ne_bytes());
        head.extend(VERSION.0.to_ne_bytes());
        head.extend(VERSION.1.to_ne_bytes());
        // Two fields that nobody uses: the zone, and how good the clock is.
        head.extend([0; 8]);
        head.extend(LONGEST.to_ne_bytes());
        head.extend(ETHERNET.to_ne_bytes());
        self.out.write_all(&head)
    }

    /// Writes a frame that was `len` bytes long, at a time since 1970.
    ///
    /// # Errors
    ///
    /// What `out` says.
    pub fn frame(&mut self, time: Duration, len: u32, bytes: &[u8]) -> io::Result<()> {
        let mut head = Vec::new();
        // The format counts until 2106.
        let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        head.extend(seconds.to_ne_bytes());
        head.extend(time.subsec_nanos().to_ne_bytes());
        head.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_ne_bytes());
        head.extend(len.to_ne_bytes());
        self.out.write_all(&head)?;
        self.out.write_all(bytes)
    }

    /// Hands everything over to the system.
    ///
    /// # Errors
    ///
    /// What `out` says.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_head_and_one_before_each_frame() {
        let mut file = Vec::new();
        let mut writer = Writer::new(&mut file);
        writer.begin().unwrap();
        writer.frame(Duration::new(5, 9), 60, &[1, 2, 3]).unwrap();
        let words: Vec<u32> = file
            .chunks_exact(4)
            .map(|word| u32::from_ne_bytes(word.try_into().unwrap()))
            .collect();
        assert_eq!(words[0], 0xa1b2_3c4d);
        assert_eq!(words[5], 1);
        assert_eq!(words[6..], [5, 9, 3, 60]);
        assert_eq!(file[40..], [1, 2, 3]);
    }
}
