// SPDX-License-Identifier: GPL-2.0
//! Bytes to values and back, for the family IPVS_FLOW. The vectors were written by hand from
//! userspace/specs/ip_vs_flow.yaml; they are little-endian.
#![cfg(target_endian = "little")]

mod common;

use common::{addr, damage, hex, web};
use ipvs_netlink::request;
use ipvs_netlink::wire::attr::WireError;
use ipvs_netlink::wire::flow::{parse_service, service_attributes};
use ipvs_netlink::{
    Alias, Connection, ConnectionKey, Counter, Detour, FastPaths, Interface, LocalAddress, Mode,
    OptionChanges, Options, Protocol, ServerSide, ServiceId, Toa, Uoa, Wanted, Wish,
};

/// FAMILY, PROTOCOL, ADDR in four bytes and PORT, as IPVS_FLOW has them.
const FLOW_WEB: &str = "
    0600 0100 0200 0000
    0600 0200 0600 0000
    0800 0300 0a0060cc
    0600 0400 0050 0000";

#[test]
fn service_of_the_engine_goes_both_ways() {
    let bytes = hex(FLOW_WEB);
    assert_eq!(service_attributes(&web()).to_bytes(), bytes);
    assert_eq!(parse_service(&bytes), Ok(web()));
    let marked = ServiceId::Fwmark {
        ipv6: false,
        mark: 9,
    };
    let bytes = hex("0600 0100 0200 0000 0800 0500 09000000");
    assert_eq!(service_attributes(&marked).to_bytes(), bytes);
    assert_eq!(parse_service(&bytes), Ok(marked));
}

