// SPDX-License-Identifier: GPL-2.0
//! Network headers of both families, byte by byte, and what one becomes in the other.

use nat::{Address, Family};
use proptest::collection::vec;
use proptest::prelude::*;

use super::checksum;

/// What a network header says besides addresses, protocol and length.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Network {
    pub(crate) traffic_class: u8,
    pub(crate) hops: u8,
    /// IPv4; IPv6 if there is a fragment header.
    pub(crate) id: u32,
    /// The packet is the first part of several.
    pub(crate) more: bool,
    /// IPv4.
    pub(crate) dont_fragment: bool,
    pub(crate) options: Vec<u8>,
    /// IPv6.
    pub(crate) flow_label: u32,
    /// Whether there is a fragment header.
    pub(crate) fragment_header: bool,
    /// Extension headers, destination options, of so many units each.
    pub(crate) extensions: Vec<u8>,
}

pub(crate) const PLAIN: Network = Network {
    traffic_class: 0,
    hops: 64,
    id: 0,
    more: false,
    dont_fragment: false,
    options: vec![],
    flow_label: 0,
    fragment_header: false,
    extensions: vec![],
};

impl Network {
    /// The header of a packet with so many bytes behind it.
    pub(crate) fn header(
        &self,
        family: Family,
        source: &Address,
        destination: &Address,
        protocol: u8,
        payload_len: usize,
    ) -> Vec<u8> {
        match family {
            Family::V4 => self.v4(source, destination, protocol, payload_len),
            Family::V6 => self.v6(source, destination, protocol, payload_len),
        }
    }

    fn v4(&self, from: &Address, to: &Address, protocol: u8, payload_len: usize) -> Vec<u8> {
        let len = 20 + self.options.len();
        let mut bytes = vec![0x40 | (len / 4) as u8, self.traffic_class];
        bytes.extend(((len + payload_len) as u16).to_be_bytes());
        bytes.extend((self.id as u16).to_be_bytes());
        let flags = (u16::from(self.dont_fragment) << 14) | (u16::from(self.more) << 13);
        bytes.extend(flags.to_be_bytes());
        bytes.extend([self.hops, protocol, 0, 0]);
        bytes.extend(from.v4());
        bytes.extend(to.v4());
        bytes.extend(&self.options);
        let check = checksum(&[&bytes]);
        bytes[10..12].copy_from_slice(&check);
        bytes
    }

    fn v6(&self, from: &Address, to: &Address, protocol: u8, payload_len: usize) -> Vec<u8> {
        let mut numbers = vec![60; self.extensions.len()];
        numbers.extend(self.fragment_header.then_some(44));
        numbers.push(protocol);
        let mut chain = vec![];
        for (at, units) in self.extensions.iter().enumerate() {
            let padding = 4 + 8 * units;
            chain.extend([numbers[at + 1], *units, 1, padding]);
            chain.extend(vec![0; usize::from(padding)]);
        }
        if self.fragment_header {
            chain.extend([protocol, 0, 0, u8::from(self.more)]);
            chain.extend(self.id.to_be_bytes());
        }
        let start = (6 << 28) | (u32::from(self.traffic_class) << 20) | self.flow_label;
        let mut bytes = start.to_be_bytes().to_vec();
        bytes.extend(((chain.len() + payload_len) as u16).to_be_bytes());
        bytes.extend([numbers[0], self.hops]);
        bytes.extend(from.octets());
        bytes.extend(to.octets());
        bytes.extend(chain);
        bytes
    }

    /// The same in the other family, of a packet with so many bytes behind the header: RFC 7915.
    pub(crate) fn across(&self, from: Family, payload_len: usize, id: u16) -> Self {
        let common = Self {
            traffic_class: self.traffic_class,
            hops: self.hops,
            more: self.more,
            ..PLAIN
        };
        match from {
            Family::V4 => Self {
                id: self.id,
                fragment_header: self.more,
                ..common
            },
            Family::V6 if self.fragment_header => Self {
                id: self.id & 0xffff,
                ..common
            },
            Family::V6 => {
                let is_long = 20 + payload_len > 1260;
                Self {
                    dont_fragment: is_long,
                    id: if is_long { 0 } else { u32::from(id) },
                    ..common
                }
            }
        }
    }
}

/// Headers of that family; `parts` may be first parts of several.
pub(crate) fn network(family: Family, parts: bool) -> impl Strategy<Value = Network> {
    (
        any::<(u8, u8, u32, bool, bool, bool)>(),
        vec(any::<[u8; 4]>(), 0..=10),
        0u32..1 << 20,
        vec(0u8..3, 0..3),
    )
        .prop_map(move |(small, options, flow_label, extensions)| {
            let (traffic_class, hops, id, dont_fragment, fragment_header, more) = small;
            let is_v4 = family == Family::V4;
            let fragment_header = !is_v4 && fragment_header;
            let more = parts && more && (is_v4 || fragment_header);
            Network {
                traffic_class,
                hops,
                id: if is_v4 { id & 0xffff } else { id },
                more,
                dont_fragment: is_v4 && dont_fragment && !more,
                options: if is_v4 { options.concat() } else { vec![] },
                flow_label,
                fragment_header,
                extensions: if is_v4 { vec![] } else { extensions },
            }
        })
}
