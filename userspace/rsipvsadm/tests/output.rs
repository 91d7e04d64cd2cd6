// SPDX-License-Identifier: GPL-2.0
//! Listings, compared with what the guides and ipvsadm show, to the last space.

use std::net::IpAddr;

use ipvs_netlink::proc;
use ipvs_netlink::{
    Connection, ConnectionKey, Counter, Daemon, DaemonState, Dest, DestConfig, DestId, Info,
    LocalAddress, Method, Netmask, Protocol, Service, ServiceConfig, ServiceFlags, ServiceId,
    Stats, Timeouts, Tunnel, TunnelChecksum, TunnelKind,
};
use rsipvsadm::names::Numeric;
use rsipvsadm::output::{self, connections, json, laddrs, rules, table, ServiceView, Snapshot};
use rsipvsadm::plan::{Columns, Format};
use serde_json::Value;

fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn id(vip: &str, port: u16) -> ServiceId {
    ServiceId::Address {
        protocol: Protocol::TCP,
        addr: addr(vip),
        port,
    }
}

fn dest(rip: &str, port: u16, method: Method) -> Dest {
    Dest {
        config: DestConfig {
            id: DestId {
                addr: addr(rip),
                port,
            },
            method,
            weight: 1,
            upper: 0,
            lower: 0,
            tunnel: Tunnel::default(),
        },
        active: 0,
        inactive: 0,
        persistent: 0,
        stats: Stats::default(),
    }
}

fn view(id: ServiceId, dests: Vec<Dest>) -> ServiceView {
    let ipv6 = matches!(id, ServiceId::Address { addr, .. } if addr.is_ipv6());
    ServiceView {
        service: Service {
            id,
            config: ServiceConfig {
                id,
                scheduler: "rr".to_owned(),
                flags: ServiceFlags(ServiceFlags::HASHED),
                timeout: 0,
                netmask: Netmask::host(ipv6),
                engine: None,
            },
            stats: Stats::default(),
        },
        dests,
        laddrs: Vec::new(),
    }
}

fn snapshot(services: Vec<ServiceView>) -> Snapshot {
    Snapshot {
        info: Info {
            version: 0x01_02_01,
            conn_table_size: 4096,
        },
        services,
    }
}

fn columns(columns: Columns) -> Format {
    Format {
        columns,
        numeric: true,
        ..Format::default()
    }
}

/// The listing in the guide to LVS, with the spaces ipvsadm prints and web pages lose.
#[test]
fn plain_listing_is_ipvsadms() {
    let services = snapshot(vec![view(
        id("192.168.200.123", 80),
        vec![
            dest("172.16.254.122", 80, Method::Masq),
            dest("172.16.254.133", 80, Method::Masq),
        ],
    )]);
    let wanted = "\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  192.168.200.123:80 rr
  -> 172.16.254.122:80            Masq    1      0          0         \n  \
  -> 172.16.254.133:80            Masq    1      0          0         \n";
    let text = table::services(&services, &columns(Columns::Plain), &Numeric);
    assert_eq!(text, wanted);
}

/// The listings in the guides to DPVS: same words in the same lines.
#[test]
fn fullnat_listing_has_the_lines_of_the_guides() {
    let mut services = snapshot(vec![
        view(
            id("2001::201", 80),
            vec![
                dest("64:ff9b::192.168.229.2", 80, Method::FullNat),
                dest("64:ff9b::192.168.229.1", 80, Method::FullNat),
            ],
        ),
        view(
            id("10.0.96.204", 80),
            vec![dest("192.168.229.1", 80, Method::FullNat)],
        ),
    ]);
    services.sort();
    let text = table::services(&services, &columns(Columns::Plain), &Numeric);
    let wanted = "\
Prot LocalAddress:Port Scheduler Flags
-> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP 10.0.96.204:80 rr
-> 192.168.229.1:80 FullNat 1 0 0
TCP [2001::201]:80 rr
-> 192.168.229.1:80 FullNat 1 0 0
-> 192.168.229.2:80 FullNat 1 0 0";
    let squeezed: Vec<String> = text
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(squeezed.join("\n"), wanted);
    assert!(
        text.contains("  -> 192.168.229.1:80             FullNat 1      0          0         \n")
    );
}

