// SPDX-License-Identifier: GPL-2.0

//! A translated packet on its way out, as a method sees it.
//!
//! A change of a TCP header is a change of its checksum: [`Departure::edit`] takes both together. When
//! the NIC is to complete the checksum, the field covers the pseudo header only, and edits of the TCP
//! header leave it alone.

use flow_method::{Counter, Flow, Scene};
use kernel_net::route::Route;
use kernel_net::skb::Packet;
use nat::{ChecksumState, Headers};
use wire::toa::Toa;
use wire::{Delta, Flags, Tcp};

/// What a method is given.
pub(crate) struct Departure<'a, 'p> {
    pub(crate) scene: &'a Scene,
    pub(crate) flow: &'a Flow,
    pub(crate) headers: &'a mut Headers,
    pub(crate) packet: &'a mut Packet<'p>,
    pub(crate) route: &'a Route,
}

/// What a TCP header says.
#[derive(Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: Flags,
}

impl Segment {
    /// Reads the header; the engine has made sure that it is all there.
    #[inline]
    pub(crate) fn of(packet: &Packet<'_>, headers: &Headers) -> Result<Self, Counter> {
        let tcp = packet
            .linear()
            .get(headers.transport..)
            .and_then(<[u8]>::first_chunk::<{ Tcp::MIN }>)
            .ok_or(Counter::Malformed)?;
        let tcp = Tcp::parse_fixed(tcp).map_err(|_| Counter::Malformed)?;
        Ok(Self {
            seq: tcp.seq(),
            ack: tcp.ack(),
            flags: tcp.flags(),
        })
    }
}

/// Whether a TCP header has options.
#[inline]
pub(crate) fn has_options(headers: &Headers) -> bool {
    headers.end.wrapping_sub(headers.transport) != Tcp::MIN
}

impl Departure<'_, '_> {
    /// The TCP options.
    pub(crate) fn options(&self) -> &[u8] {
        let tcp = |at: usize, end: usize| self.packet.linear().get(at..end)?.get(Tcp::MIN..);
        tcp(self.headers.transport, self.headers.end).unwrap_or(&[])
    }

    /// The client's address, as an option of that kind.
    pub(crate) fn client(&self, kind: u8) -> Toa {
        let client = &self.flow.client;
        Toa {
            kind,
            family: client.family,
            address: client.source,
            port: client.source_port.number(),
        }
    }

    /// Changes the TCP header; `change` gets all of it and says what that does to the checksum.
    pub(crate) fn edit(&mut self, change: impl FnOnce(&mut [u8]) -> Delta) -> Result<(), Counter> {
        let state = self.packet.prepare_checksum();
        let end = self.headers.end;
        self.packet.write(end).ok_or(Counter::NoMemory)?;
        self.packet.unite_headers();
        let tcp = self
            .packet
            .write(end)
            .ok_or(Counter::NoMemory)?
            .get_mut(self.headers.transport..)
            .ok_or(Counter::Malformed)?;
        let delta = change(tcp);
        if state == ChecksumState::Complete {
            fix(tcp, |check| delta.apply(check));
        }
        Ok(())
    }

    /// Changes the TCP options.
    pub(crate) fn edit_options(
        &mut self,
        change: impl FnOnce(&mut [u8]) -> Delta,
    ) -> Result<(), Counter> {
        self.edit(|tcp| tcp.get_mut(Tcp::MIN..).map_or(Delta::NONE, change))
    }
}

/// Replaces the checksum of a TCP header.
pub(crate) fn fix(tcp: &mut [u8], new: impl FnOnce([u8; 2]) -> [u8; 2]) {
    if let Some(field) = tcp.get_mut(Tcp::CHECK..).and_then(<[u8]>::first_chunk_mut) {
        *field = new(*field);
    }
}
