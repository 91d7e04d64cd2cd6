// SPDX-License-Identifier: GPL-2.0
//! Listings, compared with what the guides and ipvsadm show, to the last space.

use std::net::IpAddr;

use ipvs_netlink::proc;
use ipvs_netlink::{
    Alias, Connection, ConnectionKey, Counter, Daemon, DaemonState, Dest, DestConfig, DestId, Info,
    LocalAddress, Method, Netmask, Options, Protocol, Service, ServiceConfig, ServiceFlags,
    ServiceId, Stats, Timeouts, Toa, Tunnel, TunnelChecksum, TunnelKind, Uoa,
};
use rsipvsadm::families::Aliases;
use rsipvsadm::names::Numeric;
use rsipvsadm::output::connections::{self, Row, Shape};
use rsipvsadm::output::{self, json, laddrs, rules, table, Remark, ServiceView, Snapshot};
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
        options: Some(Options::default()),
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
    assert_eq!(services.name_servers(&Aliases::default()), []);
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
        free: Some(64511),
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

const NUMBERS: Shape = Shape::Table {
    numeric: true,
    with_engine: false,
};

/// The connections in the guide to DPVS.
#[test]
fn connections_are_dpvss_lines() {
    let (ours, other) = (fullnat(57090, 1097), entry(57092, "ESTABLISHED"));
    let wanted = "\
[0]tcp 6s     TIME_WAIT   192.168.7.55:57090 192.168.7.182:80   192.168.7.185:1097 192.168.7.27:80
[0]tcp 7s     ESTABLISHED 192.168.7.55:57092 192.168.7.182:80   192.168.7.55:57092 192.168.7.27:80\n";
    let rows = || [Row::from(&ours), Row::from(&other)];
    assert_eq!(connections::text(rows(), NUMBERS), wanted);
    let value: Value = serde_json::from_str(&connections::text(rows(), Shape::Json)).unwrap();
    assert_eq!(value["connections"].as_array().map(Vec::len), Some(2));
    assert_eq!(value["connections"][0]["local"]["port"], 1097);
    assert_eq!(value["connections"][0]["state"], "TIME_WAIT");
    assert_eq!(value["connections"][1]["local"], Value::Null);
    assert_eq!(value["connections"][1]["client"]["port"], 57092);
    let none: Value = serde_json::from_str(&connections::text([], Shape::Json)).unwrap();
    assert_eq!(none["connections"], Value::Array(Vec::new()));
    assert_eq!(connections::text([], NUMBERS), "");
}

#[test]
fn connections_between_families_and_with_an_engine() {
    let mut nat64 = fullnat(57090, 1097);
    nat64.key.caddr = addr("2001:db8::7");
    nat64.key.vaddr = addr("2001:db8::182");
    nat64.key.protocol = Protocol::SCTP;
    nat64.state = 8;
    nat64.expires = u32::MAX;
    let mut template = entry(0, "NONE");
    template.engine = Some(("sip".to_owned(), "1234@host".to_owned()));
    let shape = Shape::Table {
        numeric: true,
        with_engine: true,
    };
    let text = connections::text([Row::from(&nat64), Row::from(&template)], shape);
    let wanted = "\
[0]sctp 4294967295s ESTABLISHED [2001:db8::7]:57090 [2001:db8::182]:80 192.168.7.185:1097 192.168.7.27:80
[0]tcp 7s     NONE        192.168.7.55:0     192.168.7.182:80   192.168.7.55:0     192.168.7.27:80 sip 1234@host\n";
    assert_eq!(text, wanted);
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
        drop: name == "fullnat_no_port",
    });
    assert_eq!(
        output::counters(&counters),
        "fullnat_conn_new 5\nfullnat_no_port  0 drop\n"
    );
    let value: Value = serde_json::from_str(&json::counters(&counters)).unwrap();
    assert_eq!(value["counters"]["fullnat_conn_new"], 5);
    assert_eq!(value["drop_reasons"][0], "fullnat_no_port");
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
    assert_eq!(service["fullnat"]["toa"], "ack");
    assert_eq!(service["fullnat"]["toa_kind"], 254);
    assert_eq!(service["fullnat"]["uoa"], "off");
    assert_eq!(service["fullnat"]["conn_timeout"], 0);
    assert_eq!(service["local_addresses"][0], "192.168.229.204");
    assert_eq!(service["servers"][0]["forward"], "FullNat");
    assert_eq!(service["servers"][0]["port"], 8080);
    assert_eq!(service["servers"][0]["stats"]["in_bytes_per_second"], 0);

    let laddrs = json::laddrs(&[(id("10.0.96.204", 80), vec![laddr("192.168.229.204")])]);
    let value: Value = serde_json::from_str(&laddrs).unwrap();
    let laddr = &value["services"][0]["local_addresses"][0];
    assert_eq!(laddr["address"], "192.168.229.204");
    assert_eq!(laddr["port_max"], 65535);
    assert_eq!(laddr["free"], 64511);
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

