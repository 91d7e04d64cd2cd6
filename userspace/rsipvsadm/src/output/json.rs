// SPDX-License-Identifier: GPL-2.0
//! Every listing as JSON. The schema is part of the interface and described in rsipvsadm(8): names
//! and meanings stay, new members may come.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use ipvs_netlink::{
    Counter, Daemon, Dest, Detour, FastPaths, Interface, LocalAddress, Netmask, Options, Protocol,
    Service, ServiceFlags, ServiceId, Stats, Timeouts,
};
use serde::Serialize;
use xdp_loader::Holder;

use super::laddrs::ServiceLaddrs;
use super::table::{method_word, sched_flags};
use super::{daemon_word, ServiceView, Snapshot};

#[derive(Serialize)]
struct Services {
    version: String,
    size: u32,
    services: Vec<ServiceEntry>,
}

#[derive(Serialize)]
struct ServiceName {
    family: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fwmark: Option<u32>,
}

#[derive(Serialize)]
struct ServiceEntry {
    #[serde(flatten)]
    name: ServiceName,
    scheduler: String,
    scheduler_flags: Vec<String>,
    persistent: Option<Persistence>,
    one_packet: bool,
    fullnat: Option<FullnatEntry>,
    stats: StatsEntry,
    servers: Vec<ServerEntry>,
    local_addresses: Vec<IpAddr>,
}

#[derive(Serialize)]
struct FullnatEntry {
    toa: &'static str,
    toa_kind: u8,
    uoa: &'static str,
    conn_timeout: u32,
}

#[derive(Serialize)]
struct Persistence {
    timeout: u32,
    netmask: MaskEntry,
    engine: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum MaskEntry {
    Mask(IpAddr),
    Prefix(u32),
}

#[derive(Serialize)]
struct ServerEntry {
    address: IpAddr,
    port: u16,
    forward: &'static str,
    weight: u32,
    upper_threshold: u32,
    lower_threshold: u32,
    active_connections: u32,
    inactive_connections: u32,
    persistent_connections: u32,
    stats: StatsEntry,
}

#[derive(Serialize)]
struct StatsEntry {
    connections: u64,
    in_packets: u64,
    out_packets: u64,
    in_bytes: u64,
    out_bytes: u64,
    connections_per_second: u64,
    in_packets_per_second: u64,
    out_packets_per_second: u64,
    in_bytes_per_second: u64,
    out_bytes_per_second: u64,
}

#[derive(Serialize)]
struct Laddrs {
    services: Vec<LaddrService>,
}

#[derive(Serialize)]
struct LaddrService {
    #[serde(flatten)]
    name: ServiceName,
    local_addresses: Vec<LaddrEntry>,
}

#[derive(Serialize)]
struct LaddrEntry {
    address: IpAddr,
    connections: u32,
    conflicts: u64,
    failed: u64,
    port_min: Option<u16>,
    port_max: Option<u16>,
    free: Option<u32>,
}

#[derive(Serialize)]
struct TimeoutsEntry {
    tcp: u32,
    tcp_fin: u32,
    udp: u32,
}

#[derive(Serialize)]
struct Daemons {
    daemons: Vec<DaemonEntry>,
}

#[derive(Serialize)]
struct DaemonEntry {
    state: &'static str,
    interface: String,
    sync_id: u32,
    max_length: u16,
    group: Option<IpAddr>,
    port: u16,
    ttl: u8,
}

#[derive(Serialize)]
struct Counters {
    counters: BTreeMap<String, u64>,
    drop_reasons: Vec<String>,
}

#[derive(Serialize)]
struct FastPathsEntry<'a> {
    enabled: Option<bool>,
    asked: &'static str,
    flows: Option<u32>,
    interfaces: Vec<InterfaceEntry<'a>>,
    programs: Vec<ProgramEntry<'a>>,
}

#[derive(Serialize)]
struct ProgramEntry<'a> {
    id: u32,
    interface: Option<&'a str>,
    attached: bool,
    pin: Option<&'a Path>,
}

