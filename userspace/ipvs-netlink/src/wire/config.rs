// SPDX-License-Identifier: GPL-2.0
//! What concerns IPVS as a whole: time-outs, facts about the kernel, the sync daemon.

use std::net::{IpAddr, Ipv4Addr};

use super::attr::{attributes, Attributes, WireError};
use super::ids::{daemon, info, top};

/// Seconds after which idle connections end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Established TCP connections.
    pub tcp: u32,
    /// TCP connections after a FIN.
    pub tcp_fin: u32,
    /// UDP.
    pub udp: u32,
}

impl Timeouts {
    /// The attributes for setting them; the kernel leaves alone what is 0.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        let mut out = Attributes::new();
        out.u32(top::TIMEOUT_TCP, self.tcp)
            .u32(top::TIMEOUT_TCP_FIN, self.tcp_fin)
            .u32(top::TIMEOUT_UDP, self.udp);
        out
    }

    /// Reads the answer to GET_CONFIG.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the message is damaged.
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        let mut found = Self::default();
        for attribute in attributes(message, "time-outs")? {
            match attribute.id {
                top::TIMEOUT_TCP => found.tcp = attribute.u32("tcp")?,
                top::TIMEOUT_TCP_FIN => found.tcp_fin = attribute.u32("tcpfin")?,
                top::TIMEOUT_UDP => found.udp = attribute.u32("udp")?,
                _ => {}
            }
        }
        Ok(found)
    }
}

/// Facts about the kernel's IPVS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Version, one byte per part.
    pub version: u32,
    /// Slots of the table of connections.
    pub conn_table_size: u32,
}

impl Info {
    /// Major, minor and patch number.
    #[must_use]
    pub fn version_parts(&self) -> [u8; 3] {
        let [_, major, minor, patch] = self.version.to_be_bytes();
        [major, minor, patch]
    }

    /// Reads the answer to GET_INFO.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the message is damaged.
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        let mut found = Self::default();
        for attribute in attributes(message, "info")? {
            match attribute.id {
                info::VERSION => found.version = attribute.u32("version")?,
                info::CONN_TAB_SIZE => found.conn_table_size = attribute.u32("table size")?,
                _ => {}
            }
        }
        Ok(found)
    }
}

/// The two parts a sync daemon can play; both may run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DaemonState {
    /// Sends connections.
    Master,
    /// Takes connections over.
    Backup,
}

/// A sync daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// Its part.
    pub state: DaemonState,
    /// Interface for multicast.
    pub interface: String,
    /// Number that tells groups of directors apart.
    pub sync_id: u32,
    /// Longest message; 0 leaves it to the kernel.
    pub max_length: u16,
    /// Multicast group, if not the kernel's default.
    pub group: Option<IpAddr>,
    /// UDP port; 0 is the kernel's default.
    pub port: u16,
    /// Hops; 0 is the kernel's default.
    pub ttl: u8,
}

impl Daemon {
    /// The attributes for starting it.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        let mut out = Self::stop_attributes(self.state, self.sync_id);
        out.text(daemon::MCAST_IFN, &self.interface);
        if self.max_length != 0 {
            out.u16(daemon::SYNC_MAXLEN, self.max_length);
        }
        match &self.group {
            Some(group @ IpAddr::V4(_)) => {
                out.address(daemon::MCAST_GROUP, group);
            }
            Some(group @ IpAddr::V6(_)) => {
                out.address(daemon::MCAST_GROUP6, group);
            }
            None => {}
        }
        if self.port != 0 {
            // The kernel keeps this port in host order, unlike all others.
            out.u16(daemon::MCAST_PORT, self.port);
        }
        if self.ttl != 0 {
            out.u8(daemon::MCAST_TTL, self.ttl);
        }
        out
    }

    /// The attributes for stopping it.
    #[must_use]
    pub fn stop_attributes(state: DaemonState, sync_id: u32) -> Attributes {
        let state = match state {
            DaemonState::Master => 1,
            DaemonState::Backup => 2,
        };
        let mut out = Attributes::new();
        out.u32(daemon::STATE, state).u32(daemon::SYNC_ID, sync_id);
        out
    }

    /// Reads the nest DAEMON.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the nest is damaged or lacks the state.
    pub fn parse(nest: &[u8]) -> Result<Self, WireError> {
        let mut state = None;
        let mut found = Daemon {
            state: DaemonState::Master,
            interface: String::new(),
            sync_id: 0,
            max_length: 0,
            group: None,
            port: 0,
            ttl: 0,
        };
        for attribute in attributes(nest, "daemon")? {
            match attribute.id {
                daemon::STATE => state = Some(attribute.u32("daemon state")?),
                daemon::MCAST_IFN => found.interface = attribute.text("daemon interface")?,
                daemon::SYNC_ID => found.sync_id = attribute.u32("sync id")?,
                daemon::SYNC_MAXLEN => found.max_length = attribute.u16("sync length")?,
                daemon::MCAST_GROUP | daemon::MCAST_GROUP6 => {
                    let group = attribute.address("multicast group")?;
                    found.group = Some(group).filter(|group| *group != Ipv4Addr::UNSPECIFIED);
                }
                daemon::MCAST_PORT => found.port = attribute.u16("multicast port")?,
                daemon::MCAST_TTL => found.ttl = attribute.u8("multicast ttl")?,
                _ => {}
            }
        }
        found.state = match state {
            Some(1) => DaemonState::Master,
            Some(2) => DaemonState::Backup,
            Some(value) => {
                return Err(WireError::Value {
                    name: "daemon state",
                    value: value.into(),
                })
            }
            None => return Err(WireError::Missing("daemon state")),
        };
        Ok(found)
    }
}