#[test]
fn flags_of_a_service() {
    let mut service = view(id("10.0.96.204", 443), Vec::new());
    let config = &mut service.service.config;
    config.scheduler = "sh".to_owned();
    config.timeout = 300;
    config.netmask = Netmask::Mask("255.255.255.0".parse().unwrap());
    config.engine = Some("sip".to_owned());
    config.flags = ServiceFlags(
        ServiceFlags::PERSISTENT
            | ServiceFlags::ONE_PACKET
            | ServiceFlags::SCHED1
            | ServiceFlags::SCHED2,
    );
    let text = table::one_service(&service, &columns(Columns::Plain), &Numeric);
    let line = text.lines().nth(2);
    let wanted = "TCP  10.0.96.204:443 sh (sh-fallback,sh-port) \
                  persistent 300 mask 255.255.255.0 pe sip ops";
    assert_eq!(line, Some(wanted));
}

#[test]
fn marks_are_named() {
    for (ipv6, wanted) in [(false, "FWM  7"), (true, "FWM  7 IPv6")] {
        let id = ServiceId::Fwmark { ipv6, mark: 7 };
        assert_eq!(table::service_name(&id, &Numeric), wanted);
    }
}

#[test]
fn large_numbers_have_units_unless_exact() {
    let mut service = view(
        id("10.0.96.204", 80),
        vec![dest("192.168.229.1", 80, Method::Masq)],
    );
    service.service.stats = Stats {
        conns: 99_999_999,
        in_packets: 100_000_000,
        out_packets: 1_234_567_890,
        in_bytes: 123_456_789_012,
        out_bytes: 123_456_789_012_345,
        ..Stats::default()
    };
    let text = table::one_service(&service, &columns(Columns::Stats), &Numeric);
    let wanted = "\
Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
  -> RemoteAddress:Port
TCP  10.0.96.204:80               99999999  100000K    1234M     123G     123T
  -> 192.168.229.1:80                    0        0        0        0        0\n";
    assert_eq!(text, wanted);
    let exact = Format {
        exact: true,
        ..columns(Columns::Stats)
    };
    let text = table::one_service(&service, &exact, &Numeric);
    let wanted = "TCP  10.0.96.204:80               99999999 100000000 1234567890 123456789012 \
                  123456789012345";
    assert_eq!(text.lines().nth(2), Some(wanted));
}

#[test]
fn other_columns() {
    let mut server = dest("192.168.229.1", 80, Method::Masq);
    server.config.upper = 100;
    server.config.lower = 50;
    server.active = 7;
    server.inactive = 8;
    server.persistent = 9;
    server.stats.conns_rate = 5;
    server.stats.in_bytes_rate = 200_000_000;
    let service = view(id("10.0.96.204", 80), vec![server]);
    let line = |wanted| {
        let text = table::one_service(&service, &columns(wanted), &Numeric);
        text.lines().nth(3).unwrap_or_default().to_owned()
    };
    assert_eq!(
        line(Columns::Thresholds),
        "  -> 192.168.229.1:80             100        50         7          8         "
    );
    assert_eq!(
        line(Columns::Persistent),
        "  -> 192.168.229.1:80             1         9           7          8         "
    );
    assert_eq!(
        line(Columns::Rate),
        "  -> 192.168.229.1:80                    5        0        0  200000K        0"
    );
    assert_eq!(
        line(Columns::Tunnels),
        "  -> 192.168.229.1:80             Masq    n/a           1      7          8         "
    );
}

