// SPDX-License-Identifier: GPL-2.0
//! Reading addresses with ports, and numbers.

use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::str::FromStr;

use ipvs_netlink::{ConnectionKey, Protocol};

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

/// Reads `proto:cip:cport:vip:vport`, with IPv6 addresses in brackets.
///
/// # Errors
///
/// [`Failure::Usage`] with the form it should have.
pub fn sockpair(text: &str) -> Result<ConnectionKey, Failure> {
    try_sockpair(text).ok_or_else(|| {
        Failure::usage(format!(
            "--sockpair: {text} is not PROTO:CIP:CPORT:VIP:VPORT with PROTO tcp, udp or sctp"
        ))
    })
}

fn try_sockpair(text: &str) -> Option<ConnectionKey> {
    let (protocol, rest) = text.split_once(':')?;
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "tcp" => Protocol::TCP,
        "udp" => Protocol::UDP,
        "sctp" => Protocol::SCTP,
        _ => return None,
    };
    let (caddr, rest) = address(rest)?;
    let (cport, rest) = rest.strip_prefix(':')?.split_once(':')?;
    let (vaddr, rest) = address(rest)?;
    let vport = rest.strip_prefix(':')?;
    (caddr.is_ipv4() == vaddr.is_ipv4()).then_some(ConnectionKey {
        protocol,
        caddr,
        cport: cport.parse().ok()?,
        vaddr,
        vport: vport.parse().ok()?,
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