#[derive(Serialize)]
struct InterfaceEntry<'a> {
    interface: &'a str,
    index: u32,
    mode: &'static str,
    asked: &'static str,
    native_xdp: bool,
    hits: u64,
    xdp_hits: u64,
    misses: u64,
    xdp_misses: u64,
    detours: BTreeMap<&'a str, u64>,
    xdp_detours: BTreeMap<&'a str, u64>,
    reason: Option<&'a str>,
}

/// Text of a value. None of the types above can fail to become JSON, so there is no error to pass on.
fn text(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// A protocol as a word, or as a number if it has none.
#[must_use]
pub fn protocol_word(protocol: Protocol) -> Cow<'static, str> {
    match protocol {
        Protocol::TCP => "tcp".into(),
        Protocol::UDP => "udp".into(),
        Protocol::SCTP => "sctp".into(),
        Protocol(number) => number.to_string().into(),
    }
}

impl From<&ServiceId> for ServiceName {
    fn from(id: &ServiceId) -> Self {
        let family = if i32::from(id.family()) == libc::AF_INET6 {
            "ipv6"
        } else {
            "ipv4"
        };
        match *id {
            ServiceId::Address {
                protocol,
                addr,
                port,
            } => ServiceName {
                family,
                protocol: Some(protocol_word(protocol)),
                address: Some(addr),
                port: Some(port),
                fwmark: None,
            },
            ServiceId::Fwmark { mark, .. } => ServiceName {
                family,
                protocol: None,
                address: None,
                port: None,
                fwmark: Some(mark),
            },
        }
    }
}

impl From<&Stats> for StatsEntry {
    fn from(stats: &Stats) -> Self {
        StatsEntry {
            connections: stats.conns,
            in_packets: stats.in_packets,
            out_packets: stats.out_packets,
            in_bytes: stats.in_bytes,
            out_bytes: stats.out_bytes,
            connections_per_second: stats.conns_rate,
            in_packets_per_second: stats.in_packets_rate,
            out_packets_per_second: stats.out_packets_rate,
            in_bytes_per_second: stats.in_bytes_rate,
            out_bytes_per_second: stats.out_bytes_rate,
        }
    }
}

impl From<&Dest> for ServerEntry {
    fn from(dest: &Dest) -> Self {
        ServerEntry {
            address: dest.config.id.addr,
            port: dest.config.id.port,
            forward: method_word(dest.config.method),
            weight: dest.config.weight,
            upper_threshold: dest.config.upper,
            lower_threshold: dest.config.lower,
            active_connections: dest.active,
            inactive_connections: dest.inactive,
            persistent_connections: dest.persistent,
            stats: (&dest.stats).into(),
        }
    }
}

impl From<&ServiceView> for ServiceEntry {
    fn from(view: &ServiceView) -> Self {
        let Service { id, config, stats } = &view.service;
        let flags = sched_flags(&config.scheduler, config.flags);
        let persistence = Persistence {
            timeout: config.timeout,
            netmask: match config.netmask {
                Netmask::Mask(mask) => MaskEntry::Mask(mask.into()),
                Netmask::Prefix(length) => MaskEntry::Prefix(length),
            },
            engine: config.engine.clone(),
        };
        ServiceEntry {
            name: id.into(),
            scheduler: config.scheduler.clone(),
            scheduler_flags: flags
                .split(',')
                .filter(|flag| !flag.is_empty())
                .map(str::to_owned)
                .collect(),
            persistent: config
                .flags
                .has(ServiceFlags::PERSISTENT)
                .then_some(persistence),
            one_packet: config.flags.has(ServiceFlags::ONE_PACKET),
            fullnat: view.options.as_ref().map(FullnatEntry::from),
            stats: stats.into(),
            servers: view.dests.iter().map(ServerEntry::from).collect(),
            local_addresses: view.laddrs.iter().map(|laddr| laddr.addr).collect(),
        }
    }
}

impl From<&Options> for FullnatEntry {
    fn from(options: &Options) -> Self {
        FullnatEntry {
            toa: options.toa.word(),
            toa_kind: options.toa_kind,
            uoa: options.uoa.word(),
            conn_timeout: options.conn_timeout,
        }
    }
}

