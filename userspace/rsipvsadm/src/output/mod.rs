// SPDX-License-Identifier: GPL-2.0
//! From values to text; nothing here asks the kernel anything.

pub mod connections;
pub mod explanation;
pub mod fastpath;
pub mod json;
pub mod laddrs;
pub mod rules;
pub mod table;

use std::net::IpAddr;

use ipvs_netlink::{
    Daemon, DaemonState, Dest, DestId, Info, LocalAddress, Method, Options, Service, ServiceId,
    Timeouts,
};

use crate::families::Aliases;
use crate::names::Numeric;

/// A service with all that belongs to it.
#[derive(Clone, Debug)]
pub struct ServiceView {
    /// The service.
    pub service: Service,
    /// Its real servers.
    pub dests: Vec<Dest>,
    /// Its local addresses.
    pub laddrs: Vec<LocalAddress>,
    /// How FullNAT serves it, if the engine is there.
    pub options: Option<Options>,
}

/// Something about a server that its line in a listing does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    /// Its address is an alias and nobody knows whose.
    LostAlias(ServiceId, DestId),
    /// The service has local addresses, but none of the server's family.
    NoLocalAddress(ServiceId, DestId),
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

impl ServiceView {
    /// Gives the servers the names people know them by.
    fn name_servers(&mut self, aliases: &Aliases) -> Vec<Remark> {
        let id = self.service.id;
        let mut remarks = Vec::new();
        for dest in &mut self.dests {
            let config = &mut dest.config;
            if config.method != Method::FullNat {
                continue;
            }
            let has_laddr = |addr: IpAddr| {
                let mut laddrs = self.laddrs.iter();
                laddrs.any(|laddr| laddr.addr.is_ipv4() == addr.is_ipv4())
            };
            if aliases.is_lost(config.method, config.id.addr) {
                remarks.push(Remark::LostAlias(id, config.id));
                continue;
            }
            config.id.addr = aliases.shown(config.method, config.id.addr);
            if !self.laddrs.is_empty() && !has_laddr(config.id.addr) {
                remarks.push(Remark::NoLocalAddress(id, config.id));
            }
        }
        remarks
    }
}

impl Snapshot {
    /// Gives the servers the names people know them by; what is to be said about them.
    pub fn name_servers(&mut self, aliases: &Aliases) -> Vec<Remark> {
        let views = self.services.iter_mut();
        views.flat_map(|view| view.name_servers(aliases)).collect()
    }
}

/// A warning in one line: what it is about, why, and what to do.
#[must_use]
pub fn warning(remark: &Remark) -> String {
    match remark {
        Remark::LostAlias(service, server) => format!(
            "server {server} of service {service}: nobody knows which IPv6 server this alias stands for, \
             because ip_vs_flow was loaded after it was added: \
             name it once more (rsipvsadm -e {option} -r [ADDRESS]:{port})",
            option = rules::service_option(service, &Numeric),
            port = server.port,
        ),
        Remark::NoLocalAddress(service, server) => {
            let family = if server.addr.is_ipv4() { "IPv4" } else { "IPv6" };
            format!(
                "server {server} of service {service}: it gets no connections, \
                 because the service has no local address of {family}: \
                 add one (rsipvsadm -P {option} -z ADDRESS)",
                option = rules::service_option(service, &Numeric),
            )
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

/// The table of counters; those that are reasons to drop packets are marked.
#[must_use]
pub fn counters(counters: &[ipvs_netlink::Counter]) -> String {
    let width = counters.iter().map(|counter| counter.name.len()).max();
    let width = width.unwrap_or(0);
    let line = |counter: &ipvs_netlink::Counter| {
        let mark = if counter.drop { " drop" } else { "" };
        format!("{:width$} {}{mark}\n", counter.name, counter.value)
    };
    counters.iter().map(line).collect()
}
