// SPDX-License-Identifier: GPL-2.0
//! The kernel's table of connections, /proc/net/ip_vs_conn: the only place that lists those of all
//! forwarding methods. The reader sees its own network namespace.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{ConnectionKey, Error, Protocol};

/// The file.
pub const CONNECTIONS: &str = "/proc/net/ip_vs_conn";

/// A connection of any forwarding method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What the client sees.
    pub key: ConnectionKey,
    /// Address of the real server.
    pub raddr: IpAddr,
    /// Port of the real server.
    pub rport: u16,
    /// Name of the state.
    pub state: String,
    /// Seconds until its timer fires.
    pub expires: u32,
    /// Name of the persistence engine and what it keyed the connection by.
    pub engine: Option<(String, String)>,
}

/// Reads the table; an empty one if the file is not there, because then nothing was ever scheduled.
///
/// # Errors
///
/// [`Error::Io`] if the file cannot be read, [`Error::Proc`] if it does not look as it should.
pub fn connections() -> Result<Vec<Entry>, Error> {
    match File::open(CONNECTIONS) {
        Ok(file) => parse(BufReader::new(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(Error::Io {
            what: format!("read {CONNECTIONS}"),
            source,
        }),
    }
}

/// Parses the table.
///
/// # Errors
///
/// See [`connections`].
pub fn parse(table: impl BufRead) -> Result<Vec<Entry>, Error> {
    let mut found = Vec::new();
    for (number, line) in table.lines().enumerate() {
        let line = line.map_err(|source| Error::Io {
            what: format!("read {CONNECTIONS}"),
            source,
        })?;
        // The first line is the heading.
        if number == 0 || line.trim().is_empty() {
            continue;
        }
        let entry = parse_line(&line).ok_or_else(|| Error::Proc {
            file: CONNECTIONS,
            line: number + 1,
            what: format!("not a connection: {line}"),
        })?;
        found.push(entry);
    }
    Ok(found)
}

fn parse_line(line: &str) -> Option<Entry> {
    let mut words = line.split_whitespace();
    let mut next = || words.next();
    let protocol = protocol(next()?)?;
    let caddr = address(next()?)?;
    let cport = port(next()?)?;
    let vaddr = address(next()?)?;
    let vport = port(next()?)?;
    let raddr = address(next()?)?;
    let rport = port(next()?)?;
    let state = next()?.to_owned();
    let expires = next()?.parse().ok()?;
    let engine = next().map(|name| (name.to_owned(), next().unwrap_or_default().to_owned()));
    Some(Entry {
        key: ConnectionKey {
            protocol,
            caddr,
            cport,
            vaddr,
            vport,
        },
        raddr,
        rport,
        state,
        expires,
        engine,
    })
}

fn protocol(word: &str) -> Option<Protocol> {
    match word {
        "TCP" => Some(Protocol::TCP),
        "UDP" => Some(Protocol::UDP),
        "SCTP" => Some(Protocol::SCTP),
        // Templates of firewall marks are filed under IP.
        "IP" => Some(Protocol(0)),
        "ICMP" => Some(Protocol(1)),
        "ICMPv6" => Some(Protocol(58)),
        "ESP" => Some(Protocol(50)),
        "AH" => Some(Protocol(51)),
        _ => word.strip_prefix("IP_")?.parse().ok().map(Protocol),
    }
}

/// Eight hexadecimal digits for IPv4, the usual notation for IPv6.
fn address(word: &str) -> Option<IpAddr> {
    if word.contains(':') {
        return word.parse::<Ipv6Addr>().ok().map(IpAddr::from);
    }
    let number = u32::from_str_radix(word, 16).ok()?;
    Some(Ipv4Addr::from(number).into())
}

fn port(word: &str) -> Option<u16> {
    u16::from_str_radix(word, 16).ok()
}
