// SPDX-License-Identifier: GPL-2.0
//! FullNAT connections, one or a million.

use std::net::IpAddr;

use flow_abi::conn;

use super::attr::{each, family_of, Attribute, Attributes, WireError};
use super::service::Protocol;

/// What the client sees of a connection; it names the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionKey {
    /// Protocol.
    pub protocol: Protocol,
    /// Client address.
    pub caddr: IpAddr,
    /// Client port.
    pub cport: u16,
    /// Virtual address.
    pub vaddr: IpAddr,
    /// Virtual port.
    pub vport: u16,
}

impl ConnectionKey {
    /// The nest CONN of a request for just this connection.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        let mut out = Attributes::new();
        out.u16(conn::FAMILY, family_of(&self.caddr))
            .u16(conn::PROTOCOL, self.protocol.0)
            .address(conn::CADDR, &self.caddr)
            .be16(conn::CPORT, self.cport)
            .address(conn::VADDR, &self.vaddr)
            .be16(conn::VPORT, self.vport);
        out
    }
}

/// What the real server sees of a connection; it names the connection just as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServerSide {
    /// Protocol.
    pub protocol: Protocol,
    /// Local address.
    pub laddr: IpAddr,
    /// Local port.
    pub lport: u16,
    /// Address of the real server.
    pub raddr: IpAddr,
    /// Port of the real server.
    pub rport: u16,
}

impl ServerSide {
    /// The nest CONN of a request for just this connection.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        let mut out = Attributes::new();
        out.u16(conn::PROTOCOL, self.protocol.0)
            .address(conn::LADDR, &self.laddr)
            .be16(conn::LPORT, self.lport)
            .address(conn::RADDR, &self.raddr)
            .be16(conn::RPORT, self.rport);
        out
    }
}

/// Which connections are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of them.
    All,
    /// The one with this client side.
    Client(ConnectionKey),
    /// The one with this server side.
    Server(ServerSide),
}

/// A FullNAT connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// What the client sees.
    pub key: ConnectionKey,
    /// Local address, which the real server sees as the client.
    pub laddr: IpAddr,
    /// Local port.
    pub lport: u16,
    /// Address of the real server.
    pub raddr: IpAddr,
    /// Port of the real server.
    pub rport: u16,
    /// State, by IPVS's number for the protocol.
    pub state: u16,
    /// Seconds until IPVS's timer fires.
    pub expires: u32,
    /// IP_VS_CONN_F_*.
    pub flags: u32,
}

/// Four addresses with their ports, in the order of [`NAMES`].
const ADDRESSES: [u16; 4] = [conn::CADDR, conn::VADDR, conn::LADDR, conn::RADDR];
const PORTS: [u16; 4] = [conn::CPORT, conn::VPORT, conn::LPORT, conn::RPORT];
/// What is missing if one of them is.
const NAMES: [(&str, &str); 4] = [
    ("client address", "client port"),
    ("virtual address", "virtual port"),
    ("local address", "local port"),
    ("server address", "server port"),
];

impl Connection {
    /// Reads the nest CONN, without allocating.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the nest is damaged or lacks an address or port.
    pub fn parse(nest: &[u8]) -> Result<Self, WireError> {
        let mut ends = Ends::default();
        let mut protocol = None;
        let (mut state, mut expires, mut flags) = (0, 0, 0);
        for attribute in each(nest, "connection") {
            let attribute = attribute?;
            match attribute.id {
                conn::PROTOCOL => protocol = Some(attribute.u16("protocol")?),
                conn::STATE => state = attribute.u16("state")?,
                conn::EXPIRES => expires = attribute.u32("timer")?,
                conn::FLAGS => flags = attribute.u32("flags")?,
                _ => ends.take(&attribute)?,
            }
        }
        Ok(Connection {
            key: ConnectionKey {
                protocol: Protocol(protocol.ok_or(WireError::Missing("protocol"))?),
                caddr: ends.addr(0)?,
                cport: ends.port(0)?,
                vaddr: ends.addr(1)?,
                vport: ends.port(1)?,
            },
            laddr: ends.addr(2)?,
            lport: ends.port(2)?,
            raddr: ends.addr(3)?,
            rport: ends.port(3)?,
            state,
            expires,
            flags,
        })
    }

    /// What the real server sees of it.
    #[must_use]
    pub fn server_side(&self) -> ServerSide {
        ServerSide {
            protocol: self.key.protocol,
            laddr: self.laddr,
            lport: self.lport,
            raddr: self.raddr,
            rport: self.rport,
        }
    }
}

/// The ends of a connection as far as they have been read.
#[derive(Default)]
struct Ends {
    addrs: [Option<IpAddr>; 4],
    ports: [Option<u16>; 4],
}

impl Ends {
    /// Takes an attribute, if it is an end.
    fn take(&mut self, attribute: &Attribute<'_>) -> Result<(), WireError> {
        let place = |ids: [u16; 4]| ids.iter().position(|id| *id == attribute.id);
        if let Some(place) = place(ADDRESSES) {
            self.addrs[place] = Some(attribute.address(NAMES[place].0)?);
        } else if let Some(place) = place(PORTS) {
            self.ports[place] = Some(attribute.be16(NAMES[place].1)?);
        }
        Ok(())
    }

    fn addr(&self, place: usize) -> Result<IpAddr, WireError> {
        self.addrs[place].ok_or(WireError::Missing(NAMES[place].0))
    }

    fn port(&self, place: usize) -> Result<u16, WireError> {
        self.ports[place].ok_or(WireError::Missing(NAMES[place].1))
    }
}
