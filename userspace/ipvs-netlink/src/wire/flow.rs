// SPDX-License-Identifier: GPL-2.0
//! What the family IPVS_FLOW carries: local addresses, aliases, counters. Connections and options of
//! services have files of their own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flow_abi::{alias, counter, laddr, service};

use super::attr::{attributes, Attribute, Attributes, WireError};
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
    /// Ports left towards the server that has the fewest left, if the kernel says.
    pub free: Option<u32>,
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
            free: find(laddr::FREE)
                .map(|value| value.u32("free ports"))
                .transpose()?,
        })
    }
}

/// The name that a real server with an IPv6 address has among the servers of an IPv4 service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The name in IPVS.
    pub addr: Ipv4Addr,
    /// The address of the server.
    pub server: Ipv6Addr,
}

impl Alias {
    /// The nest that makes the alias.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        let mut out = Self::name_attributes(self.addr);
        out.address(alias::SERVER, &self.server.into());
        out
    }

    /// The nest that names an alias.
    #[must_use]
    pub fn name_attributes(addr: Ipv4Addr) -> Attributes {
        let mut out = Attributes::new();
        out.address(alias::ADDR, &addr.into());
        out
    }

    /// Reads the nest ALIAS.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the nest is damaged or incomplete.
    pub fn parse(nest: &[u8]) -> Result<Self, WireError> {
        let found = attributes(nest, "alias")?;
        let find = |wanted| found.iter().find(|attribute| attribute.id == wanted);
        Ok(Alias {
            addr: find(alias::ADDR)
                .ok_or(WireError::Missing("alias"))?
                .array::<4>("alias")?
                .into(),
            server: find(alias::SERVER)
                .ok_or(WireError::Missing("server of an alias"))?
                .array::<16>("server of an alias")?
                .into(),
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
    /// Whether it is a reason to drop packets.
    pub drop: bool,
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
            drop: find(counter::DROP).is_some(),
        })
    }
}
