// SPDX-License-Identifier: GPL-2.0
//! Connections, written one by one as they are read: a million of them take no memory.
//!
//! The columns are DPVS's. Its first one is the number of the core that owns the connection; in Linux
//! no CPU owns one, so it is always 0. The local column is where the real server sees the connection
//! come from: the local address under FullNAT, the client under all other methods. States go by
//! the kernel's names.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};

use ipvs_netlink::proc::Entry;
use ipvs_netlink::{Connection, Protocol};
use serde::Serialize;

use super::json::protocol_word as json_protocol;
use crate::names::{Naming, Numeric};

/// One connection, as much as is shown of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    protocol: Protocol,
    expires: u32,
    state: &'a str,
    client: SocketAddr,
    vip: SocketAddr,
    local: Option<SocketAddr>,
    server: SocketAddr,
    engine: Option<(&'a str, &'a str)>,
}

impl From<&Connection> for Row<'_> {
    fn from(connection: &Connection) -> Self {
        let key = &connection.key;
        Self {
            protocol: key.protocol,
            expires: connection.expires,
            state: state_name(key.protocol, connection.state),
            client: SocketAddr::new(key.caddr, key.cport),
            vip: SocketAddr::new(key.vaddr, key.vport),
            local: Some(SocketAddr::new(connection.laddr, connection.lport)),
            server: SocketAddr::new(connection.raddr, connection.rport),
            engine: None,
        }
    }
}

impl<'a> From<&'a Entry> for Row<'a> {
    fn from(entry: &'a Entry) -> Self {
        let key = &entry.key;
        let engine = entry.engine.as_ref();
        Self {
            protocol: key.protocol,
            expires: entry.expires,
            state: &entry.state,
            client: SocketAddr::new(key.caddr, key.cport),
            vip: SocketAddr::new(key.vaddr, key.vport),
            local: None,
            server: SocketAddr::new(entry.raddr, entry.rport),
            engine: engine.map(|(name, data)| (name.as_str(), data.as_str())),
        }
    }
}

/// The kernel's name for a state, see the protocols in net/netfilter/ipvs.
#[must_use]
pub fn state_name(protocol: Protocol, state: u16) -> &'static str {
    const TCP: [&str; 11] = [
        "NONE",
        "ESTABLISHED",
        "SYN_SENT",
        "SYN_RECV",
        "FIN_WAIT",
        "TIME_WAIT",
        "CLOSE",
        "CLOSE_WAIT",
        "LAST_ACK",
        "LISTEN",
        "SYNACK",
    ];
    const SCTP: [&str; 14] = [
        "NONE",
        "INIT1",
        "INIT",
        "C-SENT",
        "C-REPLIED",
        "C-WAIT",
        "COOKIE",
        "C-ECHOED",
        "ESTABLISHED",
        "S-SENT",
        "S-RECEIVED",
        "S-ACK-SENT",
        "REJECTED",
        "CLOSED",
    ];
    let name = match protocol {
        Protocol::TCP => TCP.get(usize::from(state)),
        Protocol::SCTP => SCTP.get(usize::from(state)),
        Protocol::UDP => Some(&"UDP"),
        _ => None,
    };
    name.copied().unwrap_or("NONE")
}

/// How connections are written.
#[derive(Clone, Copy)]
pub enum Shape {
    /// In columns.
    Table {
        /// Addresses and ports as numbers.
        numeric: bool,
        /// With what the persistence engine knows.
        with_engine: bool,
    },
    /// As JSON, one connection to a line.
    Json,
}

/// What JSON begins with. It is written with the first connection, so that a listing that fails before
/// leaves nothing behind.
const JSON_BEGIN: &[u8] = b"{\"connections\": [";

/// A listing that is being written.
pub struct Listing<W> {
    out: W,
    shape: Shape,
    names: &'static dyn Naming,
    rows: u64,
    line: Line,
}

impl<W: Write> Listing<W> {
    /// A listing without connections yet; `names` are asked unless it is numeric.
    pub fn new(out: W, shape: Shape, names: &'static dyn Naming) -> Self {
        Self {
            out,
            shape,
            names,
            rows: 0,
            line: Line::default(),
        }
    }

