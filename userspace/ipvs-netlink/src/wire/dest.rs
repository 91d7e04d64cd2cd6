// SPDX-License-Identifier: GPL-2.0
//! Real servers, which the kernel calls destinations.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::attr::{attributes, family_of, Attribute, Attributes, WireError};
use super::ids::dest as id;
use super::stats::Stats;

/// How packets get to a real server: the low three bits of IP_VS_CONN_F_*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Network address translation of the destination.
    Masq,
    /// The server is this machine.
    Local,
    /// Encapsulation.
    Tunnel,
    /// Direct routing.
    Route,
    /// Past IPVS.
    Bypass,
    /// Translation of source and destination.
    FullNat,
    /// Source translation of outgoing connections.
    Snat,
    /// The number nobody has given a meaning.
    Unknown,
}

impl Method {
    /// The method of a number; only three bits count, as in the kernel.
    #[must_use]
    pub fn from_number(number: u32) -> Self {
        match number & 0x7 {
            0 => Method::Masq,
            1 => Method::Local,
            2 => Method::Tunnel,
            3 => Method::Route,
            4 => Method::Bypass,
            5 => Method::FullNat,
            6 => Method::Snat,
            _ => Method::Unknown,
        }
    }

    /// The number of the method.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Method::Masq => 0,
            Method::Local => 1,
            Method::Tunnel => 2,
            Method::Route => 3,
            Method::Bypass => 4,
            Method::FullNat => 5,
            Method::Snat => 6,
            Method::Unknown => 7,
        }
    }

    /// Whether the server may listen on another port than the service's.
    #[must_use]
    pub fn maps_ports(self) -> bool {
        matches!(self, Method::Masq | Method::FullNat | Method::Snat)
    }
}

/// What a tunnel wraps packets in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TunnelKind {
    /// IP in IP.
    #[default]
    Ipip,
    /// Generic UDP encapsulation.
    Gue,
    /// Generic routing encapsulation.
    Gre,
}

/// Which checksum a tunnel's header carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TunnelChecksum {
    /// None.
    #[default]
    None,
    /// One over the packet.
    Full,
    /// Remote checksum offload.
    Remote,
}

/// How a server with [`Method::Tunnel`] is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tunnel {
    /// Kind of encapsulation.
    pub kind: TunnelKind,
    /// UDP port, for [`TunnelKind::Gue`].
    pub port: u16,
    /// Checksum.
    pub checksum: TunnelChecksum,
}

/// What names a server within its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DestId {
    /// Address.
    pub addr: IpAddr,
    /// Port.
    pub port: u16,
}

impl DestId {
    /// The attributes that name the server.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        let mut out = Attributes::new();
        out.wide_address(id::ADDR, &self.addr)
            .be16(id::PORT, self.port)
            .u16(id::ADDR_FAMILY, family_of(&self.addr));
        out
    }
}

impl fmt::Display for DestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.addr, self.port).fmt(f)
    }
}

/// Everything that can be set about a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DestConfig {
    /// Its name.
    pub id: DestId,
    /// Forwarding method.
    pub method: Method,
    /// Share of new connections.
    pub weight: u32,
    /// No new connections from this many on; 0 is no limit.
    pub upper: u32,
    /// New connections again below this many.
    pub lower: u32,
    /// Encapsulation, if the method is a tunnel.
    pub tunnel: Tunnel,
}

impl DestConfig {
    /// The attributes for adding or changing the server.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        let mut out = self.id.attributes();
        out.u32(id::FWD_METHOD, self.method.number())
            .u32(id::WEIGHT, self.weight)
            .u32(id::U_THRESH, self.upper)
            .u32(id::L_THRESH, self.lower);
        if self.method == Method::Tunnel {
            let kind = match self.tunnel.kind {
                TunnelKind::Ipip => 0,
                TunnelKind::Gue => 1,
                TunnelKind::Gre => 2,
            };
            let checksum = match self.tunnel.checksum {
                TunnelChecksum::None => 0,
                TunnelChecksum::Full => 1,
                TunnelChecksum::Remote => 2,
            };
            out.u8(id::TUN_TYPE, kind)
                .be16(id::TUN_PORT, self.tunnel.port)
                .u16(id::TUN_FLAGS, checksum);
        }
        out
    }
}

/// A server as the kernel reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dest {
    /// What was set.
    pub config: DestConfig,
    /// Connections on which data flows.
    pub active: u32,
    /// Other connections.
    pub inactive: u32,
    /// Persistence templates.
    pub persistent: u32,
    /// What was counted.
    pub stats: Stats,
}

impl Dest {
    /// Reads the nest DEST of a service of the given family.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the nest is damaged or lacks what names a server.
    pub fn parse(nest: &[u8], service_family: u16) -> Result<Self, WireError> {
        let found = attributes(nest, "server")?;
        let find = |wanted| found.iter().find(|attribute| attribute.id == wanted);
        let need = |wanted, name| find(wanted).ok_or(WireError::Missing(name));
        let number = |wanted, name| find(wanted).map_or(Ok(0), |value| value.u32(name));

        // Kernels before 3.18 do not say; there a server had the family of its service.
        let family = match find(id::ADDR_FAMILY) {
            Some(family) => family.u16("server family")?,
            None => service_family,
        };
        let config = DestConfig {
            id: DestId {
                addr: need(id::ADDR, "server address")?.address_of(family, "server address")?,
                port: need(id::PORT, "server port")?.be16("server port")?,
            },
            method: Method::from_number(number(id::FWD_METHOD, "forwarding method")?),
            weight: number(id::WEIGHT, "weight")?,
            upper: number(id::U_THRESH, "upper threshold")?,
            lower: number(id::L_THRESH, "lower threshold")?,
            tunnel: tunnel(&find)?,
        };
        let stats = match find(id::STATS64).or(find(id::STATS)) {
            Some(nest) => Stats::parse(nest.payload)?,
            None => Stats::default(),
        };
        Ok(Dest {
            config,
            active: number(id::ACTIVE_CONNS, "active connections")?,
            inactive: number(id::INACT_CONNS, "inactive connections")?,
            persistent: number(id::PERSIST_CONNS, "persistent connections")?,
            stats,
        })
    }
}

/// The encapsulation; kinds and checksums that are unknown are taken for the plain ones.
fn tunnel<'a>(find: &impl Fn(u16) -> Option<&'a Attribute<'a>>) -> Result<Tunnel, WireError> {
    let kind = match find(id::TUN_TYPE).map_or(Ok(0), |kind| kind.u8("tunnel type"))? {
        1 => TunnelKind::Gue,
        2 => TunnelKind::Gre,
        _ => TunnelKind::Ipip,
    };
    let checksum = match find(id::TUN_FLAGS).map_or(Ok(0), |flags| flags.u16("tunnel flags"))? {
        1 => TunnelChecksum::Full,
        2 => TunnelChecksum::Remote,
        _ => TunnelChecksum::None,
    };
    Ok(Tunnel {
        kind,
        port: find(id::TUN_PORT).map_or(Ok(0), |port| port.be16("tunnel port"))?,
        checksum,
    })
}
