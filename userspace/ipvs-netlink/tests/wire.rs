// SPDX-License-Identifier: GPL-2.0
//! Bytes to values and back. The vectors were written by hand from include/uapi/linux/ip_vs.h and
//! from how ip_vs_genl_fill_service() and its siblings fill them; they are little-endian.
#![cfg(target_endian = "little")]

mod common;

use common::{addr, damage, hex, web};
use ipvs_netlink::request;
use ipvs_netlink::wire::attr::{attributes, WireError};
use ipvs_netlink::{
    Daemon, DaemonState, Dest, DestConfig, DestId, Info, Method, Netmask, Protocol, Service,
    ServiceConfig, ServiceFlags, ServiceId, Stats, Timeouts, Tunnel, TunnelChecksum, TunnelKind,
};

/// AF, PROTOCOL, ADDR as union nf_inet_addr, PORT of TCP 10.0.96.204:80.
const WEB: &str = "
    0600 0100 0200 0000
    0600 0200 0600 0000
    1400 0300 0a0060cc 00000000 00000000 00000000
    0600 0400 0050 0000";

/// SCHED_NAME, FLAGS with mask, TIMEOUT and NETMASK: rr, persistent, 360 s, 255.255.255.0.
const WEB_OPTIONS: &str = "
    0700 0600 727200 00
    0c00 0700 01000000 ffffffff
    0800 0800 68010000
    0800 0900 ffffff00";

fn web_config() -> ServiceConfig {
    ServiceConfig {
        id: web(),
        scheduler: "rr".to_owned(),
        flags: ServiceFlags(ServiceFlags::PERSISTENT),
        timeout: 360,
        netmask: Netmask::Mask("255.255.255.0".parse().unwrap()),
        engine: None,
    }
}

#[test]
fn service_goes_both_ways() {
    let bytes = hex(&format!("{WEB}{WEB_OPTIONS}"));
    assert_eq!(web_config().attributes().to_bytes(), bytes);
    let service = Service::parse(&bytes).unwrap();
    assert_eq!(service.config, web_config());
    assert_eq!(service.stats, Stats::default());
}