impl From<&LocalAddress> for LaddrEntry {
    fn from(laddr: &LocalAddress) -> Self {
        LaddrEntry {
            address: laddr.addr,
            connections: laddr.conns,
            conflicts: laddr.conflicts,
            failed: laddr.failed,
            port_min: laddr.ports.map(|(min, _)| min),
            port_max: laddr.ports.map(|(_, max)| max),
            free: laddr.free,
        }
    }
}

impl<'a> From<&'a Holder> for ProgramEntry<'a> {
    fn from(holder: &'a Holder) -> Self {
        ProgramEntry {
            id: holder.program,
            interface: holder.interface.as_deref(),
            attached: holder.is_attached,
            pin: holder.pin.as_deref(),
        }
    }
}

impl<'a> From<&'a Interface> for InterfaceEntry<'a> {
    fn from(interface: &'a Interface) -> Self {
        fn by_name(detours: &[Detour]) -> BTreeMap<&str, u64> {
            let detours = detours.iter();
            detours
                .map(|one| (one.name.as_str(), one.packets))
                .collect()
        }
        InterfaceEntry {
            interface: &interface.name,
            index: interface.index,
            mode: interface.mode.word(),
            asked: interface.wish.word(),
            native_xdp: interface.native_xdp,
            hits: interface.hits,
            xdp_hits: interface.xdp_hits,
            misses: interface.misses,
            xdp_misses: interface.xdp_misses,
            detours: by_name(&interface.detours),
            xdp_detours: by_name(&interface.xdp_detours),
            reason: interface.reason.as_deref(),
        }
    }
}

/// Services: all, or the one in the snapshot.
#[must_use]
pub fn services(snapshot: &Snapshot) -> String {
    let [major, minor, patch] = snapshot.info.version_parts();
    text(&Services {
        version: format!("{major}.{minor}.{patch}"),
        size: snapshot.info.conn_table_size,
        services: snapshot.services.iter().map(ServiceEntry::from).collect(),
    })
}

/// Local addresses.
#[must_use]
pub fn laddrs(services: &[ServiceLaddrs]) -> String {
    let entry = |(id, laddrs): &ServiceLaddrs| LaddrService {
        name: id.into(),
        local_addresses: laddrs.iter().map(LaddrEntry::from).collect(),
    };
    text(&Laddrs {
        services: services.iter().map(entry).collect(),
    })
}

/// Time-outs.
#[must_use]
pub fn timeouts(timeouts: &Timeouts) -> String {
    text(&TimeoutsEntry {
        tcp: timeouts.tcp,
        tcp_fin: timeouts.tcp_fin,
        udp: timeouts.udp,
    })
}

/// Sync daemons.
#[must_use]
pub fn daemons(daemons: &[Daemon]) -> String {
    let entry = |daemon: &Daemon| DaemonEntry {
        state: daemon_word(daemon.state),
        interface: daemon.interface.clone(),
        sync_id: daemon.sync_id,
        max_length: daemon.max_length,
        group: daemon.group,
        port: daemon.port,
        ttl: daemon.ttl,
    };
    text(&Daemons {
        daemons: daemons.iter().map(entry).collect(),
    })
}

/// Counters of the engine.
#[must_use]
pub fn counters(counters: &[Counter]) -> String {
    let pair = |counter: &Counter| (counter.name.clone(), counter.value);
    let drops = counters.iter().filter(|counter| counter.drop);
    text(&Counters {
        counters: counters.iter().map(pair).collect(),
        drop_reasons: drops.map(|counter| counter.name.clone()).collect(),
    })
}

/// Interfaces and their fast paths; `enabled` is the switch over all of them, if it could be read, `holders` are
/// the XDP programs that keep the module.
#[must_use]
pub fn fast_paths(found: &FastPaths, enabled: Option<bool>, holders: &[Holder]) -> String {
    text(&FastPathsEntry {
        enabled,
        asked: found.wish.word(),
        flows: found.flows,
        interfaces: found.interfaces.iter().map(InterfaceEntry::from).collect(),
        programs: holders.iter().map(ProgramEntry::from).collect(),
    })
}
