// SPDX-License-Identifier: GPL-2.0
//! Services, servers and local addresses as the command lines that make them.
//!
//! What ipvsadm leaves out is here: thresholds and local addresses. Defaults are not spelled out,
//! except where ipvsadm does so.

use std::fmt::Write;
use std::net::IpAddr;

use ipvs_netlink::{
    DestConfig, Method, Options, Protocol, ServiceConfig, ServiceFlags, ServiceId, TunnelChecksum,
    TunnelKind,
};

use super::table::sched_flags;
use super::ServiceView;
use crate::names::Naming;
use crate::plan::protocol_of;

/// The rules that make these services.
#[must_use]
pub fn rules(services: &[ServiceView], names: &dyn Naming) -> String {
    let mut out = String::new();
    for view in services {
        let id = &view.service.id;
        let options = view.options.unwrap_or_default();
        out += &add_service(&view.service.config, &options, names);
        for dest in &view.dests {
            out += &add_server(id, &dest.config, names);
        }
        for laddr in &view.laddrs {
            out += &add_laddr(id, &laddr.addr, names);
        }
    }
    out
}

/// The options that name a service.
#[must_use]
pub fn service_option(id: &ServiceId, names: &dyn Naming) -> String {
    match *id {
        ServiceId::Fwmark { mark, ipv6: false } => format!("-f {mark}"),
        ServiceId::Fwmark { mark, ipv6: true } => format!("-f {mark} -6"),
        ServiceId::Address {
            protocol,
            addr,
            port,
        } => {
            let option = match protocol {
                Protocol::UDP => "-u",
                Protocol::SCTP => "--sctp-service",
                _ => "-t",
            };
            format!("{option} {}", names.endpoint(addr, port, protocol))
        }
    }
}

/// The rule that makes a service.
#[must_use]
pub fn add_service(config: &ServiceConfig, options: &Options, names: &dyn Naming) -> String {
    let service = service_option(&config.id, names);
    let mut out = format!("-A {service} -s {}", config.scheduler);
    // Writing to a String cannot fail, here and below.
    if config.flags.has(ServiceFlags::PERSISTENT) {
        let _ = write!(out, " -p {}", config.timeout);
        if !config.netmask.is_host() {
            let _ = write!(out, " -M {}", config.netmask);
        }
        if let Some(engine) = &config.engine {
            let _ = write!(out, " --pe {engine}");
        }
    }
    if config.flags.has(ServiceFlags::ONE_PACKET) {
        out += " -o";
    }
    let flags = sched_flags(&config.scheduler, config.flags);
    if !flags.is_empty() {
        let _ = write!(out, " --sched-flags {flags}");
    }
    let usual = Options::default();
    if options.conn_timeout != usual.conn_timeout {
        let _ = write!(out, " --conn-timeout {}", options.conn_timeout);
    }
    if options.toa != usual.toa {
        let _ = write!(out, " --toa {}", options.toa.word());
    }
    if options.toa_kind != usual.toa_kind {
        let _ = write!(out, " --toa-kind {}", options.toa_kind);
    }
    if options.uoa != usual.uoa {
        let _ = write!(out, " --uoa {}", options.uoa.word());
    }
    out + "\n"
}

/// The rule that makes a server.
#[must_use]
pub fn add_server(service: &ServiceId, config: &DestConfig, names: &dyn Naming) -> String {
    let server = names.endpoint(config.id.addr, config.id.port, protocol_of(service));
    let method = match config.method {
        Method::Masq => "-m",
        Method::Tunnel => "-i",
        Method::FullNat => "-b",
        // The kernel itself turns a routed server that is this machine into a local one.
        _ => "-g",
    };
    let service = service_option(service, names);
    let mut out = format!("-a {service} -r {server} {method} -w {}", config.weight);
    if config.upper != 0 {
        let _ = write!(out, " -x {}", config.upper);
    }
    if config.lower != 0 {
        let _ = write!(out, " -y {}", config.lower);
    }
    if config.method == Method::Tunnel {
        out += match config.tunnel.kind {
            TunnelKind::Ipip => " --tun-type ipip",
            TunnelKind::Gue => " --tun-type gue",
            TunnelKind::Gre => " --tun-type gre",
        };
        if config.tunnel.kind == TunnelKind::Gue {
            let _ = write!(out, " --tun-port {}", config.tunnel.port);
        }
        out += match (config.tunnel.kind, config.tunnel.checksum) {
            (TunnelKind::Ipip, _) => "",
            (_, TunnelChecksum::None) => " --tun-nocsum",
            (_, TunnelChecksum::Full) => " --tun-csum",
            (_, TunnelChecksum::Remote) => " --tun-remcsum",
        };
    }
    out + "\n"
}

/// The rule that gives a service a local address.
#[must_use]
pub fn add_laddr(service: &ServiceId, addr: &IpAddr, names: &dyn Naming) -> String {
    format!("-P {} -z {addr}\n", service_option(service, names))
}