#[test]
fn local_address_with_its_numbers() {
    let bytes = hex("
        0800 0100 c0a8e5cc
        0800 0200 0c000000
        0c00 0300 0200000000000000
        0c00 0400 0100000000000000
        0600 0500 0104 0000
        0600 0600 ffff 0000
        0800 0700 f2fb0000");
    let laddr = LocalAddress {
        addr: addr("192.168.229.204"),
        conns: 12,
        conflicts: 2,
        failed: 1,
        ports: Some((1025, 65535)),
        free: Some(64498),
    };
    assert_eq!(LocalAddress::parse(&bytes), Ok(laddr));
    assert_eq!(LocalAddress::attributes(&laddr.addr).to_bytes(), bytes[..8]);
}

#[test]
fn connection_and_the_question_for_it() {
    let key = "
        0600 0100 0200 0000
        0600 0200 0600 0000
        0800 0300 ac100001
        0600 0400 f57c 0000
        0800 0500 0a0060cc
        0600 0600 0050 0000";
    let rest = "
        0800 0700 c0a8e5cc
        0600 0800 0401 0000
        0800 0900 c0a8e501
        0600 0a00 1f90 0000
        0600 0b00 0100 0000
        0800 0c00 84030000
        0800 0d00 05000000";
    let wanted = Connection {
        key: ConnectionKey {
            protocol: Protocol::TCP,
            caddr: addr("172.16.0.1"),
            cport: 62844,
            vaddr: addr("10.0.96.204"),
            vport: 80,
        },
        laddr: addr("192.168.229.204"),
        lport: 1025,
        raddr: addr("192.168.229.1"),
        rport: 8080,
        state: 1,
        expires: 900,
        flags: 5,
    };
    assert_eq!(Connection::parse(&hex(&format!("{key}{rest}"))), Ok(wanted));
    assert_eq!(wanted.key.attributes().to_bytes(), hex(key));
}

#[test]
fn counter_is_a_name_and_a_value() {
    let bytes = hex("0e00 0100 736f6d657468696e6700 0000");
    let value = hex("0c00 0200 0100000000000080");
    let counter = Counter::parse(&[&bytes[..], &value].concat()).unwrap();
    assert_eq!(counter.name, "something");
    assert_eq!(counter.value, (1 << 63) + 1);
    assert!(!counter.drop);
    let dropping = Counter::parse(&[&bytes[..], &value, &hex("0400 0300")].concat()).unwrap();
    assert!(dropping.drop);
}

#[test]
fn options_are_what_was_said_over_what_was_there() {
    let changes = OptionChanges {
        toa: Some(Toa::Syn),
        conn_timeout: Some(90),
        ..OptionChanges::default()
    };
    let bytes = hex("0500 0100 02 000000 0800 0400 5a000000");
    assert_eq!(changes.attributes().to_bytes(), bytes);
    let found = Options::parse(&bytes).unwrap();
    assert_eq!(found, changes.overlay(Options::default()));
    assert_eq!((found.toa_kind, found.uoa), (254, Uoa::Off));
    let all = hex("0500 0100 00 000000 0500 0200 c8 000000 0500 0300 02 000000 0800 0400 00000000");
    let options = Options::parse(&all).unwrap();
    assert_eq!((options.toa, options.toa_kind), (Toa::Off, 200));
    assert_eq!(OptionChanges::all(options).attributes().to_bytes(), all);
    assert!(OptionChanges::default().is_empty());
    let unknown = Options::parse(&hex("0500 0300 03 000000"));
    let value = WireError::Value {
        name: "uoa",
        value: 3,
    };
    assert_eq!(unknown, Err(value));
}

#[test]
fn alias_has_an_address_of_each_family() {
    let bytes = hex("0800 0100 f0010203 1400 0200 20010db8000000000000000000000001");
    let alias = Alias {
        addr: "240.1.2.3".parse().unwrap(),
        server: "2001:db8::1".parse().unwrap(),
    };
    assert_eq!(alias.attributes().to_bytes(), bytes);
    assert_eq!(Alias::parse(&bytes), Ok(alias));
    assert_eq!(Alias::name_attributes(alias.addr).to_bytes(), bytes[..8]);
    assert!(Alias::parse(&hex("1400 0100 20010db8000000000000000000000001")).is_err());
}

/// IFINDEX, NAME, MODE, CONFIGURED, HITS, MISSES, two DETOURs, NATIVE_XDP, XDP_HITS, an XDP_DETOUR and XDP_MISSES of an
/// interface that is passed at ingress, as asked for.
const WAN: &str = "
    0800 0100 02000000
    0800 0200 77616e00
    0500 0300 01 000000
    0500 0400 02 000000
    0c00 0500 0900000000000080
    0c00 0600 0300000000000000
    1c00 0780 0a00 0100 666c616773 00 0000 0c00 0200 0700000000000000
    1c00 0780 0c00 0100 7265667265736800 0c00 0200 0100000000000000
    0400 0800
    0c00 0b00 0800000000000000
    1c00 0c80 0a00 0100 666c616773 00 0000 0c00 0200 0200000000000000
    0c00 0d00 0600000000000000";

#[test]
fn interfaces_follow_what_holds_for_all() {
    let mut found = FastPaths::default();
    let all = "0800 0100 00000000 0500 0400 01 000000 0800 0900 05000000";
    let lo = "
        0800 0100 01000000
        0700 0200 6c6f00 00
        0500 0300 00 000000
        0500 0400 00 000000
        0d00 0a00 6c6f6f706261636b00 000000";
    for nest in [all, lo, WAN] {
        found.add(&hex(nest)).unwrap();
    }
    assert_eq!((found.wish, found.flows), (Wish::Off, Some(5)));
    let detour = |name: &str, packets| Detour {
        name: name.to_owned(),
        packets,
    };
    let wanted = Interface {
        index: 2,
        name: "wan".to_owned(),
        mode: Mode::Ingress,
        wish: Wish::Ingress,
        native_xdp: true,
        hits: (1 << 63) + 9,
        xdp_hits: 8,
        misses: 3,
        xdp_misses: 6,
        detours: vec![detour("flags", 7), detour("refresh", 1)],
        xdp_detours: vec![detour("flags", 2)],
        reason: None,
    };
    assert_eq!(found.interfaces[1], wanted);
    let lo = &found.interfaces[0];
    assert_eq!((lo.index, lo.name.as_str(), lo.mode), (1, "lo", Mode::Off));
    assert_eq!((lo.wish, lo.native_xdp), (Wish::Automatic, false));
    assert_eq!((lo.hits, lo.misses, lo.xdp_misses), (0, 0, 0));
    assert_eq!(lo.reason.as_deref(), Some("loopback"));
}

#[test]
fn interfaces_that_make_no_sense_are_not_taken() {
    let refused = |nest: &str| FastPaths::default().add(&hex(nest)).unwrap_err();
    let value = |name| WireError::Value { name, value: 9 };
    let named = "0800 0100 02000000 0800 0200 77616e00";
    for (nest, wanted) in [
        ("", WireError::Missing("wanted mode")),
        (
            "0500 0400 00 000000",
            WireError::Missing("interface number"),
        ),
        (
            "0800 0100 02000000 0500 0400 00 000000",
            WireError::Missing("interface name"),
        ),
        (
            &format!("{named} 0500 0400 00 000000"),
            WireError::Missing("mode"),
        ),
        (
            &format!("{named} 0500 0300 00 000000 0500 0400 09 000000"),
            value("wanted mode"),
        ),
        (
            &format!("{named} 0500 0300 09 000000 0500 0400 00 000000"),
            value("mode"),
        ),
        (
            &format!(
                "{named} 0500 0300 00 000000 0500 0400 00 000000 1000 0780 0c00 0200 0000000000000000"
            ),
            WireError::Missing("reason of a detour"),
        ),
    ] {
        assert_eq!(refused(nest), wanted, "{nest}");
    }
}

#[test]
fn wish_for_a_fast_path() {
    assert_eq!(request::list_interfaces().command(), 11);
    assert!(request::list_interfaces().attributes().is_empty());
    for (wish, number) in [
        (Wish::Automatic, "00"),
        (Wish::Off, "01"),
        (Wish::Ingress, "02"),
        (Wish::Xdp, "03"),
    ] {
        let set = request::set_interface(7, wish);
        let wanted = format!("1400 0780 0800 0100 07000000 0500 0400 {number} 000000");
        assert_eq!((set.command(), set.attributes()), (12, &hex(&wanted)[..]));
    }
}

#[test]
fn requests_of_the_engine_are_numbered_as_in_the_spec() {
    let alias = Alias {
        addr: "240.1.2.3".parse().unwrap(),
        server: "2001:db8::1".parse().unwrap(),
    };
    let changes = OptionChanges {
        uoa: Some(Uoa::Opp),
        ..OptionChanges::default()
    };
    let set = request::set_options(&web(), &changes);
    let nested = format!("2400 0180 {FLOW_WEB} 0c00 0580 0500 0300 01 000000");
    assert_eq!((set.command(), set.attributes()), (6, &hex(&nested)[..]));
    assert_eq!(request::list_options(None).command(), 7);
    assert_eq!(request::new_alias(&alias).command(), 8);
    let delete = request::delete_alias(alias.addr);
    assert_eq!(delete.command(), 9);
    assert_eq!(delete.attributes(), hex("0c00 0680 0800 0100 f0010203"));
    assert_eq!(request::list_aliases().command(), 10);
}

/// From 2001:db8::7 port 62844 to port 80 of 2001:db8::204, served by 192.168.229.1:8080.
const NAT64_CONNECTION: &str = "
    0600 0100 0a00 0000
    0600 0200 0600 0000
    1400 0300 20010db8000000000000000000000007
    0600 0400 f57c 0000
    1400 0500 20010db8000000000000000000000204
    0600 0600 0050 0000
    0800 0700 c0a8e5cc
    0600 0800 0401 0000
    0800 0900 c0a8e501
    0600 0a00 1f90 0000";

/// Families of the two sides of a connection are independent of each other.
#[test]
fn connection_through_nat64() {
    let bytes = hex(NAT64_CONNECTION);
    let found = Connection::parse(&bytes).unwrap();
    assert_eq!(found.key.vaddr, addr("2001:db8::204"));
    let side = ServerSide {
        protocol: Protocol::TCP,
        laddr: addr("192.168.229.204"),
        lport: 1025,
        raddr: addr("192.168.229.1"),
        rport: 8080,
    };
    assert_eq!(found.server_side(), side);
    let wanted = Wanted::Server(side);
    let question = request::list_connections(&wanted);
    let nested = "2c00 0380
        0600 0200 0600 0000
        0800 0700 c0a8e5cc
        0600 0800 0401 0000
        0800 0900 c0a8e501
        0600 0a00 1f90 0000";
    assert_eq!(question.attributes(), hex(nested));
    assert!(request::list_connections(&Wanted::All)
        .attributes()
        .is_empty());
}

#[test]
fn request_for_local_addresses_leaves_out_what_is_meant_by_all() {
    let vip = addr("192.168.229.204");
    let request = request::delete_laddr(Some(&web()), Some(&vip));
    assert_eq!(request.command(), flow_abi::command::LADDR_DEL);
    let nested = format!("2400 0180 {FLOW_WEB} 0c00 0280 0800 0100 c0a8e5cc");
    assert_eq!(request.attributes(), hex(&nested));
    assert!(request::delete_laddr(None, None).attributes().is_empty());
}

#[test]
fn wrong_lengths_and_missing_attributes_are_errors_with_a_name() {
    let short_addr = hex("0600 0100 0200 0000 0600 0200 0600 0000 0600 0300 0a00 0000");
    assert!(parse_service(&short_addr).is_err());
    for (error, name) in [
        (Counter::parse(&[]).unwrap_err(), "counter name"),
        (Connection::parse(&[]).unwrap_err(), "protocol"),
        (LocalAddress::parse(&[]).unwrap_err(), "local address"),
        (Alias::parse(&[]).unwrap_err(), "alias"),
    ] {
        assert_eq!(error, WireError::Missing(name));
    }
    assert_eq!(Options::parse(&[]), Ok(Options::default()));
}

#[test]
fn no_prefix_and_no_flipped_byte_panics() {
    let alias = Alias {
        addr: "240.1.2.3".parse().unwrap(),
        server: "2001:db8::1".parse().unwrap(),
    };
    let options = OptionChanges::all(Options::default());
    for whole in [
        hex(FLOW_WEB),
        hex(NAT64_CONNECTION),
        hex(WAN),
        alias.attributes().to_bytes(),
        options.attributes().to_bytes(),
        hex("0e00 0100 736f6d657468696e6700 0000 0c00 0200 0100000000000080 0400 0300"),
    ] {
        damage(&whole, |bytes| {
            let _ = parse_service(bytes);
            let _ = LocalAddress::parse(bytes);
            let _ = Connection::parse(bytes);
            let _ = Counter::parse(bytes);
            let _ = Options::parse(bytes);
            let _ = Alias::parse(bytes);
            let _ = FastPaths::default().add(bytes);
        });
    }
}