    /// Writes one connection.
    ///
    /// # Errors
    ///
    /// What the output fails with, here and below.
    pub fn row<'a>(&mut self, row: impl Into<Row<'a>>) -> io::Result<()> {
        let row = row.into();
        self.rows += 1;
        match self.shape {
            Shape::Json => self.json(&row),
            Shape::Table {
                numeric,
                with_engine,
            } => {
                self.columns(&row, numeric);
                if let (true, Some((name, data))) = (with_engine, row.engine) {
                    self.line.text(" ").text(name).text(" ").text(data);
                }
                self.line.text("\n");
                self.out.write_all(&self.line.bytes)?;
                self.line.clear();
                Ok(())
            }
        }
    }

    fn columns(&mut self, row: &Row<'_>, numeric: bool) {
        let local = row.local.unwrap_or(row.client);
        let line = &mut self.line;
        line.text("[0]")
            .word(protocol_word(row.protocol), "[0]".len() + 3);
        line.number(row.expires).text("s").pad(6);
        line.word(row.state, 11);
        for (end, width) in [
            (row.client, 18),
            (row.vip, 18),
            (local, 18),
            (row.server, 0),
        ] {
            if numeric {
                line.end(end).pad(width);
            } else {
                line.word(
                    &self.names.endpoint(end.ip(), end.port(), row.protocol),
                    width,
                );
            }
        }
        line.finish();
    }

    fn json(&mut self, row: &Row<'_>) -> io::Result<()> {
        let before: &[u8] = if self.rows == 1 { JSON_BEGIN } else { b"," };
        self.out.write_all(before)?;
        self.out.write_all(b"\n  ")?;
        serde_json::to_writer(&mut self.out, &JsonRow::from(row)).map_err(io::Error::from)
    }

    /// Ends the listing; what it was written to.
    ///
    /// # Errors
    ///
    /// See [`Listing::row`].
    pub fn end(mut self) -> io::Result<W> {
        if matches!(self.shape, Shape::Json) {
            if self.rows == 0 {
                self.out.write_all(JSON_BEGIN)?;
            }
            self.out.write_all(b"\n]}\n")?;
        }
        self.out.flush()?;
        Ok(self.out)
    }
}

/// A line of columns that is being put together. By hand: the general way to format takes four times
/// as long, and a million lines are many.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    /// Where the column begins.
    column: usize,
}

impl Line {
    fn clear(&mut self) {
        self.bytes.clear();
        self.column = 0;
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.bytes.extend_from_slice(text.as_bytes());
        self
    }

    fn number(&mut self, number: u32) -> &mut Self {
        let mut digits = [0; 10];
        let mut place = digits.len();
        let mut rest = number;
        // BOUND: ten digits hold every number of 32 bits.
        loop {
            place -= 1;
            // CAST: a digit.
            digits[place] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.bytes.extend_from_slice(&digits[place..]);
        self
    }

    fn end(&mut self, end: SocketAddr) -> &mut Self {
        match end.ip() {
            IpAddr::V4(addr) => {
                let [a, b, c, d] = addr.octets().map(u32::from);
                self.number(a).text(".").number(b).text(".");
                self.number(c).text(".").number(d);
            }
            // Writing to a Vec cannot fail.
            IpAddr::V6(addr) => write!(self.bytes, "[{addr}]").unwrap_or(()),
        }
        self.text(":").number(end.port().into())
    }

    /// Ends a column that is at least this wide, and the space behind it.
    fn pad(&mut self, width: usize) {
        let end = self.bytes.len().max(self.column + width);
        self.bytes.resize(end, b' ');
        self.bytes.push(b' ');
        self.column = self.bytes.len();
    }

    fn word(&mut self, word: &str, width: usize) {
        // Columns count characters, not bytes.
        let wider = word.len() - word.chars().count();
        self.text(word).pad(width + wider);
    }

    /// Takes the space behind the last column away.
    fn finish(&mut self) {
        self.bytes.pop();
    }
}

#[derive(Serialize)]
struct JsonRow<'a> {
    protocol: std::borrow::Cow<'static, str>,
    state: &'a str,
    expires: u32,
    client: Endpoint,
    r#virtual: Endpoint,
    local: Option<Endpoint>,
    server: Endpoint,
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<Engine<'a>>,
}

#[derive(Serialize)]
struct Engine<'a> {
    name: &'a str,
    data: &'a str,
}

#[derive(Serialize)]
struct Endpoint {
    address: IpAddr,
    port: u16,
}

impl From<SocketAddr> for Endpoint {
    fn from(end: SocketAddr) -> Self {
        Self {
            address: end.ip(),
            port: end.port(),
        }
    }
}

impl<'a> From<&Row<'a>> for JsonRow<'a> {
    fn from(row: &Row<'a>) -> Self {
        Self {
            protocol: json_protocol(row.protocol),
            state: row.state,
            expires: row.expires,
            client: row.client.into(),
            r#virtual: row.vip.into(),
            local: row.local.map(Endpoint::from),
            server: row.server.into(),
            engine: row.engine.map(|(name, data)| Engine { name, data }),
        }
    }
}

/// A whole listing as text.
#[must_use]
pub fn text<'a>(rows: impl IntoIterator<Item = Row<'a>>, shape: Shape) -> String {
    let write = || -> io::Result<Vec<u8>> {
        let mut listing = Listing::new(Vec::new(), shape, &Numeric);
        for row in rows {
            listing.row(row)?;
        }
        listing.end()
    };
    // Writing to a Vec cannot fail, and all of it is text.
    String::from_utf8(write().unwrap_or_default()).unwrap_or_default()
}

/// The word for a protocol.
#[must_use]
pub fn protocol_word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::TCP => "tcp",
        Protocol::UDP => "udp",
        Protocol::SCTP => "sctp",
        Protocol(1) => "icmp",
        Protocol(58) => "icmpv6",
        _ => "--",
    }
}
