// SPDX-License-Identifier: GPL-2.0
//! What would happen to a packet, decided from facts alone.

use std::net::{IpAddr, SocketAddr};

use ipvs_netlink::proc::Entry;
use ipvs_netlink::route::Way;
use ipvs_netlink::{
    Connection, ConnectionKey, Dest, DestConfig, DestId, LocalAddress, Method, Netmask, Options,
    Protocol, Service, ServiceConfig, ServiceFlags, ServiceId, Stats, Toa, Tunnel, Uoa,
};
use rsipvsadm::explain::{
    explain, service_of, Explanation, Facts, FullnatConnection, Question, Sysctls, Verdict,
};
use rsipvsadm::output::{explanation, ServiceView};
use serde_json::Value;

const VIP: &str = "10.0.96.204";
const LOCAL: &str = "192.168.229.204";

fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn end(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn web() -> ServiceId {
    ServiceId::Address {
        protocol: Protocol::TCP,
        addr: addr(VIP),
        port: 80,
    }
}

fn question() -> Question {
    Question {
        protocol: Protocol::TCP,
        from: end("172.16.0.1:57090"),
        to: end("10.0.96.204:80"),
        mark: 0,
    }
}

fn dest(rip: &str, method: Method) -> Dest {
    Dest {
        config: DestConfig {
            id: DestId {
                addr: addr(rip),
                port: 80,
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

fn view(dests: Vec<Dest>) -> ServiceView {
    let config = ServiceConfig {
        id: web(),
        scheduler: "rr".to_owned(),
        flags: ServiceFlags::default(),
        timeout: 0,
        netmask: Netmask::host(false),
        engine: None,
    };
    ServiceView {
        service: Service {
            id: web(),
            config,
            stats: Stats::default(),
        },
        dests,
        laddrs: vec![laddr(LOCAL)],
        options: Some(Options::default()),
    }
}

/// A director on which everything is as it should be.
fn facts() -> Facts {
    let counters = [
        "fullnat_no_method",
        "fullnat_one_packet",
        "fullnat_no_laddr",
        "fullnat_no_port",
        "fullnat_no_route",
        "fullnat_no_alias",
        "fullnat_no_conn",
        "defence_tcp_drop",
        "defence_udp_drop",
    ];
    Facts {
        engine: true,
        fullnat: true,
        service: Some(view(vec![dest("192.168.229.1", Method::FullNat)])),
        guarded: vec![Protocol::TCP],
        ways: [
            (addr(VIP), Way::Local),
            (addr(LOCAL), Way::Local),
            (addr("192.168.229.1"), Way::Out(None)),
            (
                addr("192.168.229.2"),
                Way::Out(Some(addr("192.168.229.254"))),
            ),
            (addr("172.16.0.1"), Way::Out(None)),
        ]
        .into(),
        sysctls: Sysctls {
            expire_nodest_conn: Some(0),
            defence_tcp_drop: Some(1),
            defence_udp_drop: Some(1),
            toa: Some(1),
            uoa_max_trail: Some(3),
        },
        counters: counters.map(str::to_owned).into(),
        ..Facts::default()
    }
}

fn connection() -> Connection {
    Connection {
        key: ConnectionKey {
            protocol: Protocol::TCP,
            caddr: addr("172.16.0.1"),
            cport: 57090,
            vaddr: addr(VIP),
            vport: 80,
        },
        laddr: addr(LOCAL),
        lport: 1025,
        raddr: addr("192.168.229.1"),
        rport: 80,
        state: 1,
        expires: 900,
        flags: 5,
    }
}

fn ask(facts: &Facts) -> Explanation {
    explain(&question(), facts)
}

fn counter(explanation: &Explanation) -> Option<&'static str> {
    match explanation.verdict {
        Verdict::Dropped { counter, .. } => counter,
        ref other => panic!("{other:?}: {:?}", explanation.steps),
    }
}

#[track_caller]
fn says(explanation: &Explanation, words: &str) {
    let found = explanation.steps.iter().any(|step| step.contains(words));
    assert!(found, "{words} is not in {:#?}", explanation.steps);
}

#[test]
fn a_first_packet_is_forwarded() {
    let explanation = ask(&facts());
    let wanted = "\
1. 10.0.96.204 is an address of this director, so IPVS sees the packet.
2. No connection has this client and this virtual address.
3. Service TCP 10.0.96.204:80 takes it: scheduler rr, 1 server.
4. It is taken for a SYN; any other segment is dropped and counted in fullnat_no_conn.
5. Server 192.168.229.1:80: FullNat, weight 1, from local address 192.168.229.204 (64511 ports free), \
directly; the client's address goes along as TCP option 254 from the handshake's last segment on.
Verdict: forwarded to 192.168.229.1:80\n";
    assert_eq!(explanation::text(&explanation), wanted);
    let json = explanation::json(&question(), &explanation);
    let value: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["verdict"], "forwarded");
    assert_eq!(value["to"][0]["address"], "192.168.229.1");
    assert_eq!(value["source"]["port"], 57090);
    assert_eq!(value["counter"], Value::Null);
    assert_eq!(value["steps"].as_array().map(Vec::len), Some(5));
}

/// What is wrong, and the counter that goes up.
#[test]
fn each_reason_to_drop_has_its_counter() {
    type Break = fn(&mut Facts);
    let service = |facts: &mut Facts, change: fn(&mut ServiceView)| {
        change(facts.service.as_mut().unwrap());
    };
    let cases: [(Break, &str, &str); 8] = [
        (
            |facts| facts.fullnat = false,
            "modprobe ip_vs_fullnat",
            "fullnat_no_method",
        ),
        (
            |facts| facts.service.as_mut().unwrap().laddrs.clear(),
            "no local address of IPv4",
            "fullnat_no_laddr",
        ),
        (
            |facts| {
                facts.service.as_mut().unwrap().laddrs[0].free = Some(0);
                facts
                    .used
                    .insert((addr(LOCAL), end("192.168.229.1:80")), 64511);
            },
            "no port",
            "fullnat_no_port",
        ),
        (
            |facts| {
                facts.ways.insert(addr(LOCAL), Way::Out(None));
            },
            "192.168.229.204 is no address of this director (ip addr add 192.168.229.204/32 dev lo)",
            "fullnat_no_route",
        ),
        (
            |facts| {
                facts.ways.insert(addr("192.168.229.1"), Way::Nowhere);
            },
            "no route to 192.168.229.1",
            "fullnat_no_route",
        ),
        (
            |facts| facts.service.as_mut().unwrap().dests[0].config.id.addr = addr("240.1.2.3"),
            "nobody knows which IPv6 server",
            "fullnat_no_alias",
        ),
        (
            |facts| {
                facts.service.as_mut().unwrap().dests[0].config.id.addr = addr("2001:db8::1");
            },
            "no local address of IPv6",
            "fullnat_no_laddr",
        ),
        (
            |facts| {
                let flags = &mut facts.service.as_mut().unwrap().service.config.flags;
                *flags = flags.with(ServiceFlags::ONE_PACKET, true);
            },
            "one-packet scheduling",
            "fullnat_one_packet",
        ),
    ];
    for (spoil, words, name) in cases {
        let mut facts = facts();
        spoil(&mut facts);
        let explanation = ask(&facts);
        says(&explanation, words);
        assert_eq!(counter(&explanation), Some(name));
        let text = explanation::text(&explanation);
        assert!(text.ends_with(&format!("{name} goes up\n")), "{text}");
        // A kernel that does not have the counter: no name is made up.
        facts.counters.clear();
        assert_eq!(counter(&ask(&facts)), None);
    }
    let mut idle = facts();
    service(&mut idle, |view| view.dests[0].config.weight = 0);
    let explanation = ask(&idle);
    says(&explanation, "weight 0");
    says(&explanation, "ICMP port unreachable");
    assert_eq!(counter(&explanation), None);
    service(&mut idle, |view| {
        view.dests[0].config.weight = 1;
        view.dests[0].config.upper = 10;
        view.dests[0].active = 7;
        view.dests[0].inactive = 3;
    });
    says(&ask(&idle), "10 connections of at most 10");
    service(&mut idle, |view| view.dests.clear());
    says(&ask(&idle), "scheduler rr, no servers");
}

#[test]
fn without_the_engine_a_packet_ends_in_the_directors_stack() {
    let mut facts = facts();
    (facts.engine, facts.fullnat) = (false, false);
    facts.counters.clear();
    let explanation = ask(&facts);
    says(&explanation, "ip_vs_flow is not loaded");
    says(&explanation, "the director's own stack");
    assert_eq!(counter(&explanation), None);
}

#[test]
fn one_good_server_is_enough_and_the_others_are_told() {
    let mut facts = facts();
    let view = facts.service.as_mut().unwrap();
    view.dests = vec![
        dest("192.168.229.1", Method::FullNat),
        dest("192.168.229.2", Method::FullNat),
        dest("2001:db8::1", Method::FullNat),
        dest("192.168.229.9", Method::Masq),
    ];
    view.laddrs.push(laddr("192.168.229.205"));
    let explanation = ask(&facts);
    let to = ["192.168.229.1:80", "192.168.229.2:80", "192.168.229.9:80"];
    let to = to.map(end).to_vec();
    assert_eq!(explanation.verdict, Verdict::Forwarded { to });
    says(&explanation, "over 192.168.229.254");
    says(&explanation, "Server 192.168.229.9:80: Masq, weight 1.");
    says(
        &explanation,
        "Server [2001:db8::1]:80: if it is chosen the packet is dropped: the service has no local address of IPv6",
    );
    says(
        &explanation,
        "not from all of them, for 192.168.229.205 is no address",
    );
}

#[test]
fn ports_that_are_short_elsewhere_do_not_matter() {
    let mut facts = facts();
    facts.service.as_mut().unwrap().laddrs[0].free = Some(0);
    let to = |server| (addr(LOCAL), end(server));
    facts.used.insert(to("192.168.229.9:80"), 64511);
    facts.used.insert(to("192.168.229.1:80"), 64501);
    let explanation = ask(&facts);
    says(&explanation, "192.168.229.204 (10 ports free)");
    assert!(matches!(explanation.verdict, Verdict::Forwarded { .. }));
}

#[test]
fn the_server_learns_of_the_client_or_not() {
    let with = |change: fn(&mut Facts)| {
        let mut facts = facts();
        change(&mut facts);
        ask(&facts)
    };
    let toa = |facts: &mut Facts, toa, kind| {
        facts.service.as_mut().unwrap().options = Some(Options {
            toa,
            toa_kind: kind,
            ..Options::default()
        });
    };
    let mut facts = facts();
    toa(&mut facts, Toa::Syn, 200);
    says(&ask(&facts), "TCP option 200, in the SYN too");
    toa(&mut facts, Toa::Off, 254);
    says(&ask(&facts), "(--toa off)");
    says(
        &with(|facts| facts.sysctls.toa = Some(0)),
        "(fullnat_toa_entry is 0)",
    );
    let udp = Question {
        protocol: Protocol::UDP,
        ..question()
    };
    let mut facts = facts_with(Uoa::Ipo);
    says(&explain(&udp, &facts), "by UOA (ipo)");
    says(&explain(&udp, &facts_with(Uoa::Off)), "(--uoa off)");
    facts.sysctls.uoa_max_trail = Some(0);
    says(&explain(&udp, &facts), "(fullnat_uoa_max_trail is 0)");
    facts.sysctls.uoa_max_trail = Some(3);
    let view = facts.service.as_mut().unwrap();
    view.dests[0].config.id.addr = addr("2001:db8::1");
    view.laddrs.push(laddr("2001:db8::204"));
    for there in ["2001:db8::1", "2001:db8::204"] {
        let way = if there.ends_with('4') {
            Way::Local
        } else {
            Way::Out(None)
        };
        facts.ways.insert(addr(there), way);
    }
    says(&explain(&udp, &facts), "ipo is for IPv4 alone");
}

/// A director whose service tells servers over UDP who the client is.
fn facts_with(uoa: Uoa) -> Facts {
    let mut facts = facts();
    facts.service.as_mut().unwrap().options = Some(Options {
        uoa,
        ..Options::default()
    });
    facts
}

#[test]
fn packets_of_a_connection_go_its_way() {
    let mut facts = facts();
    facts.connection = Some(FullnatConnection::Request(connection()));
    let explanation = ask(&facts);
    says(&explanation, "state ESTABLISHED, which ends in 900 s");
    says(
        &explanation,
        "It leaves as 192.168.229.204:1025 -> 192.168.229.1:80, directly.",
    );
    let to = vec![end("192.168.229.1:80")];
    assert_eq!(explanation.verdict, Verdict::Forwarded { to });
    // Weight 0 takes new connections only.
    facts.service.as_mut().unwrap().dests[0].config.weight = 0;
    assert!(matches!(ask(&facts).verdict, Verdict::Forwarded { .. }));

    facts.service.as_mut().unwrap().dests.clear();
    let explanation = ask(&facts);
    says(&explanation, "expire_nodest_conn is 0");
    assert_eq!(counter(&explanation), None);
    facts.sysctls.expire_nodest_conn = Some(1);
    let view = facts.service.as_mut().unwrap();
    view.dests.push(dest("192.168.229.2", Method::FullNat));
    let explanation = ask(&facts);
    says(&explanation, "takes the packet for a new one");
    let to = vec![end("192.168.229.2:80")];
    assert_eq!(explanation.verdict, Verdict::Forwarded { to });
}

#[test]
fn answers_go_back_to_the_client() {
    let mut facts = facts();
    facts.service = None;
    facts.connection = Some(FullnatConnection::Answer(connection()));
    let answer = Question {
        from: end("192.168.229.1:80"),
        to: end("192.168.229.204:1025"),
        ..question()
    };
    let explanation = explain(&answer, &facts);
    says(
        &explanation,
        "in the connection of client 172.16.0.1:57090 to 10.0.96.204:80",
    );
    says(
        &explanation,
        "It leaves as 10.0.96.204:80 -> 172.16.0.1:57090",
    );
    let to = vec![end("172.16.0.1:57090")];
    assert_eq!(explanation.verdict, Verdict::Forwarded { to });
    // Nobody took the local address for granted, but the virtual one must be ours.
    facts.ways.remove(&addr(VIP));
    let explanation = explain(&answer, &facts);
    says(&explanation, "10.0.96.204 is no address of this director");
    assert_eq!(counter(&explanation), Some("fullnat_no_route"));

    facts.connection = None;
    facts.local_address_of = Some(web());
    let explanation = explain(&answer, &facts);
    says(
        &explanation,
        "192.168.229.204 is a local address of service TCP 10.0.96.204:80",
    );
    assert!(matches!(explanation.verdict, Verdict::Untouched { .. }));
}

#[test]
fn connections_of_other_methods_are_ipvss() {
    let mut facts = facts();
    facts.service = Some(view(vec![dest("192.168.229.1", Method::Masq)]));
    facts.other = Some(Entry {
        key: connection().key,
        raddr: addr("192.168.229.1"),
        rport: 80,
        state: "FIN_WAIT".to_owned(),
        expires: 100,
        engine: None,
    });
    let explanation = ask(&facts);
    says(&explanation, "state FIN_WAIT");
    says(&explanation, "not behind FullNAT");
    let to = vec![end("192.168.229.1:80")];
    assert_eq!(explanation.verdict, Verdict::Forwarded { to });
}

#[test]
fn without_a_service_it_depends() {
    let mut facts = facts();
    facts.service = None;
    facts.marks = vec![1, 7];
    let explanation = ask(&facts);
    says(&explanation, "no service TCP 10.0.96.204:80");
    says(&explanation, "(1, 7): ask with --mark");
    says(&explanation, "counted in defence_tcp_drop");
    assert!(matches!(explanation.verdict, Verdict::Untouched { .. }));
    let udp = Question {
        protocol: Protocol::UDP,
        ..question()
    };
    let explanation = explain(&udp, &facts);
    assert_eq!(counter(&explanation), Some("defence_udp_drop"));
    facts.sysctls.defence_udp_drop = Some(0);
    let verdict = explain(&udp, &facts).verdict;
    assert!(matches!(verdict, Verdict::Untouched { .. }));
    facts.sysctls.defence_udp_drop = Some(1);
    facts.guarded.push(Protocol::UDP);
    let verdict = explain(&udp, &facts).verdict;
    assert!(matches!(verdict, Verdict::Untouched { .. }));
    facts.ways.remove(&addr(VIP));
    let explanation = ask(&facts);
    says(&explanation, "ip addr add 10.0.96.204/32 dev lo");
    let text = explanation::text(&explanation);
    assert!(text.contains("Verdict: not a matter of IPVS"), "{text}");
}

#[test]
fn services_are_looked_for_as_ipvs_does() {
    let addressed = |port| ServiceId::Address {
        protocol: Protocol::TCP,
        addr: addr(VIP),
        port,
    };
    let marked = |ipv6| ServiceId::Fwmark { ipv6, mark: 7 };
    let with_mark = Question {
        mark: 7,
        ..question()
    };
    let all = [addressed(0), addressed(80), marked(true), marked(false)];
    assert_eq!(service_of(&question(), &all), Some(addressed(80)));
    assert_eq!(service_of(&with_mark, &all), Some(marked(false)));
    assert_eq!(service_of(&with_mark, &all[..3]), Some(addressed(80)));
    assert_eq!(service_of(&question(), &all[..1]), Some(addressed(0)));
    let udp = Question {
        protocol: Protocol::UDP,
        ..question()
    };
    assert_eq!(service_of(&udp, &all), None);
}
