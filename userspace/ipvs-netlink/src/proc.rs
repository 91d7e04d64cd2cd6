// SPDX-License-Identifier: GPL-2.0
//! The kernel's table of connections, /proc/net/ip_vs_conn: the only place that lists those of all
//! forwarding methods. The reader sees its own network namespace.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::ControlFlow;

use crate::{ConnectionKey, Error, Protocol};

/// The file.
pub const CONNECTIONS: &str = "/proc/net/ip_vs_conn";
/// The kernel fills as much as fits at a time.
const BUFFER: usize = 64 * 1024;

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

/// Shows the connections of the table to `reader`, one by one, until that breaks off; none if the
/// file is not there, because then nothing was ever scheduled.
///
/// # Errors
///
/// [`Error::Io`] if the file cannot be read, [`Error::Proc`] if it does not look as it should.
pub fn connections(reader: &mut dyn FnMut(Entry) -> ControlFlow<()>) -> Result<(), Error> {
    match File::open(CONNECTIONS) {
        Ok(file) => parse(BufReader::with_capacity(BUFFER, file), reader),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(unreadable(source)),
    }
}

/// Parses the table.
///
/// # Errors
///
/// See [`connections`].
pub fn parse(
    mut table: impl BufRead,
    reader: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> Result<(), Error> {
    let mut line = String::new();
    for number in 1_usize.. {
        line.clear();
        if table.read_line(&mut line).map_err(unreadable)? == 0 {
            break;
        }
        // The first line is the heading.
        if number == 1 || line.trim().is_empty() {
            continue;
        }
        let entry = parse_line(&line).ok_or_else(|| Error::Proc {
            file: CONNECTIONS,
            line: number,
            what: format!("not a connection: {}", line.trim_end()),
        })?;
        if reader(entry).is_break() {
            break;
        }
    }
    Ok(())
}

fn unreadable(source: io::Error) -> Error {
    Error::Io {
        what: format!("read {CONNECTIONS}"),
        source,
    }
}

fn parse_line(line: &str) -> Option<Entry> {
    let mut words = line.split_ascii_whitespace();
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
