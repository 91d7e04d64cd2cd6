// SPDX-License-Identifier: GPL-2.0
//! What the family IPVS_FLOW carries: local addresses, FullNAT connections, counters.

use std::net::IpAddr;

use flow_abi::{conn, counter, laddr, service};

use super::attr::{attributes, family_of, Attribute, Attributes, WireError};
use super::service::{Protocol, ServiceId};

/// The nest that names a service.
#[must_use]
pub fn service_attributes(id: &ServiceId) -> Attributes {
    let mut out = Attributes::new();
    out.u16(service::FAMILY, id.family());
    match id {
        ServiceId::Address {
            protocol,
            addr,
            port,
        } => out
            .u16(service::PROTOCOL, protocol.0)
            .address(service::ADDR, addr)
            .be16(service::PORT, *port),
        ServiceId::Fwmark { mark, .. } => out.u32(service::FWMARK, *mark),
    };
    out
}

/// Reads the nest that names a service.
///
/// # Errors
///
/// [`WireError`] when the nest is damaged or names no service.
pub fn parse_service(nest: &[u8]) -> Result<ServiceId, WireError> {
    let found = attributes(nest, "service")?;
    let find = |wanted| found.iter().find(|attribute| attribute.id == wanted);
    let need = |wanted, name| find(wanted).ok_or(WireError::Missing(name));
    if let Some(mark) = find(service::FWMARK) {
        let family = need(service::FAMILY, "service family")?.u16("service family")?;
        return Ok(ServiceId::Fwmark {
            ipv6: i32::from(family) == libc::AF_INET6,
            mark: mark.u32("fwmark")?,
        });
    }
    Ok(ServiceId::Address {
        protocol: Protocol(need(service::PROTOCOL, "protocol")?.u16("protocol")?),
        addr: need(service::ADDR, "virtual address")?.address("virtual address")?,
        port: need(service::PORT, "virtual port")?.be16("virtual port")?,
    })
}

/// A local address of a service and how it fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalAddress {
    /// The address.
    pub addr: IpAddr,
    /// Connections bound to it now.
    pub conns: u32,
    /// How often a chosen port was taken.
    pub conflicts: u64,
    /// How often no port was left.
    pub failed: u64,
    /// First and last port it may use, if the kernel says.
    pub ports: Option<(u16, u16)>,
}

impl LocalAddress {
    /// The nest that names a local address.
    #[must_use]
    pub fn attributes(addr: &IpAddr) -> Attributes {
        let mut out = Attributes::new();
        out.address(laddr::ADDR, addr);
        out
    }

    /// Reads the nest LADDR.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the nest is damaged or holds no address.
    pub fn parse(nest: &[u8]) -> Result<Self, WireError> {
        let found = attributes(nest, "local address")?;
        let find = |wanted| found.iter().find(|attribute| attribute.id == wanted);
        let addr = find(laddr::ADDR).ok_or(WireError::Missing("local address"))?;
        let count =
            |wanted, name| find(wanted).map_or(Ok(0), |value: &Attribute<'_>| value.u64(name));
        let ports = match (find(laddr::PORT_MIN), find(laddr::PORT_MAX)) {
            (Some(min), Some(max)) => Some((min.u16("first port")?, max.u16("last port")?)),
            _ => None,
        };
        Ok(LocalAddress {
            addr: addr.address("local address")?,
            conns: find(laddr::CONNS).map_or(Ok(0), |value| value.u32("connections"))?,
            conflicts: count(laddr::CONFLICTS, "conflicts")?,
            failed: count(laddr::FAILED, "failures")?,
            ports,
        })
    }
}

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

impl Connection {
    /// Reads the nest CONN.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the nest is damaged or lacks an address or port.
    pub fn parse(nest: &[u8]) -> Result<Self, WireError> {
        let found = attributes(nest, "connection")?;
        let find = |wanted| found.iter().find(|attribute| attribute.id == wanted);
        let need = |wanted, name| find(wanted).ok_or(WireError::Missing(name));
        let addr = |wanted, name| need(wanted, name)?.address(name);
        let port = |wanted, name| need(wanted, name)?.be16(name);
        let number = |wanted, name| find(wanted).map_or(Ok(0), |value| value.u32(name));
        Ok(Connection {
            key: ConnectionKey {
                protocol: Protocol(need(conn::PROTOCOL, "protocol")?.u16("protocol")?),
                caddr: addr(conn::CADDR, "client address")?,
                cport: port(conn::CPORT, "client port")?,
                vaddr: addr(conn::VADDR, "virtual address")?,
                vport: port(conn::VPORT, "virtual port")?,
            },
            laddr: addr(conn::LADDR, "local address")?,
            lport: port(conn::LPORT, "local port")?,
            raddr: addr(conn::RADDR, "server address")?,
            rport: port(conn::RPORT, "server port")?,
            state: find(conn::STATE).map_or(Ok(0), |value| value.u16("state"))?,
            expires: number(conn::EXPIRES, "timer")?,
            flags: number(conn::FLAGS, "flags")?,
        })
    }
}

/// A counter of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: u64,
}

impl Counter {
    /// Reads the nest COUNTER.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the nest is damaged or incomplete.
    pub fn parse(nest: &[u8]) -> Result<Self, WireError> {
        let found = attributes(nest, "counter")?;
        let find = |wanted| found.iter().find(|attribute| attribute.id == wanted);
        Ok(Counter {
            name: find(counter::NAME)
                .ok_or(WireError::Missing("counter name"))?
                .text("counter name")?,
            value: find(counter::VALUE)
                .ok_or(WireError::Missing("counter value"))?
                .u64("counter value")?,
        })
    }
}
