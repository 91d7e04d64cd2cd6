// SPDX-License-Identifier: GPL-2.0

//! Sequence numbers a real server accepts although it remembers the port.
//!
//! A server that closed first keeps the connection's port in TIME_WAIT, and takes a new SYN from it
//! only with a sequence number beyond the last one it saw (RFC 9293, section 3.6.1; RFC 6191). Clients
//! that share a local address know nothing of each other's numbers, so the director shifts them where
//! it must. Where it need not, nothing is touched.

use wire::tcp_options::shift_sack;
use wire::{put, Delta, Malformed, Tcp};

/// How far beyond the last number a shifted connection starts.
///
/// The last number is that of the server's last acknowledgement, the client's FIN included; one more
/// would do for TIME_WAIT. The gap keeps the new connection out of what an unscaled receive
/// window may have covered, as Linux does when it reuses a port of its own (`tcp_twsk_unique()`), with
/// as much again to spare.
const GAP: u32 = 1 << 17;

/// What a server remembers of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastUse {
    /// The sequence number it expects next.
    pub end_seq: u32,
}

/// Whether `a` comes after `b` (RFC 1982).
#[inline]
pub const fn after(a: u32, b: u32) -> bool {
    // CAST: The sign of the difference is the order.
    (b.wrapping_sub(a) as i32) < 0
}

/// What is added to the client's sequence numbers on the way to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SequenceShift(pub u32);

impl SequenceShift {
    /// Nothing.
    pub const NONE: SequenceShift = SequenceShift(0);

    /// The shift of a connection that starts with the client's number `isn`: none if the server
    /// remembers nothing, or less than that.
    #[inline]
    pub const fn choose(isn: u32, last: Option<LastUse>) -> Self {
        match last {
            Some(LastUse { end_seq }) if !after(isn, end_seq) => {
                Self(end_seq.wrapping_add(GAP).wrapping_sub(isn))
            }
            _ => Self::NONE,
        }
    }

    /// The client's number as the server sees it.
    #[inline]
    pub const fn to_server(self, seq: u32) -> u32 {
        seq.wrapping_add(self.0)
    }

    /// The server's acknowledgement as the client knows its numbers.
    #[inline]
    pub const fn to_client(self, ack: u32) -> u32 {
        ack.wrapping_sub(self.0)
    }

    /// Shifts the sequence number of a client's segment: `tcp` is its header with all options.
    pub fn shift_request(self, tcp: &mut [u8]) -> Result<Delta, Malformed> {
        let seq = Tcp::parse(tcp)?.seq();
        let new = self.to_server(seq).to_be_bytes();
        put(tcp, Tcp::SEQ, new);
        Ok(Delta::between(&seq.to_be_bytes(), &new))
    }

    /// Shifts the acknowledgement and the SACK blocks of a server's segment back: `tcp` is its header
    /// with all options.
    pub fn shift_reply(self, tcp: &mut [u8]) -> Result<Delta, Malformed> {
        let header = Tcp::parse(tcp)?;
        let (ack, end) = (header.ack(), header.header_len());
        if !header.flags().ack() {
            return Ok(Delta::NONE);
        }
        let new = self.to_client(ack).to_be_bytes();
        put(tcp, Tcp::ACK, new);
        let options = tcp.get_mut(Tcp::MIN..end).ok_or(Malformed)?;
        let sack = shift_sack(options, 0u32.wrapping_sub(self.0));
        Ok(Delta::between(&ack.to_be_bytes(), &new).then(sack))
    }
}