#[test]
fn services_and_servers_are_sorted_by_number() {
    let mark = ServiceId::Fwmark {
        ipv6: false,
        mark: 3,
    };
    let udp = ServiceId::Address {
        protocol: Protocol::UDP,
        addr: addr("10.0.96.1"),
        port: 53,
    };
    let ids = [
        id("10.0.96.20", 80),
        id("10.0.96.204", 8),
        id("10.0.96.204", 80),
        udp,
        id("2001::201", 80),
        mark,
    ];
    let mut mixed: Vec<ServiceView> = ids.iter().rev().map(|id| view(*id, vec![])).collect();
    mixed[0].dests = vec![
        dest("10.1.1.10", 80, Method::Masq),
        dest("10.1.1.9", 81, Method::Masq),
        dest("10.1.1.9", 80, Method::Masq),
    ];
    let mut sorted = snapshot(mixed);
    sorted.sort();
    let found: Vec<ServiceId> = sorted.services.iter().map(|view| view.service.id).collect();
    assert_eq!(found, ids);
    let servers = &sorted.services[5].dests;
    let found: Vec<String> = servers
        .iter()
        .map(|dest| dest.config.id.to_string())
        .collect();
    assert_eq!(found, ["10.1.1.9:80", "10.1.1.9:81", "10.1.1.10:80"]);
}

fn laddr(text: &str) -> LocalAddress {
    LocalAddress {
        addr: addr(text),
        conns: 0,
        conflicts: 0,
        failed: 0,
        ports: Some((1025, 65535)),
    }
}

#[test]
fn local_addresses_are_dpvss_table() {
    let services = [
        (id("10.0.96.204", 80), vec![laddr("192.168.229.204")]),
        (id("2001::201", 80), vec![]),
    ];
    let wanted = "\
VIP:VPORT            TOTAL    SNAT_IP              CONFLICTS  CONNS     \n\
10.0.96.204:80       1        \n                              \
192.168.229.204      0          0         \n\
[2001::201]:80       0        \n";
    assert_eq!(laddrs::table(&services), wanted);
}

fn entry(cport: u16, state: &str) -> proc::Entry {
    proc::Entry {
        key: ConnectionKey {
            protocol: Protocol::TCP,
            caddr: addr("192.168.7.55"),
            cport,
            vaddr: addr("192.168.7.182"),
            vport: 80,
        },
        raddr: addr("192.168.7.27"),
        rport: 80,
        state: state.to_owned(),
        expires: 7,
        engine: None,
    }
}

fn fullnat(cport: u16, lport: u16) -> Connection {
    let entry = entry(cport, "");
    Connection {
        key: entry.key,
        laddr: addr("192.168.7.185"),
        lport,
        raddr: entry.raddr,
        rport: entry.rport,
        state: 5,
        expires: 6,
        flags: 5,
    }
}

/// The connections in the guide to DPVS.
#[test]
fn connections_are_dpvss_lines() {
    let entries = vec![entry(57090, "TIME_WAIT"), entry(57092, "ESTABLISHED")];
    let views = connections::join(entries, &[fullnat(57090, 1097), fullnat(57094, 1101)]);
    let lines = connections::table(&views, false, &Numeric);
    let wanted = "\
[0]tcp 7s     TIME_WAIT   192.168.7.55:57090 192.168.7.182:80   192.168.7.185:1097 192.168.7.27:80
[0]tcp 7s     ESTABLISHED 192.168.7.55:57092 192.168.7.182:80   192.168.7.55:57092 192.168.7.27:80
[0]tcp 6s     TIME_WAIT   192.168.7.55:57094 192.168.7.182:80   192.168.7.185:1101 192.168.7.27:80\n";
    assert_eq!(lines, wanted);
}

