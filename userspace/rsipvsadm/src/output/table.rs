// SPDX-License-Identifier: GPL-2.0
//! Services and servers in columns, as ipvsadm 1.31 and DPVS print them.
//!
//! Trailing spaces are part of the format: the last column is padded like the others.

use std::fmt::Write;

use ipvs_netlink::{
    Dest, Method, Options, ServiceFlags, ServiceId, Stats, Tunnel, TunnelChecksum, TunnelKind,
};

use super::{ServiceView, Snapshot};
use crate::names::Naming;
use crate::plan::{protocol_of, Columns, Format};

/// All services, under a banner.
#[must_use]
pub fn services(snapshot: &Snapshot, format: &Format, names: &dyn Naming) -> String {
    let [major, minor, patch] = snapshot.info.version_parts();
    let mut out = format!(
        "IP Virtual Server version {major}.{minor}.{patch} (size={})\n",
        snapshot.info.conn_table_size
    );
    out += &title(format.columns);
    for view in &snapshot.services {
        out += &service(view, format, names);
    }
    out
}

/// One service, without the banner.
#[must_use]
pub fn one_service(view: &ServiceView, format: &Format, names: &dyn Naming) -> String {
    title(format.columns) + &service(view, format, names)
}

fn title(columns: Columns) -> String {
    let local = "Prot LocalAddress:Port";
    let remote = "  -> RemoteAddress:Port";
    match columns {
        Columns::Plain => format!(
            "{local} Scheduler Flags\n{remote}           Forward Weight ActiveConn InActConn\n"
        ),
        Columns::Tunnels => format!(
            "{local} Scheduler Flags\n\
             {remote}           Forward TunnelInfo    Weight ActiveConn InActConn\n"
        ),
        Columns::Stats => format!(
            "{local:<33} {:>8} {:>8} {:>8} {:>8} {:>8}\n{remote}\n",
            "Conns", "InPkts", "OutPkts", "InBytes", "OutBytes"
        ),
        Columns::Rate => format!(
            "{local:<33} {:>8} {:>8} {:>8} {:>8} {:>8}\n{remote}\n",
            "CPS", "InPPS", "OutPPS", "InBPS", "OutBPS"
        ),
        Columns::Thresholds => format!(
            "{local:<33} {:<10} {:<10} {:<10} {:<10}\n{remote}\n",
            "Uthreshold", "Lthreshold", "ActiveConn", "InActConn"
        ),
        Columns::Persistent => format!(
            "{local:<33} {:<9} {:<11} {:<10} {:<10}\n{remote}\n",
            "Weight", "PersistConn", "ActiveConn", "InActConn"
        ),
    }
}

fn service(view: &ServiceView, format: &Format, names: &dyn Naming) -> String {
    let name = service_name(&view.service.id, names);
    let mut out = match format.columns {
        Columns::Stats => format!("{name:<33}{}\n", totals(&view.service.stats, format.exact)),
        Columns::Rate => {
            let stats = &view.service.stats;
            let numbers = [
                stats.conns_rate,
                stats.in_packets_rate,
                stats.out_packets_rate,
                stats.in_bytes_rate,
                stats.out_bytes_rate,
            ];
            format!("{name:<33}{}\n", large_numbers(&numbers, format.exact))
        }
        _ => format!("{name} {}{}\n", view.service.config.scheduler, flags(view)),
    };
    for dest in &view.dests {
        out += &server(&view.service.id, dest, format, names);
    }
    out
}

/// The first column of a service.
#[must_use]
pub fn service_name(id: &ServiceId, names: &dyn Naming) -> String {
    match *id {
        ServiceId::Fwmark { mark, ipv6: false } => format!("FWM  {mark}"),
        ServiceId::Fwmark { mark, ipv6: true } => format!("FWM  {mark} IPv6"),
        ServiceId::Address {
            protocol,
            addr,
            port,
        } => {
            let name = format!("{protocol:<4} {}", names.endpoint(addr, port, protocol));
            if addr.is_ipv6() {
                name
            } else {
                name.chars().take(33).collect()
            }
        }
    }
}

fn flags(view: &ServiceView) -> String {
    let config = &view.service.config;
    let mut out = String::new();
    let named = sched_flags(&config.scheduler, config.flags);
    if !named.is_empty() {
        out += &format!(" ({named})");
    }
    if config.flags.has(ServiceFlags::PERSISTENT) {
        out += &format!(" persistent {}", config.timeout);
        if !config.netmask.is_host() {
            out += &format!(" mask {}", config.netmask);
        }
        if let Some(engine) = &config.engine {
            out += &format!(" pe {engine}");
        }
    }
    if config.flags.has(ServiceFlags::ONE_PACKET) {
        out += " ops";
    }
    out + &options(&view.options.unwrap_or_default())
}

