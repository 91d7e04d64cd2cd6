// SPDX-License-Identifier: GPL-2.0

//! Which options of a handshake name a client.
//!
//! The first option that is a known sender's wins, as in all receivers. What it says is believed: the
//! director is who puts it in front of what a client may have made up.

use core::net::{Ipv4Addr, Ipv6Addr};
use kernel_net::sock::Endpoint;
use wire::tcp_options::Options;
use wire::toa::{Toa, KIND, KIND_ALIBABA_V6, KIND_DSNAT, LEN_V4, LEN_V6};
use wire::Family;

/// Kinds of the known senders. Alibaba's LVS sends 253 with IPv6 addresses only and dsnat 200 with
/// IPv4 addresses only, but this project's director sends what kind it is told with either.
const KINDS: [u8; 3] = [KIND, KIND_ALIBABA_V6, KIND_DSNAT];

/// Other lengths of the same kinds are other protocols': 253 and 254 are for experiments of anybody.
const LENGTHS: [usize; 2] = [LEN_V4, LEN_V6];

/// The client that the options of a segment name.
pub(crate) fn client(options: &[u8]) -> Option<Endpoint> {
    let toa = Options::new(options)
        .filter(|option| KINDS.contains(&option.kind) && LENGTHS.contains(&option.bytes.len()))
        .find_map(|option| Toa::decode(option.bytes))?;
    let address = match toa.family {
        Family::V4 => Ipv4Addr::from(toa.address.v4()).to_ipv6_mapped(),
        Family::V6 => Ipv6Addr::from(*toa.address.octets()),
    };
    Some(Endpoint {
        address,
        port: toa.port,
    })
}