#[test]
fn timeouts_daemons_and_counters() {
    let timeouts = Timeouts {
        tcp: 900,
        tcp_fin: 120,
        udp: 300,
    };
    assert_eq!(
        output::timeouts(&timeouts),
        "Timeout (tcp tcpfin udp): 900 120 300\n"
    );
    let mut daemon = Daemon {
        state: DaemonState::Master,
        interface: "eth0".to_owned(),
        sync_id: 7,
        max_length: 1472,
        group: Some(addr("224.0.0.81")),
        port: 8848,
        ttl: 1,
    };
    let wanted = "master sync daemon (mcast=eth0, syncid=7, maxlen=1472, group=224.0.0.81, \
                  port=8848, ttl=1)\n";
    assert_eq!(output::daemons(&[daemon.clone()]), wanted);
    daemon.state = DaemonState::Backup;
    daemon.max_length = 0;
    daemon.group = None;
    daemon.port = 0;
    daemon.ttl = 0;
    assert_eq!(
        output::daemons(&[daemon]),
        "backup sync daemon (mcast=eth0, syncid=7)\n"
    );
    let counters = [("fullnat_conn_new", 5), ("fullnat_no_port", 0)].map(|(name, value)| Counter {
        name: name.to_owned(),
        value,
    });
    assert_eq!(
        output::counters(&counters),
        "fullnat_conn_new 5\nfullnat_no_port  0\n"
    );
}

#[test]
fn json_has_the_documented_members() {
    let mut service = view(
        id("10.0.96.204", 80),
        vec![dest("192.168.229.1", 8080, Method::FullNat)],
    );
    service.laddrs = vec![laddr("192.168.229.204")];
    let value: Value = serde_json::from_str(&json::services(&snapshot(vec![service]))).unwrap();
    assert_eq!(value["version"], "1.2.1");
    assert_eq!(value["size"], 4096);
    let service = &value["services"][0];
    assert_eq!(service["protocol"], "tcp");
    assert_eq!(service["address"], "10.0.96.204");
    assert_eq!(service["port"], 80);
    assert_eq!(service["persistent"], Value::Null);
    assert_eq!(service["local_addresses"][0], "192.168.229.204");
    assert_eq!(service["servers"][0]["forward"], "FullNat");
    assert_eq!(service["servers"][0]["port"], 8080);
    assert_eq!(service["servers"][0]["stats"]["in_bytes_per_second"], 0);

    let laddrs = json::laddrs(&[(id("10.0.96.204", 80), vec![laddr("192.168.229.204")])]);
    let value: Value = serde_json::from_str(&laddrs).unwrap();
    let laddr = &value["services"][0]["local_addresses"][0];
    assert_eq!(laddr["address"], "192.168.229.204");
    assert_eq!(laddr["port_max"], 65535);

    let views = connections::join(
        vec![entry(57090, "ESTABLISHED"), entry(57092, "ESTABLISHED")],
        &[fullnat(57090, 1097)],
    );
    let value: Value = serde_json::from_str(&json::connections(&views)).unwrap();
    assert_eq!(value["connections"][0]["local"]["port"], 1097);
    assert_eq!(value["connections"][1]["local"], Value::Null);
    assert_eq!(value["connections"][1]["client"]["port"], 57092);
}

#[test]
fn rules_hold_thresholds_tunnels_and_local_addresses() {
    let mut limited = dest("192.168.229.1", 80, Method::FullNat);
    limited.config.upper = 100;
    limited.config.lower = 50;
    let mut wrapped = dest("192.168.229.2", 80, Method::Tunnel);
    wrapped.config.tunnel = Tunnel {
        kind: TunnelKind::Gue,
        port: 6080,
        checksum: TunnelChecksum::Full,
    };
    let mut service = view(id("10.0.96.204", 80), vec![limited, wrapped]);
    service.laddrs = vec![laddr("192.168.229.204"), laddr("192.168.229.205")];
    let wanted = "\
-A -t 10.0.96.204:80 -s rr
-a -t 10.0.96.204:80 -r 192.168.229.1:80 -b -w 1 -x 100 -y 50
-a -t 10.0.96.204:80 -r 192.168.229.2:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum
-P -t 10.0.96.204:80 -z 192.168.229.204
-P -t 10.0.96.204:80 -z 192.168.229.205\n";
    assert_eq!(rules::rules(&[service], &Numeric), wanted);
}
