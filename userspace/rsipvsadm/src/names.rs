// SPDX-License-Identifier: GPL-2.0
//! Names for addresses and ports, both ways.

use std::net::{IpAddr, SocketAddr};

use ipvs_netlink::Protocol;

/// From names to numbers, for reading a command line.
pub trait Resolve {
    /// The address of a host.
    fn host(&self, name: &str) -> Option<IpAddr>;
    /// The port of a network service.
    fn port(&self, name: &str, protocol: Protocol) -> Option<u16>;
}

/// From numbers to names, for output.
pub trait Naming {
    /// An address with a port.
    fn endpoint(&self, addr: IpAddr, port: u16, protocol: Protocol) -> String;
}

/// No names at all.
#[derive(Clone, Copy, Debug)]
pub struct Numeric;

impl Naming for Numeric {
    fn endpoint(&self, addr: IpAddr, port: u16, _: Protocol) -> String {
        SocketAddr::new(addr, port).to_string()
    }
}

impl Resolve for Numeric {
    fn host(&self, _: &str) -> Option<IpAddr> {
        None
    }

    fn port(&self, _: &str, _: Protocol) -> Option<u16> {
        None
    }
}

/// What the C library knows: /etc/hosts, DNS, /etc/services.
#[derive(Clone, Copy, Debug)]
pub struct System;

impl Resolve for System {
    fn host(&self, name: &str) -> Option<IpAddr> {
        let found = dns_lookup::lookup_host(name).ok()?.collect::<Vec<_>>();
        let first_v4 = found.iter().find(|addr| addr.is_ipv4());
        first_v4.or(found.first()).copied()
    }

    fn port(&self, name: &str, protocol: Protocol) -> Option<u16> {
        let hints = dns_lookup::AddrInfoHints {
            socktype: match protocol {
                Protocol::UDP => libc::SOCK_DGRAM,
                _ => libc::SOCK_STREAM,
            },
            protocol: protocol.0.into(),
            ..dns_lookup::AddrInfoHints::default()
        };
        let mut found = dns_lookup::getaddrinfo(None, Some(name), Some(hints)).ok()?;
        Some(found.next()?.ok()?.sockaddr.port())
    }
}

impl Naming for System {
    fn endpoint(&self, addr: IpAddr, port: u16, protocol: Protocol) -> String {
        // Two questions: a name server that does not answer must not cost the name of the port.
        let socket = SocketAddr::new(addr, port);
        let host = dns_lookup::getnameinfo(&socket, libc::NI_NUMERICSERV);
        let host = host.map_or_else(|_| addr.to_string(), |(host, _)| host);
        let flags = match protocol {
            Protocol::TCP => Some(libc::NI_NUMERICHOST),
            Protocol::UDP => Some(libc::NI_NUMERICHOST | libc::NI_DGRAM),
            _ => None,
        };
        let port = flags
            .and_then(|flags| dns_lookup::getnameinfo(&socket, flags).ok())
            .map_or_else(|| port.to_string(), |(_, port)| port);
        if addr.is_ipv6() {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    }
}
