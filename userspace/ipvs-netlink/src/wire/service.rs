// SPDX-License-Identifier: GPL-2.0
//! Virtual services.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::attr::{attributes, family_of, Attributes, WireError};
use super::ids::service as id;
use super::stats::Stats;

/// An IP protocol number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u16);

impl Protocol {
    /// TCP.
    pub const TCP: Protocol = Protocol(6);
    /// UDP.
    pub const UDP: Protocol = Protocol(17);
    /// SCTP.
    pub const SCTP: Protocol = Protocol(132);
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Protocol::TCP => f.pad("TCP"),
            Protocol::UDP => f.pad("UDP"),
            Protocol::SCTP => f.pad("SCTP"),
            Protocol(number) => f.pad(&format!("protocol {number}")),
        }
    }
}

/// What names a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServiceId {
    /// A service at a virtual address and port.
    Address {
        /// Protocol.
        protocol: Protocol,
        /// Virtual address.
        addr: IpAddr,
        /// Virtual port.
        port: u16,
    },
    /// A service for packets that carry a firewall mark.
    Fwmark {
        /// Whether the packets are IPv6.
        ipv6: bool,
        /// The mark.
        mark: u32,
    },
}

impl ServiceId {
    /// The address family, as a number of the socket interface.
    #[must_use]
    pub fn family(&self) -> u16 {
        match self {
            ServiceId::Address { addr, .. } => family_of(addr),
            // CAST: both are small positive numbers.
            ServiceId::Fwmark { ipv6: true, .. } => libc::AF_INET6 as u16,
            ServiceId::Fwmark { ipv6: false, .. } => libc::AF_INET as u16,
        }
    }

    /// The attributes that name the service to the stock family.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        let mut out = Attributes::new();
        out.u16(id::AF, self.family());
        match self {
            ServiceId::Address {
                protocol,
                addr,
                port,
            } => out
                .u16(id::PROTOCOL, protocol.0)
                .wide_address(id::ADDR, addr)
                .be16(id::PORT, *port),
            ServiceId::Fwmark { mark, .. } => out.u32(id::FWMARK, *mark),
        };
        out
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServiceId::Address {
                protocol,
                addr,
                port,
            } => write!(f, "{protocol} {}", SocketAddr::new(*addr, *port)),
            ServiceId::Fwmark { ipv6: true, mark } => write!(f, "FWM {mark} IPv6"),
            ServiceId::Fwmark { ipv6: false, mark } => write!(f, "FWM {mark}"),
        }
    }
}

/// Flags of a service, IP_VS_SVC_F_*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceFlags(pub u32);

impl ServiceFlags {
    /// Clients stick to their server.
    pub const PERSISTENT: u32 = 0x1;
    /// The kernel's own: the service is in its table.
    pub const HASHED: u32 = 0x2;
    /// Every packet is scheduled for itself.
    pub const ONE_PACKET: u32 = 0x4;
    /// First flag of the scheduler.
    pub const SCHED1: u32 = 0x8;
    /// Second flag of the scheduler.
    pub const SCHED2: u32 = 0x10;
    /// Third flag of the scheduler.
    pub const SCHED3: u32 = 0x20;
    /// All flags of the scheduler.
    pub const SCHED: u32 = Self::SCHED1 | Self::SCHED2 | Self::SCHED3;

    /// Whether all of these bits are set.
    #[must_use]
    pub fn has(self, bits: u32) -> bool {
        self.0 & bits == bits
    }

    /// The same flags with these bits set or cleared.
    #[must_use]
    pub fn with(self, bits: u32, on: bool) -> Self {
        Self(if on { self.0 | bits } else { self.0 & !bits })
    }
}

/// How fine persistence tells clients apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Netmask {
    /// Mask of an IPv4 address.
    Mask(Ipv4Addr),
    /// Length of the prefix of an IPv6 address.
    Prefix(u32),
}

impl Netmask {
    /// Every address for itself.
    #[must_use]
    pub fn host(ipv6: bool) -> Self {
        if ipv6 {
            Netmask::Prefix(128)
        } else {
            Netmask::Mask(Ipv4Addr::BROADCAST)
        }
    }

    /// Whether it is [`Netmask::host`].
    #[must_use]
    pub fn is_host(self) -> bool {
        self == Netmask::host(matches!(self, Netmask::Prefix(_)))
    }
}

