// SPDX-License-Identifier: GPL-2.0

//! `getsockopt(fd, IPPROTO_IP, 4096)`: the client of a socket whatever the socket's family.
//!
//! The way for programs to an IPv6 client behind an IPv4 socket (NAT64), whose `sockaddr_in` has no
//! room for it. Process context.

use kernel::prelude::*;
use kernel_net::rcu;
use kernel_net::sock::Sock;
use kernel_net::sockopt::{GetOption, Question};

use crate::clients::Found;
use crate::probes::PROBES;

/// The option.
pub(crate) struct Lookup;

impl GetOption for Lookup {
    /// `TOA_SO_GET_LOOKUP`.
    const NUMBER: i32 = 4096;
    /// `struct toa_nat64_peer`: the address, the port in network order, two bytes of padding.
    type Answer = [u8; 20];

    fn get(sock: &Sock, _question: Question) -> Result<[u8; 20]> {
        let guard = rcu::read_lock();
        let peers = match PROBES
            .read(&guard)
            .map(|probes| probes.clients().find(sock, &guard))
        {
            // Not if the socket has another connection by now.
            Some(Found::Client(peers)) if peers.wire == sock.peer() => peers,
            _ => return Err(EFAULT),
        };
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = peers.client.address.octets();
        let [high, low] = peers.client.port.to_be_bytes();
        Ok([
            a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, high, low, 0, 0,
        ])
    }
}
