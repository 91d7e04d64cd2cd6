// SPDX-License-Identifier: GPL-2.0

//! Time stamps a real server accepts although it remembers the port.
//!
//! A server drops what seems to be older than what it has seen of a connection (PAWS, RFC 7323), in
//! TIME_WAIT, too. Clients that share a local address have clocks of their own, so each connection's
//! is shifted to the director's when it begins: what the server sees of one port is one clock, which
//! never goes back as long as no client's runs faster than a tick per millisecond.

use wire::tcp_options::shift_timestamps;
use wire::{Delta, Malformed, Tcp};

/// What is added to the client's TSval on the way to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimestampShift(pub u32);

impl TimestampShift {
    /// Nothing.
    pub const NONE: TimestampShift = TimestampShift(0);

    /// The shift of a connection that begins with the client's `tsval` when the director's clock
    /// shows `now`, in milliseconds.
    #[inline]
    pub const fn choose(tsval: u32, now: u32) -> Self {
        Self(now.wrapping_sub(tsval))
    }

    /// Shifts TSval of a client's segment: `tcp` is its header with all options.
    pub fn shift_request(self, tcp: &mut [u8]) -> Result<Delta, Malformed> {
        let end = Tcp::parse(tcp)?.header_len();
        let options = tcp.get_mut(Tcp::MIN..end).ok_or(Malformed)?;
        Ok(shift_timestamps(options, self.0, 0))
    }

    /// Shifts TSecr of a server's segment back: `tcp` is its header with all options. TSecr says
    /// nothing in a segment that acknowledges nothing.
    pub fn shift_reply(self, tcp: &mut [u8]) -> Result<Delta, Malformed> {
        let header = Tcp::parse(tcp)?;
        let end = header.header_len();
        if !header.flags().ack() {
            return Ok(Delta::NONE);
        }
        let options = tcp.get_mut(Tcp::MIN..end).ok_or(Malformed)?;
        Ok(shift_timestamps(options, 0, 0u32.wrapping_sub(self.0)))
    }
}