#[test]
fn ipv6_service_has_a_prefix_length_and_an_engine() {
    let bytes = hex("
        0600 0100 0a00 0000
        0600 0200 1100 0000
        1400 0300 20010000 00000000 00000000 00000201
        0600 0400 13c4 0000
        0700 0600 6d6800 00
        0c00 0700 15000000 ffffffff
        0800 0800 3c000000
        0800 0900 40000000
        0800 0b00 73697000");
    let config = ServiceConfig {
        id: ServiceId::Address {
            protocol: Protocol::UDP,
            addr: addr("2001::201"),
            port: 5060,
        },
        scheduler: "mh".to_owned(),
        flags: ServiceFlags(
            ServiceFlags::PERSISTENT | ServiceFlags::ONE_PACKET | ServiceFlags::SCHED2,
        ),
        timeout: 60,
        netmask: Netmask::Prefix(64),
        engine: Some("sip".to_owned()),
    };
    assert_eq!(config.attributes().to_bytes(), bytes);
    assert_eq!(Service::parse(&bytes).unwrap().config, config);
}

#[test]
fn marked_service_has_no_address() {
    let bytes = hex("0600 0100 0a00 0000 0800 0500 07000000 0700 0600 727200 00");
    let service = Service::parse(&bytes).unwrap();
    let id = ServiceId::Fwmark {
        ipv6: true,
        mark: 7,
    };
    assert_eq!(service.id, id);
    assert_eq!(service.config.netmask, Netmask::Prefix(128));
    assert_eq!(id.attributes().to_bytes(), bytes[..16]);
    assert_eq!(id.to_string(), "FWM 7 IPv6");
}

#[test]
fn wide_statistics_win_over_narrow_ones() {
    // STATS (10): 32-bit CONNS 1. STATS64 (12): CONNS 2^32 + 1, INBYTES 5, OUTBPS 6.
    let narrow = "0c00 0a00 0800 0100 01000000";
    let wide = "2800 0c00
        0c00 0100 0100000001000000
        0c00 0400 0500000000000000
        0c00 0a00 0600000000000000";
    let both = Service::parse(&hex(&format!("{WEB}{WEB_OPTIONS}{narrow}{wide}"))).unwrap();
    assert_eq!(both.stats.conns, (1 << 32) + 1);
    assert_eq!(both.stats.in_bytes, 5);
    assert_eq!(both.stats.out_bytes_rate, 6);
    let old = Service::parse(&hex(&format!("{WEB}{WEB_OPTIONS}{narrow}"))).unwrap();
    assert_eq!(old.stats.conns, 1);
}

/// ADDR, PORT and ADDR_FAMILY of 192.168.229.2:8080.
const SERVER: &str = "
    1400 0100 c0a8e502 00000000 00000000 00000000
    0600 0200 1f90 0000
    0600 0b00 0200 0000";

fn server() -> DestId {
    DestId {
        addr: addr("192.168.229.2"),
        port: 8080,
    }
}

#[test]
fn fullnat_server_goes_both_ways() {
    let bytes = hex(&format!(
        "{SERVER}
        0800 0300 05000000
        0800 0400 03000000
        0800 0500 64000000
        0800 0600 32000000"
    ));
    let config = DestConfig {
        id: server(),
        method: Method::FullNat,
        weight: 3,
        upper: 100,
        lower: 50,
        tunnel: Tunnel::default(),
    };
    assert_eq!(config.attributes().to_bytes(), bytes);
    assert_eq!(Dest::parse(&bytes, 2).unwrap().config, config);
}

#[test]
fn tunnelled_server_goes_both_ways() {
    let bytes = hex(&format!(
        "{SERVER}
        0800 0300 02000000
        0800 0400 01000000
        0800 0500 00000000
        0800 0600 00000000
        0500 0d00 01 000000
        0600 0e00 17c0 0000
        0600 0f00 0200 0000"
    ));
    let config = DestConfig {
        id: server(),
        method: Method::Tunnel,
        weight: 1,
        upper: 0,
        lower: 0,
        tunnel: Tunnel {
            kind: TunnelKind::Gue,
            port: 6080,
            checksum: TunnelChecksum::Remote,
        },
    };
    assert_eq!(config.attributes().to_bytes(), bytes);
    assert_eq!(Dest::parse(&bytes, 2).unwrap().config, config);
}

#[test]
fn server_without_a_family_has_its_services() {
    let bytes = hex("
        1400 0100 20010000 00000000 00000000 00000301
        0600 0200 0050 0000
        0800 0700 09000000
        0800 0800 08000000
        0800 0900 07000000");
    let dest = Dest::parse(&bytes, 10).unwrap();
    assert_eq!(dest.config.id.addr, addr("2001::301"));
    assert_eq!((dest.active, dest.inactive, dest.persistent), (9, 8, 7));
}

#[test]
fn every_method_number_comes_back() {
    for number in 0..8 {
        assert_eq!(Method::from_number(number).number(), number);
        assert_eq!(Method::from_number(number | 0x100).number(), number);
    }
    assert_eq!(Method::from_number(5), Method::FullNat);
    assert_eq!(Method::from_number(6), Method::Snat);
}

#[test]
fn timeouts_and_info() {
    let bytes = hex("0800 0400 84030000 0800 0500 78000000 0800 0600 2c010000");
    let timeouts = Timeouts {
        tcp: 900,
        tcp_fin: 120,
        udp: 300,
    };
    assert_eq!(timeouts.attributes().to_bytes(), bytes);
    assert_eq!(Timeouts::parse(&bytes), Ok(timeouts));
    let info = Info::parse(&hex("0800 0100 01020100 0800 0200 00100000")).unwrap();
    assert_eq!(info.version_parts(), [1, 2, 1]);
    assert_eq!(info.conn_table_size, 4096);
}

#[test]
fn daemon_goes_both_ways() {
    let bytes = hex("
        0800 0100 02000000
        0800 0300 07000000
        0900 0200 6574683000 000000
        0600 0400 e803 0000
        0800 0500 e0000051
        0600 0700 9022 0000
        0500 0800 03 000000");
    let daemon = Daemon {
        state: DaemonState::Backup,
        interface: "eth0".to_owned(),
        sync_id: 7,
        max_length: 1000,
        group: Some(addr("224.0.0.81")),
        port: 8848,
        ttl: 3,
    };
    assert_eq!(daemon.attributes().to_bytes(), bytes);
    assert_eq!(Daemon::parse(&bytes), Ok(daemon));
    let unknown = Daemon::parse(&hex("0800 0100 09000000"));
    let value = WireError::Value {
        name: "daemon state",
        value: 9,
    };
    assert_eq!(unknown, Err(value));
}

#[test]
fn request_nests_service_and_server() {
    let config = DestConfig {
        id: server(),
        method: Method::FullNat,
        weight: 1,
        upper: 0,
        lower: 0,
        tunnel: Tunnel::default(),
    };
    let request = request::new_dest(&web(), &config);
    assert_eq!(request.command(), 5);
    let found = attributes(request.attributes(), "request").unwrap();
    let ids: Vec<u16> = found.iter().map(|attribute| attribute.id).collect();
    assert_eq!(ids, [1, 2]);
    assert_eq!(found[0].payload, hex(WEB));
    // Strict kernels want to be told that a nest is one.
    assert_eq!(request.attributes()[2..4], [0x01, 0x80]);
}

#[test]
fn unknown_attributes_are_skipped() {
    let future = "0800 3f00 ffffffff 0400 ff3f";
    let bytes = hex(&format!("{future}{WEB}{future}{WEB_OPTIONS}{future}"));
    assert_eq!(Service::parse(&bytes).unwrap().config, web_config());
}

#[test]
fn wrong_lengths_are_errors_with_a_name() {
    let short_port = hex(&WEB.replace("0600 0400 0050 0000", "0500 0400 00 000000"));
    let error = WireError::Length {
        name: "virtual port",
        found: 1,
    };
    assert_eq!(Service::parse(&short_port).unwrap_err(), error);
}

#[test]
fn no_prefix_and_no_flipped_byte_panics() {
    let service = hex(&format!("{WEB}{WEB_OPTIONS}"));
    let dest = hex(&format!("{SERVER}0800 0300 05000000"));
    let parse_all = |bytes: &[u8]| {
        let _ = Service::parse(bytes);
        let _ = Dest::parse(bytes, 2);
        let _ = Dest::parse(bytes, 77);
        let _ = Stats::parse(bytes);
        let _ = Daemon::parse(bytes);
        let _ = Timeouts::parse(bytes);
        let _ = Info::parse(bytes);
    };
    for whole in [service, dest] {
        damage(&whole, parse_all);
    }
}

#[test]
fn attributes_that_lie_about_their_length_are_cut_off() {
    for bytes in ["0300 0100", "0000 0100", "0900 0100 00000000", "0400", "04"] {
        let error = attributes(&hex(bytes), "test").unwrap_err();
        assert_eq!(error, WireError::CutOff("test"), "{bytes}");
    }
    assert!(attributes(&[], "test").unwrap().is_empty());
    // The last attribute need not be padded.
    assert_eq!(
        attributes(&hex("0500 0100 07"), "test").unwrap()[0].payload,
        [7]
    );
}