#[test]
fn options_are_shown_and_saved_where_they_are_unusual() {
    let mut service = view(id("10.0.96.204", 80), Vec::new());
    let plain = Format {
        numeric: true,
        ..Format::default()
    };
    let line = |service: &ServiceView| {
        let text = table::one_service(service, &plain, &Numeric);
        text.lines().nth(2).unwrap_or_default().to_owned()
    };
    assert_eq!(line(&service), "TCP  10.0.96.204:80 rr");
    service.options = None;
    assert_eq!(line(&service), "TCP  10.0.96.204:80 rr");
    service.options = Some(Options {
        toa: Toa::Syn,
        toa_kind: 200,
        uoa: Uoa::Opp,
        conn_timeout: 90,
    });
    service.service.config.flags = ServiceFlags(ServiceFlags::PERSISTENT);
    service.service.config.timeout = 300;
    assert_eq!(
        line(&service),
        "TCP  10.0.96.204:80 rr persistent 300 conn-timeout 90 toa syn toa-kind 200 uoa opp"
    );
    assert_eq!(
        rules::rules(&[service], &Numeric),
        "-A -t 10.0.96.204:80 -s rr -p 300 --conn-timeout 90 --toa syn --toa-kind 200 --uoa opp\n"
    );
}

#[test]
fn servers_of_the_other_family_are_named_as_typed() {
    let alias = "240.1.2.3".parse().unwrap();
    let server = "2001:db8::1".parse().unwrap();
    let aliases: Aliases = [Alias {
        addr: alias,
        server,
    }]
    .into_iter()
    .collect();
    let mut service = view(
        id("10.0.96.204", 80),
        vec![
            dest("240.1.2.3", 80, Method::FullNat),
            dest("240.1.2.4", 80, Method::FullNat),
            dest("240.1.2.3", 81, Method::Masq),
            dest("192.168.229.1", 80, Method::FullNat),
        ],
    );
    service.laddrs = vec![laddr("192.168.229.204")];
    let mut snapshot = snapshot(vec![service]);
    let remarks = snapshot.name_servers(&aliases);
    let at = |text: &str| DestId {
        addr: addr(text),
        port: 80,
    };
    let web = id("10.0.96.204", 80);
    assert_eq!(
        remarks,
        [
            Remark::NoLocalAddress(web, at("2001:db8::1")),
            Remark::LostAlias(web, at("240.1.2.4")),
        ]
    );
    assert_eq!(
        remarks.iter().map(output::warning).collect::<Vec<_>>(),
        [
            "server [2001:db8::1]:80 of service TCP 10.0.96.204:80: it gets no connections, because \
             the service has no local address of IPv6: add one (rsipvsadm -P -t 10.0.96.204:80 -z ADDRESS)",
            "server 240.1.2.4:80 of service TCP 10.0.96.204:80: nobody knows which IPv6 server this \
             alias stands for, because ip_vs_flow was loaded after it was added: name it once more \
             (rsipvsadm -e -t 10.0.96.204:80 -r [ADDRESS]:80)",
        ]
    );
    let rules = rules::rules(&snapshot.services, &Numeric);
    assert!(rules.contains("-r [2001:db8::1]:80 -b"), "{rules}");
    assert!(rules.contains("-r 240.1.2.4:80 -b"), "{rules}");
    assert!(rules.contains("-r 240.1.2.3:81 -m"), "{rules}");
    let plain = table::one_service(&snapshot.services[0], &Format::default(), &Numeric);
    assert!(
        plain.contains("  -> [2001:db8::1]:80             FullNat 1"),
        "{plain}"
    );
    let value: Value = serde_json::from_str(&json::services(&snapshot)).unwrap();
    assert_eq!(value["services"][0]["servers"][0]["address"], "2001:db8::1");
}
