// SPDX-License-Identifier: GPL-2.0

//! The TCP header of a packet, read once and changed in place.
//!
//! A change of the header is a change of its checksum: [`Segment::edit`] takes both together. When
//! the NIC is to complete the checksum, the field covers the pseudo header only, and edits of the TCP
//! header leave it alone.

use flow_method::Counter;
use kernel_net::skb::Packet;
use nat::{ChecksumState, Headers};
use wire::{Delta, Flags, Tcp};

/// Where the TCP header of a packet lies and what it says.
#[derive(Clone, Copy)]
pub(crate) struct Segment {
    /// Offset of the TCP header in the packet.
    pub(crate) at: usize,
    /// Offset of what follows it.
    pub(crate) end: usize,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: Flags,
    /// Bytes of data in the packet.
    pub(crate) data_len: usize,
}

impl Segment {
    /// Reads the header; the engine has made sure that it is all there.
    pub(crate) fn of(headers: &Headers, packet: &Packet<'_>) -> Result<Self, Counter> {
        let read = || {
            let tcp = Tcp::parse(packet.linear().get(headers.transport..)?).ok()?;
            Some(Self {
                at: headers.transport,
                end: headers.end,
                seq: tcp.seq(),
                ack: tcp.ack(),
                flags: tcp.flags(),
                data_len: packet.len().checked_sub(headers.end)?,
            })
        };
        read().ok_or(Counter::Malformed)
    }

    /// Whether there are options.
    pub(crate) fn has_options(&self) -> bool {
        self.end.saturating_sub(self.at) > Tcp::MIN
    }

    /// Changes the header; `change` gets all of it and says what that does to the checksum.
    pub(crate) fn edit(
        &self,
        packet: &mut Packet<'_>,
        change: impl FnOnce(&mut [u8]) -> Delta,
    ) -> Result<(), Counter> {
        let state = packet.prepare_checksum();
        let bytes = packet.write(self.end).ok_or(Counter::NoMemory)?;
        let header = bytes.get_mut(self.at..).ok_or(Counter::Malformed)?;
        let delta = change(header);
        if state == ChecksumState::Complete {
            fix(header, |check| delta.apply(check));
        }
        Ok(())
    }
}

/// Replaces the checksum of a TCP header.
pub(crate) fn fix(tcp: &mut [u8], new: impl FnOnce([u8; 2]) -> [u8; 2]) {
    if let Some(field) = tcp.get_mut(Tcp::CHECK..).and_then(<[u8]>::first_chunk_mut) {
        *field = new(*field);
    }
}
