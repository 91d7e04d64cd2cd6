// SPDX-License-Identifier: GPL-2.0

//! `getsockopt(fd, IPPROTO_IP, 2048)`: the client behind a flow that a program names.
//!
//! The way for programs that know of it, as DPVS's `uoa.ko` offers it, and the only one to an IPv6 client
//! of an IPv4 server. Process context.

use kernel::prelude::*;
use kernel_net::net::PerNet;
use kernel_net::rcu;
use kernel_net::sock::Sock;
use kernel_net::sockopt::{GetOption, Question};
use kernel_net::{AF_INET, AF_INET6};
use nat::{Address, Family, Port, Protocol, Tuple};

use crate::mappings::Client;
use crate::namespace::Namespace;
use crate::stats::Event;

/// Bytes of `struct uoa_param_map`, which is packed: family, two addresses and two ports of the flow;
/// family, address and port of the client. Families are in the host's order, ports in the network's.
const LEN: usize = 58;
/// Bytes of it that the program fills.
const ASKED: usize = 38;

/// The option.
pub(crate) struct Lookup;

impl GetOption for Lookup {
    /// `UOA_SO_GET_LOOKUP`.
    const NUMBER: i32 = 2048;
    type Answer = [u8; LEN];

    fn get(sock: &Sock, question: Question) -> Result<[u8; LEN]> {
        // It may sleep.
        let answer = question.read::<LEN>();
        let guard = rcu::read_lock();
        let net = sock.live_net(&guard).ok_or(ENOENT)?;
        let namespace = Namespace::of_guarded(net, &guard).ok_or(ENOENT)?;
        let invalid = |_: &Error| namespace.count(Event::Invalid);
        let mut answer = answer.inspect_err(invalid)?;
        let wire = asked(&answer).ok_or(EINVAL).inspect_err(invalid)?;
        let Some(mapping) = namespace.find(&wire, &guard) else {
            namespace.count(Event::Miss);
            return Err(ENOENT);
        };
        mapping.touch();
        namespace.count(Event::Success);
        tell(&mut answer, mapping.client).ok_or(EINVAL)?;
        Ok(answer)
    }
}

/// The flow that a program asks for. A socket for both families shows IPv4 addresses as IPv6 addresses.
fn asked(bytes: &[u8; LEN]) -> Option<Tuple> {
    let number = |at: usize| bytes.get(at..)?.first_chunk().copied();
    let address = |at: usize| bytes.get(at..)?.first_chunk::<16>().copied();
    let (source, destination) = (address(2)?, address(18)?);
    let (family, source, destination) = match u32::from(u16::from_ne_bytes(number(0)?)) {
        AF_INET => (Family::V4, v4(source), v4(destination)),
        AF_INET6 => match (embedded(source), embedded(destination)) {
            (Some(source), destination) => {
                let destination = destination.unwrap_or(Address::UNSPECIFIED);
                (Family::V4, source, destination)
            }
            _ => {
                let [source, destination] = [source, destination].map(Address::from_octets);
                (Family::V6, source, destination)
            }
        },
        _ => return None,
    };
    Some(Tuple {
        family,
        protocol: Protocol::UDP,
        source_port: Port::from_be_bytes(number(34)?),
        destination_port: Port::from_be_bytes(number(36)?),
        source,
        destination,
    })
}

fn v4([a, b, c, d, ..]: [u8; 16]) -> Address {
    Address::from_v4([a, b, c, d])
}

/// The IPv4 address in an IPv6 address.
fn embedded(address: [u8; 16]) -> Option<Address> {
    let v4 = core::net::Ipv6Addr::from(address).to_ipv4_mapped()?;
    Some(Address::from_v4(v4.octets()))
}

/// Writes the client behind what was asked.
fn tell(answer: &mut [u8; LEN], client: Client) -> Option<()> {
    let family = match client.family {
        Family::V4 => AF_INET,
        Family::V6 => AF_INET6,
    };
    let place = answer.get_mut(ASKED..)?.first_chunk_mut::<20>()?;
    let [f0, f1, address @ .., p0, p1] = place;
    // CAST: The number of a family.
    [*f0, *f1] = (family as u16).to_ne_bytes();
    *address = *client.address.octets();
    [*p0, *p1] = client.port.to_be_bytes();
    Some(())
}