impl fmt::Display for Netmask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Netmask::Mask(mask) => mask.fmt(f),
            Netmask::Prefix(length) => length.fmt(f),
        }
    }
}

/// Everything that can be set about a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceConfig {
    /// Its name.
    pub id: ServiceId,
    /// Name of the scheduler.
    pub scheduler: String,
    /// Flags.
    pub flags: ServiceFlags,
    /// Seconds for which persistence lasts.
    pub timeout: u32,
    /// Granularity of persistence.
    pub netmask: Netmask,
    /// Name of the persistence engine.
    pub engine: Option<String>,
}

impl ServiceConfig {
    /// The attributes for creating or changing the service.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        let mut out = self.id.attributes();
        let mut flags = self.flags.0.to_ne_bytes().to_vec();
        // The second half of struct ip_vs_flags says which flags are meant: all.
        flags.extend(u32::MAX.to_ne_bytes());
        out.text(id::SCHED_NAME, &self.scheduler)
            .bytes(id::FLAGS, &flags)
            .u32(id::TIMEOUT, self.timeout);
        match self.netmask {
            Netmask::Mask(mask) => out.bytes(id::NETMASK, &mask.octets()),
            Netmask::Prefix(length) => out.u32(id::NETMASK, length),
        };
        if let Some(engine) = &self.engine {
            out.text(id::PE_NAME, engine);
        }
        out
    }
}

/// A service as the kernel reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub id: ServiceId,
    /// What was set.
    pub config: ServiceConfig,
    /// What was counted.
    pub stats: Stats,
}

impl Service {
    /// Reads the nest SERVICE.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the nest is damaged or lacks what names a service.
    pub fn parse(nest: &[u8]) -> Result<Self, WireError> {
        let found = attributes(nest, "service")?;
        let find = |wanted| found.iter().find(|attribute| attribute.id == wanted);
        let need = |wanted, name| find(wanted).ok_or(WireError::Missing(name));

        let family = need(id::AF, "service family")?.u16("service family")?;
        let ipv6 = match i32::from(family) {
            libc::AF_INET => false,
            libc::AF_INET6 => true,
            _ => {
                return Err(WireError::Value {
                    name: "service family",
                    value: family.into(),
                })
            }
        };
        let name = if let Some(mark) = find(id::FWMARK) {
            ServiceId::Fwmark {
                ipv6,
                mark: mark.u32("fwmark")?,
            }
        } else {
            ServiceId::Address {
                protocol: Protocol(need(id::PROTOCOL, "protocol")?.u16("protocol")?),
                addr: need(id::ADDR, "virtual address")?.address_of(family, "virtual address")?,
                port: need(id::PORT, "virtual port")?.be16("virtual port")?,
            }
        };
        let flags = match find(id::FLAGS) {
            // struct ip_vs_flags: flags and mask.
            Some(flags) => match flags.payload.first_chunk::<4>() {
                Some(bytes) => ServiceFlags(u32::from_ne_bytes(*bytes)),
                None => {
                    return Err(WireError::Length {
                        name: "service flags",
                        found: flags.payload.len(),
                    })
                }
            },
            None => ServiceFlags::default(),
        };
        let netmask = match find(id::NETMASK) {
            Some(mask) if ipv6 => Netmask::Prefix(mask.u32("netmask")?),
            Some(mask) => match mask.address_of(family, "netmask")? {
                IpAddr::V4(mask) => Netmask::Mask(mask),
                IpAddr::V6(_) => Netmask::host(false),
            },
            None => Netmask::host(ipv6),
        };
        let stats = match find(id::STATS64).or(find(id::STATS)) {
            Some(nest) => Stats::parse(nest.payload)?,
            None => Stats::default(),
        };
        let timeout = find(id::TIMEOUT).map_or(Ok(0), |timeout| timeout.u32("timeout"))?;
        let engine = find(id::PE_NAME).map(|engine| engine.text("engine"));
        let config = ServiceConfig {
            id: name,
            scheduler: need(id::SCHED_NAME, "scheduler")?.text("scheduler")?,
            flags,
            timeout,
            netmask,
            engine: engine.transpose()?.filter(|engine| !engine.is_empty()),
        };
        Ok(Service {
            id: name,
            config,
            stats,
        })
    }
}
