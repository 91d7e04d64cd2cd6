// SPDX-License-Identifier: GPL-2.0
//! Reading addresses with ports, and numbers.

use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;

use ipvs_netlink::{ConnectionKey, Protocol, ServerSide, Wanted};

use crate::failure::Failure;
use crate::names::Resolve;

/// Reads a number and checks its range.
///
/// # Errors
///
/// [`Failure::Usage`] naming the option and the range.
pub fn number<T>(option: &str, text: &str, range: RangeInclusive<T>) -> Result<T, Failure>
where
    T: FromStr + PartialOrd + Display,
{
    match text.parse::<T>() {
        Ok(value) if range.contains(&value) => Ok(value),
        _ => Err(Failure::usage(format!(
            "{option}: {text} is not a number from {} to {}",
            range.start(),
            range.end()
        ))),
    }
}

/// Reads `host`, `host:port`, `[ipv6]:port` or `ipv6`; host and port may be names.
///
/// # Errors
///
/// [`Failure::Usage`] naming the option and the part that cannot be read.
pub fn endpoint(
    option: &str,
    text: &str,
    protocol: Protocol,
    names: &dyn Resolve,
) -> Result<(IpAddr, Option<u16>), Failure> {
    let wrong = || {
        Failure::usage(format!(
            "{option}: {text} is not an address[:port]; IPv6 with a port is [address]:port"
        ))
    };
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or_else(wrong)?;
        host.parse::<Ipv6Addr>().map_err(|_| wrong())?;
        match after {
            "" => (host, None),
            _ => (host, Some(after.strip_prefix(':').ok_or_else(wrong)?)),
        }
    } else if text.parse::<Ipv6Addr>().is_ok() {
        (text, None)
    } else {
        match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    // A bare number is a forgotten address more often than a host of that name.
    if host.is_empty() || host.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let addr = match host.parse() {
        Ok(addr) => addr,
        Err(_) => names
            .host(host)
            .ok_or_else(|| Failure::usage(format!("{option}: there is no host {host}")))?,
    };
    let port = port.map(|port| {
        let known = port.parse().ok().or_else(|| {
            let named = !port.is_empty() && !port.bytes().all(|byte| byte.is_ascii_digit());
            named.then(|| names.port(port, protocol)).flatten()
        });
        known.ok_or_else(|| Failure::usage(format!("{option}: {port} is not a port")))
    });
    Ok((addr, port.transpose()?))
}

/// Two ends of a connection, as somebody sees them: the client, the real server or the director.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Protocol.
    pub protocol: Protocol,
    /// Where packets come from.
    pub from: SocketAddr,
    /// Where they go.
    pub to: SocketAddr,
}

impl Pair {
    /// The FullNAT connections that it may be: as the real server sees it and as the client sees it,
    /// a packet there and a packet back.
    #[must_use]
    pub fn wanted(&self) -> [Wanted; 4] {
        let client = |client: SocketAddr, vip: SocketAddr| {
            Wanted::Client(ConnectionKey {
                protocol: self.protocol,
                caddr: client.ip(),
                cport: client.port(),
                vaddr: vip.ip(),
                vport: vip.port(),
            })
        };
        let server = |local: SocketAddr, server: SocketAddr| {
            Wanted::Server(ServerSide {
                protocol: self.protocol,
                laddr: local.ip(),
                lport: local.port(),
                raddr: server.ip(),
                rport: server.port(),
            })
        };
        let (from, to) = (self.from, self.to);
        // The engine finds a server's side at once and looks for a client's among all.
        [
            server(from, to),
            server(to, from),
            client(from, to),
            client(to, from),
        ]
    }

    /// Whether a connection without a local address is meant: its real server sees the client.
    #[must_use]
    pub fn names(&self, key: &ConnectionKey, server: SocketAddr) -> bool {
        let client = SocketAddr::new(key.caddr, key.cport);
        let vip = SocketAddr::new(key.vaddr, key.vport);
        let other = match client {
            _ if client == self.from => self.to,
            _ if client == self.to => self.from,
            _ => return false,
        };
        key.protocol == self.protocol && (other == vip || other == server)
    }
}

/// Reads `proto:addr:port:addr:port`, with IPv6 addresses in brackets.
///
/// # Errors
///
/// [`Failure::Usage`] with the form it should have.
pub fn sockpair(text: &str) -> Result<Pair, Failure> {
    try_sockpair(text).ok_or_else(|| {
        Failure::usage(format!(
            "--sockpair: {text} is not PROTO:ADDR:PORT:ADDR:PORT with PROTO tcp, udp or sctp and both addresses of one family"
        ))
    })
}

/// The protocol of a word.
#[must_use]
pub fn protocol(word: &str) -> Option<Protocol> {
    match word.to_ascii_lowercase().as_str() {
        "tcp" => Some(Protocol::TCP),
        "udp" => Some(Protocol::UDP),
        "sctp" => Some(Protocol::SCTP),
        _ => None,
    }
}

fn try_sockpair(text: &str) -> Option<Pair> {
    let (word, rest) = text.split_once(':')?;
    let (from, rest) = address(rest)?;
    let (from_port, rest) = rest.strip_prefix(':')?.split_once(':')?;
    let (to, rest) = address(rest)?;
    let to_port = rest.strip_prefix(':')?;
    (from.is_ipv4() == to.is_ipv4()).then_some(Pair {
        protocol: protocol(word)?,
        from: SocketAddr::new(from, from_port.parse().ok()?),
        to: SocketAddr::new(to, to_port.parse().ok()?),
    })
}

/// An address at the beginning of a text, and what follows it.
fn address(text: &str) -> Option<(IpAddr, &str)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (addr, rest) = rest.split_once(']')?;
        return Some((addr.parse::<Ipv6Addr>().ok()?.into(), rest));
    }
    let end = text.find(':')?;
    Some((text.get(..end)?.parse().ok()?, text.get(end..)?))
}