/// What of FullNAT's options is not as it is by default; the first word is DPVS's.
fn options(options: &Options) -> String {
    let usual = Options::default();
    let mut out = String::new();
    if options.conn_timeout != usual.conn_timeout {
        out += &format!(" conn-timeout {}", options.conn_timeout);
    }
    if options.toa != usual.toa {
        out += &format!(" toa {}", options.toa.word());
    }
    if options.toa_kind != usual.toa_kind {
        out += &format!(" toa-kind {}", options.toa_kind);
    }
    if options.uoa != usual.uoa {
        out += &format!(" uoa {}", options.uoa.word());
    }
    out
}

/// Names of a scheduler's flags, with commas.
#[must_use]
pub fn sched_flags(scheduler: &str, flags: ServiceFlags) -> String {
    let names: [&str; 3] = match scheduler {
        "sh" => ["sh-fallback", "sh-port", "flag-3"],
        "mh" => ["mh-fallback", "mh-port", "flag-3"],
        _ => ["flag-1", "flag-2", "flag-3"],
    };
    let bits = [
        ServiceFlags::SCHED1,
        ServiceFlags::SCHED2,
        ServiceFlags::SCHED3,
    ];
    let set = bits
        .into_iter()
        .zip(names)
        .filter(|(bit, _)| flags.has(*bit));
    set.map(|(_, name)| name).collect::<Vec<_>>().join(",")
}

fn server(service: &ServiceId, dest: &Dest, format: &Format, names: &dyn Naming) -> String {
    let config = &dest.config;
    let addr = config.id.addr;
    let mut name = names.endpoint(addr, config.id.port, protocol_of(service));
    if addr.is_ipv4() {
        name = name.chars().take(28).collect();
    }
    let mut out = format!("  -> {name:<28}");
    let stats = &dest.stats;
    // Writing to a String cannot fail.
    let _ = match format.columns {
        Columns::Plain => write!(
            out,
            " {:<7} {:<6} {:<10} {:<10}",
            method_word(config.method),
            config.weight,
            dest.active,
            dest.inactive
        ),
        Columns::Tunnels => write!(
            out,
            " {:<7} {:<13} {:<6} {:<10} {:<10}",
            method_word(config.method),
            tunnel_info(config.method, &config.tunnel),
            config.weight,
            dest.active,
            dest.inactive
        ),
        Columns::Stats => write!(out, "{}", totals(stats, format.exact)),
        Columns::Rate => write!(
            out,
            " {:>8} {:>8} {:>8}{}",
            stats.conns_rate,
            stats.in_packets_rate,
            stats.out_packets_rate,
            large_numbers(&[stats.in_bytes_rate, stats.out_bytes_rate], format.exact)
        ),
        Columns::Thresholds => write!(
            out,
            " {:<10} {:<10} {:<10} {:<10}",
            config.upper, config.lower, dest.active, dest.inactive
        ),
        Columns::Persistent => write!(
            out,
            " {:<9} {:<11} {:<10} {:<10}",
            config.weight, dest.persistent, dest.active, dest.inactive
        ),
    };
    out + "\n"
}

/// The word for a forwarding method.
#[must_use]
pub fn method_word(method: Method) -> &'static str {
    match method {
        Method::Masq => "Masq",
        Method::Local => "Local",
        Method::Tunnel => "Tunnel",
        Method::Route => "Route",
        Method::Bypass => "Bypass",
        Method::FullNat => "FullNat",
        Method::Snat => "SNAT",
        Method::Unknown => "?",
    }
}

fn tunnel_info(method: Method, tunnel: &Tunnel) -> String {
    let checksum = match tunnel.checksum {
        TunnelChecksum::None => "-c",
        TunnelChecksum::Full => "+c",
        TunnelChecksum::Remote => "r+c",
    };
    match (method, tunnel.kind) {
        (Method::Tunnel, TunnelKind::Ipip) => "ipip".to_owned(),
        (Method::Tunnel, TunnelKind::Gue) => format!("gue:{}:{checksum}", tunnel.port),
        (Method::Tunnel, TunnelKind::Gre) => format!("gre:{checksum}"),
        _ => "n/a".to_owned(),
    }
}

fn totals(stats: &Stats, exact: bool) -> String {
    let numbers = [
        stats.conns,
        stats.in_packets,
        stats.out_packets,
        stats.in_bytes,
        stats.out_bytes,
    ];
    large_numbers(&numbers, exact)
}

/// Numbers in columns nine wide, with a unit where that is not enough.
fn large_numbers(numbers: &[u64], exact: bool) -> String {
    let one = |&number: &u64| match number {
        _ if exact => format!(" {number:>8}"),
        0..100_000_000 => format!("{number:>9}"),
        100_000_000..1_000_000_000 => format!("{:>8}K", number / 1_000),
        1_000_000_000..100_000_000_000 => format!("{:>8}M", number / 1_000_000),
        100_000_000_000..100_000_000_000_000 => format!("{:>8}G", number / 1_000_000_000),
        _ => format!("{:>8}T", number / 1_000_000_000_000),
    };
    numbers.iter().map(one).collect()
}
