// SPDX-License-Identifier: GPL-2.0
//! Command lines about FullNAT: servers of the other family, options of a service, one connection.

use std::net::IpAddr;

use ipvs_netlink::{ConnectionKey, DestId, Method, OptionChanges, Protocol, Toa, Uoa, Wanted};
use rsipvsadm::cli::{self, Parsed};
use rsipvsadm::failure::Failure;
use rsipvsadm::families;
use rsipvsadm::names::Numeric;
use rsipvsadm::plan::endpoint::Pair;
use rsipvsadm::plan::{Listing, Plan};

fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn plan(line: &str) -> Result<Plan, Failure> {
    match cli::parse(line.split_whitespace().map(Into::into))? {
        Parsed::Args(args) => Plan::new(&args, &Numeric),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn server_of_another_family_is_named_as_typed() {
    for (line, rip) in [
        (
            "x -a -t [2001::201]:80 -r 192.168.229.1:80 -b",
            "192.168.229.1",
        ),
        ("x -a -t 10.0.96.204:80 -r [2001::301]:80 -b", "2001::301"),
        ("x -a -f 1 -r [2001::301]:80 -b", "2001::301"),
    ] {
        match plan(line) {
            Ok(Plan::AddServer(_, id, options)) => {
                assert_eq!(id.addr, addr(rip), "{line}");
                assert_eq!(options.method, Some(Method::FullNat));
            }
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn server_of_another_family_can_be_found_again() {
    for (line, rip) in [
        (
            "x -d -t [2001::201]:80 -r 192.168.229.1:80",
            "192.168.229.1",
        ),
        ("x -d -t 10.0.96.204:80 -r [2001::301]:80", "2001::301"),
        ("x -d -t 10.0.96.204:80 -r 240.1.2.3:80", "240.1.2.3"),
    ] {
        let Ok(Plan::DeleteServer(_, id)) = plan(line) else {
            panic!("{line}");
        };
        assert_eq!(id.addr, addr(rip));
    }
    let stored = |rip: &str, method| {
        let Ok(Plan::AddServer(_, _, options)) = plan("x -a -t 10.0.96.204:80 -r 10.1.1.1") else {
            panic!("not a server");
        };
        let mut config = options.create(DestId {
            addr: addr(rip),
            port: 80,
        });
        config.method = method;
        ipvs_netlink::Dest {
            config,
            active: 0,
            inactive: 0,
            persistent: 0,
            stats: ipvs_netlink::Stats::default(),
        }
    };
    let known = ipvs_netlink::Alias {
        addr: "240.1.2.3".parse().unwrap(),
        server: "2001:db8::1".parse().unwrap(),
    };
    let lost: std::net::Ipv6Addr = "2001:db8::2".parse().unwrap();
    let lost_alias = families::candidates(lost).nth(1).unwrap().to_string();
    let dests = [
        stored("192.168.229.1", Method::Tunnel),
        stored("64:ff9b::192.168.229.2", Method::FullNat),
        stored("240.1.2.3", Method::FullNat),
        stored(&lost_alias, Method::FullNat),
    ];
    let aliases = [known].into_iter().collect();
    let find = |rip| {
        let id = DestId {
            addr: addr(rip),
            port: 80,
        };
        rsipvsadm::plan::server::find(&dests, &id, &aliases)
    };
    assert_eq!(find("192.168.229.1"), Some(&dests[0]));
    assert_eq!(find("192.168.229.2"), Some(&dests[1]));
    assert_eq!(find("64:ff9b::192.168.229.2"), Some(&dests[1]));
    assert_eq!(find("192.168.229.3"), None);
    assert_eq!(find("2001:db8::1"), Some(&dests[2]));
    assert_eq!(find("240.1.2.3"), Some(&dests[2]));
    assert_eq!(find("2001:db8::2"), Some(&dests[3]));
    assert_eq!(find("2001:db8::3"), None);
}

#[test]
fn fullnat_options_are_as_they_were_said() {
    let changes = |line: &str| match plan(line) {
        Ok(Plan::AddService(_, options) | Plan::EditService(_, options)) => options,
        other => panic!("{line}: {other:?}"),
    };
    let none = changes("x -A -t 10.0.96.204:80");
    assert!(none.fullnat.is_empty() && !none.concern_ipvs());
    let some = changes("x -E -t 10.0.96.204:80 --conn-timeout 90 --toa=syn --toa-kind 253");
    assert!(!some.concern_ipvs());
    assert_eq!(
        some.fullnat,
        OptionChanges {
            toa: Some(Toa::Syn),
            toa_kind: Some(253),
            uoa: None,
            conn_timeout: Some(90),
        }
    );
    let both = changes("x -E -u 10.0.96.204:53 --uoa opp -s rr");
    assert!(both.concern_ipvs());
    assert_eq!(both.fullnat.uoa, Some(Uoa::Opp));
    let back = changes("x -E -f 7 -6 --toa off --uoa off --conn-timeout 0");
    assert_eq!(back.fullnat.conn_timeout, Some(0));
}

#[test]
fn a_pair_is_looked_for_from_every_side() {
    let Ok(Plan::List(Listing::Connections(Some(pair)), _)) =
        plan("x -L --sockpair udp:[2001::1]:1000:[2001::201]:53")
    else {
        panic!("not a pair");
    };
    let ends = pair.wanted().map(|wanted| match wanted {
        Wanted::Client(key) => ("client", key.caddr, key.cport, key.vaddr, key.vport),
        Wanted::Server(side) => ("local", side.laddr, side.lport, side.raddr, side.rport),
        Wanted::All => panic!("all"),
    });
    let (one, two) = (addr("2001::1"), addr("2001::201"));
    assert_eq!(
        ends,
        [
            ("local", one, 1000, two, 53),
            ("local", two, 53, one, 1000),
            ("client", one, 1000, two, 53),
            ("client", two, 53, one, 1000),
        ]
    );
    let key = ConnectionKey {
        protocol: Protocol::UDP,
        caddr: one,
        cport: 1000,
        vaddr: two,
        vport: 53,
    };
    let server = "[2001::301]:53".parse().unwrap();
    assert!(pair.names(&key, server));
    let back = Pair {
        from: pair.to,
        to: pair.from,
        ..pair
    };
    assert!(back.names(&key, server));
    let behind = Pair { to: server, ..pair };
    assert!(behind.names(&key, server));
    let other = Pair {
        to: "[2001::302]:53".parse().unwrap(),
        ..pair
    };
    assert!(!other.names(&key, server));
}
