// SPDX-License-Identifier: GPL-2.0
//! From values to text; nothing here asks the kernel anything.

pub mod connections;
pub mod json;
pub mod laddrs;
pub mod rules;
pub mod table;

use ipvs_netlink::{Daemon, DaemonState, Dest, Info, LocalAddress, Service, Timeouts};

/// A service with all that belongs to it.
#[derive(Clone, Debug)]
pub struct ServiceView {
    /// The service.
    pub service: Service,
    /// Its real servers.
    pub dests: Vec<Dest>,
    /// Its local addresses.
    pub laddrs: Vec<LocalAddress>,
}

/// All services at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Facts about the kernel's IPVS.
    pub info: Info,
    /// The services.
    pub services: Vec<ServiceView>,
}

impl Snapshot {
    /// Puts services and servers into the order ipvsadm has them in.
    pub fn sort(&mut self) {
        self.services.sort_by_key(|view| order(&view.service.id));
        for view in &mut self.services {
            view.dests
                .sort_by_key(|dest| (dest.config.id.addr, dest.config.id.port));
            view.laddrs.sort_by_key(|laddr| laddr.addr);
        }
    }
}

/// Marks after addresses, IPv4 before IPv6, then protocol, address and port.
#[must_use]
pub fn order(id: &ipvs_netlink::ServiceId) -> impl Ord {
    match *id {
        ipvs_netlink::ServiceId::Address {
            protocol,
            addr,
            port,
        } => (0, id.family(), protocol, Some(addr), port),
        ipvs_netlink::ServiceId::Fwmark { mark, .. } => {
            (mark, id.family(), ipvs_netlink::Protocol(0), None, 0)
        }
    }
}

/// The line for time-outs.
#[must_use]
pub fn timeouts(timeouts: &Timeouts) -> String {
    format!(
        "Timeout (tcp tcpfin udp): {} {} {}\n",
        timeouts.tcp, timeouts.tcp_fin, timeouts.udp
    )
}

/// The word for the part a daemon plays.
#[must_use]
pub fn daemon_word(state: DaemonState) -> &'static str {
    match state {
        DaemonState::Master => "master",
        DaemonState::Backup => "backup",
    }
}

/// The lines for sync daemons.
#[must_use]
pub fn daemons(daemons: &[Daemon]) -> String {
    let line = |daemon: &Daemon| {
        let mut line = format!(
            "{} sync daemon (mcast={}, syncid={}",
            daemon_word(daemon.state),
            daemon.interface,
            daemon.sync_id
        );
        if daemon.max_length != 0 {
            line += &format!(", maxlen={}", daemon.max_length);
        }
        if let Some(group) = daemon.group {
            line += &format!(", group={group}");
        }
        if daemon.port != 0 {
            line += &format!(", port={}", daemon.port);
        }
        if daemon.ttl != 0 {
            line += &format!(", ttl={}", daemon.ttl);
        }
        line + ")\n"
    };
    daemons.iter().map(line).collect()
}

/// The table of counters.
#[must_use]
pub fn counters(counters: &[ipvs_netlink::Counter]) -> String {
    let width = counters.iter().map(|counter| counter.name.len()).max();
    let width = width.unwrap_or(0);
    let line =
        |counter: &ipvs_netlink::Counter| format!("{:width$} {}\n", counter.name, counter.value);
    counters.iter().map(line).collect()
}
