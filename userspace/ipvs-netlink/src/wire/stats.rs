// SPDX-License-Identifier: GPL-2.0
//! Statistics of a service or a server.

use super::attr::{attributes, WireError};
use super::ids::stats;

/// Totals and rates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections scheduled.
    pub conns: u64,
    /// Packets from clients.
    pub in_packets: u64,
    /// Packets to clients.
    pub out_packets: u64,
    /// Bytes from clients.
    pub in_bytes: u64,
    /// Bytes to clients.
    pub out_bytes: u64,
    /// New connections per second.
    pub conns_rate: u64,
    /// Packets from clients per second.
    pub in_packets_rate: u64,
    /// Packets to clients per second.
    pub out_packets_rate: u64,
    /// Bytes from clients per second.
    pub in_bytes_rate: u64,
    /// Bytes to clients per second.
    pub out_bytes_rate: u64,
}

impl Stats {
    /// Reads the nest STATS (32 bits in places) or STATS64; the numbers are the same.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the nest is damaged.
    pub fn parse(nest: &[u8]) -> Result<Self, WireError> {
        let mut found = Self::default();
        for attribute in attributes(nest, "statistics")? {
            let field = match attribute.id {
                stats::CONNS => &mut found.conns,
                stats::INPKTS => &mut found.in_packets,
                stats::OUTPKTS => &mut found.out_packets,
                stats::INBYTES => &mut found.in_bytes,
                stats::OUTBYTES => &mut found.out_bytes,
                stats::CPS => &mut found.conns_rate,
                stats::INPPS => &mut found.in_packets_rate,
                stats::OUTPPS => &mut found.out_packets_rate,
                stats::INBPS => &mut found.in_bytes_rate,
                stats::OUTBPS => &mut found.out_bytes_rate,
                _ => continue,
            };
            *field = attribute.count("statistics")?;
        }
        Ok(found)
    }
}
