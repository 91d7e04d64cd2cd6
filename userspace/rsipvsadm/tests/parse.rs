// SPDX-License-Identifier: GPL-2.0
//! Command lines people use, and what they mean.

use std::net::IpAddr;

use ipvs_netlink::{
    DaemonState, DestId, Method, Netmask, Protocol, ServiceFlags, ServiceId, Timeouts,
};
use rsipvsadm::cli::{self, Parsed};
use rsipvsadm::failure::Failure;
use rsipvsadm::names::{Numeric, Resolve};
use rsipvsadm::plan::server::ServerOptions;
use rsipvsadm::plan::{Columns, Listing, Plan};

/// Two hosts and a port, so that no test asks a name server.
struct Hosts;

impl Resolve for Hosts {
    fn host(&self, name: &str) -> Option<IpAddr> {
        match name {
            "vip.example" => Some(addr("10.0.96.204")),
            "rs-1.example" => Some(addr("192.168.229.1")),
            _ => None,
        }
    }

    fn port(&self, name: &str, protocol: Protocol) -> Option<u16> {
        match (name, protocol) {
            ("http", Protocol::TCP) => Some(80),
            ("domain", Protocol::UDP) => Some(53),
            _ => None,
        }
    }
}

fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn plan(line: &str) -> Result<Plan, Failure> {
    match cli::parse(line.split_whitespace().map(Into::into))? {
        Parsed::Args(args) => Plan::new(&args, &Hosts),
        Parsed::Explain(_) | Parsed::Capture(_) => panic!("{line} is a question"),
        Parsed::Fastpath(args) => Plan::fastpath(&args),
        Parsed::Text(text) => panic!("{line} prints {text}"),
    }
}

fn service(protocol: Protocol, vip: &str, port: u16) -> ServiceId {
    ServiceId::Address {
        protocol,
        addr: addr(vip),
        port,
    }
}

fn web() -> ServiceId {
    service(Protocol::TCP, "10.0.96.204", 80)
}

/// All command lines in the guides to DPVS, dsnat and LVS that the project measures itself by. The
/// dashes of the dsnat guide are typographic there, too.
const GUIDES: &str = "
    ipvsadm -A -t 10.0.96.204:80 -s rr
    ipvsadm -a -t 10.0.96.204:80 -r 192.168.229.1 -b
    ipvsadm --add-laddr -z 192.168.229.204 -t 10.0.96.204:80 -F dpdk0
    ipvsadm -ln
    ipvsadm -G
    ipvsadm -A -t [2001::201]:80 -s rr
    ipvsadm -a -t [2001::201]:80 -r [2407::1]:80 -b
    ipvsadm -a -t [2001::201]:80 -r [2407::2]:80 -b
    ipvsadm --add-laddr -z 2407::201 -t [2001::201]:80 -F bond1
    ipvsadm -Ln
    ipvsadm -a -t [2001::201]:80 -r 192.168.229.1:80 -b
    ipvsadm -a -t [2001::201]:80 -r 192.168.229.2:80 -b
    ipvsadm --add-laddr -z 192.168.229.201 -t [2001::201]:80 -F bond1
    /usr/local/dpvs/bin/ipvsadm -Lnc
    ipvsadm \u{2013}A \u{2013}t 0.0.0.0:0 \u{2013}s rr
    ipvsadm \u{2013}P \u{2013}t 0.0.0.0:0 -z 1.2.100.1
    ipvsadm \u{2013}P \u{2013}t 0.0.0.0:0 -z 1.2.100.2
    ipvsadm -A -t 192.168.200.123:80 -s rr
    ipvsadm -a -t 192.168.200.123:80 -r 172.16.254.122 -m
    ipvsadm -A -t 172.16.123.122:80 -s rr
    ipvsadm -a -t 172.16.123.122:80 -r 172.16.254.122 -g
    ipvsadm -a -t 172.16.123.122:80 -r 172.16.254.111 -g
";

/// The same things in the other ways the old tools allow.
const SPELLINGS: &str = "
    ipvsadm -At 10.0.96.204:80 -s wlc
    ipvsadm -at 10.0.96.204:80 -r 192.168.229.1:8080 -bw 5
    ipvsadm -at 10.0.96.204:80 -r192.168.229.1 -m -w5 -x 100 -y50
    ipvsadm -Pt 10.0.96.204:80 -z 192.168.229.204
    ipvsadm -Qt 10.0.96.204:80 -z 192.168.229.204
    ipvsadm --del-laddr --laddr 192.168.229.204 --tcp-service 10.0.96.204:80 --ifname eth1
    ipvsadm --get-laddr -t 10.0.96.204:80
    ipvsadm -Gn
    ipvsadm -l
    ipvsadm -L -n --stats
    ipvsadm -lnc
    ipvsadm -Lnc --nosort
    ipvsadm -L --rate --exact
    ipvsadm -LnX --stats
    ipvsadm -L --sort --thresholds
    ipvsadm -L --persistent-conn -n
    ipvsadm -Lc --persistent-conn
    ipvsadm -L --timeout
    ipvsadm -L --daemon
    ipvsadm -L --daemon --syncid 3
    ipvsadm -L -t 10.0.96.204:80
    ipvsadm -Ln -f 1 -6
    ipvsadm -C
    ipvsadm --clear
    ipvsadm -S
    ipvsadm -Sn
    ipvsadm --save --numeric
    ipvsadm -R
    ipvsadm -Z
    ipvsadm -Z -u 10.0.96.204:53
    ipvsadm --set 900 120 300
    ipvsadm -A -t 10.0.96.204:443 -p
    ipvsadm -A -t 10.0.96.204:443 -p 300 -M 255.255.255.0
    ipvsadm -A -t 10.0.96.204:443 -p -s rr
    ipvsadm -A -t 10.0.96.204:443 --persistent=300 --scheduler=sh --sched-flags=sh-port,sh-fallback
    ipvsadm -A -t 10.0.96.204:443 -s sh -p 360 -b sh-port
    ipvsadm -A -t [2001::201]:443 -p -M 64
    ipvsadm -A -u 10.0.96.204:53 -o -s rr
    ipvsadm -A -u 10.0.96.204:53 --ops
    ipvsadm -Aou 10.0.96.204:53 -s rr
    ipvsadm -A -u 10.0.96.204:5060 -p 60 --pe sip
    ipvsadm -A --sctp-service 10.0.96.204:36412
    ipvsadm -A -f 1 -s wrr
    ipvsadm -A -f 1 -6
    ipvsadm -E -t 10.0.96.204:80 -s sh
    ipvsadm -E -t 10.0.96.204:80 -p 0
    ipvsadm -E -t 10.0.96.204:80 --conn-timeout 120
    ipvsadm -A -t 10.0.96.204:80 --toa syn --toa-kind 200
    ipvsadm -A -u [2001::201]:53 --uoa opp
    ipvsadm -A -u 10.0.96.204:53 --uoa ipo
    ipvsadm -a --sctp-service [2001::201]:36412 -r [2407::1] -b
    ipvsadm -a -t 10.0.96.204:80 -r [2001::1]:80 -b
    ipvsadm -P -t 10.0.96.204:80 -z 2407::201
    ipvsadm -a -f 1 -6 -r [2407::1]:80 -b
    ipvsadm -D -t 10.0.96.204:80
    ipvsadm -e -t 10.0.96.204:80 -r 192.168.229.1 -w 0
    ipvsadm -d -t 10.0.96.204:80 -r 192.168.229.1:80
    ipvsadm -a -f 1 -r 192.168.229.1:0 -g
    ipvsadm -a -t 10.0.96.204:80 -r [2001::1]:80 -i
    ipvsadm -a -t 10.0.96.204:80 -r 192.168.229.1 -i --tun-type gue --tun-port 6080 --tun-csum
    ipvsadm -A -t vip.example:http
    ipvsadm -A -u vip.example:domain
    ipvsadm -a -t vip.example:http -r rs-1.example -b
    ipvsadm --start-daemon master --mcast-interface eth1 --syncid 7
    ipvsadm --start-daemon=backup --mcast-group ff02::1 --mcast-port 9000 --mcast-ttl 2
    ipvsadm --stop-daemon backup
    rsipvsadm --counters
    rsipvsadm --counters --json
    rsipvsadm -L --json
    rsipvsadm -Ln -o json
    rsipvsadm -Lnc -o json
    rsipvsadm -G --output json
    rsipvsadm -G --output table
    rsipvsadm -Ln --sockpair tcp:172.16.0.1:57090:10.0.96.204:80
    rsipvsadm -Lnc --sockpair udp:[2001::1]:1:[2001::201]:53
";

#[test]
fn known_command_lines_are_understood() {
    for line in GUIDES.lines().chain(SPELLINGS.lines()) {
        if !line.trim().is_empty() {
            plan(line).unwrap_or_else(|failure| panic!("{line}: {failure}"));
        }
    }
}

#[test]
fn examples_of_the_manual_are_understood() {
    let manual = include_str!("../man/formats.roff");
    let examples: Vec<String> = manual
        .lines()
        .filter(|line| line.starts_with("rsipvsadm "))
        .map(|line| line.replace('\\', ""))
        .collect();
    assert!(examples.len() >= 10);
    for line in examples {
        let words = line.split(['<', '>', '|']).next().unwrap();
        if words.starts_with("rsipvsadm capture ") {
            match cli::parse(words.split_whitespace().map(Into::into)) {
                Ok(Parsed::Capture(args)) => rsipvsadm::plan::capture(&args).unwrap(),
                other => panic!("{line}: {other:?}"),
            };
            continue;
        }
        if words.starts_with("rsipvsadm explain ") {
            match cli::parse(words.split_whitespace().map(Into::into)) {
                Ok(Parsed::Explain(args)) => rsipvsadm::plan::question(&args, &Hosts).unwrap(),
                other => panic!("{line}: {other:?}"),
            };
            continue;
        }
        plan(words).unwrap_or_else(|failure| panic!("{line}: {failure}"));
    }
}

#[test]
fn server_without_a_port_has_the_services() {
    let id = DestId {
        addr: addr("192.168.229.1"),
        port: 80,
    };
    let options = ServerOptions {
        method: Some(Method::FullNat),
        ..ServerOptions::default()
    };
    assert_eq!(
        plan("x -a -t 10.0.96.204:80 -r 192.168.229.1 -b"),
        Ok(Plan::AddServer(web(), id, options))
    );
}

#[test]
fn only_translation_maps_ports() {
    for (method, port) in [("-b", 8080), ("-m", 8080), ("-g", 80), ("-i", 80), ("", 80)] {
        let line = format!("x -a -t 10.0.96.204:80 -r 192.168.229.1:8080 {method}");
        match plan(&line) {
            Ok(Plan::AddServer(_, id, _)) => assert_eq!(id.port, port, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn server_defaults_are_ipvsadms() {
    let Ok(Plan::AddServer(_, id, options)) = plan("x -a -t 10.0.96.204:80 -r 10.1.1.1") else {
        panic!("not a server");
    };
    let config = options.create(id);
    assert_eq!(config.method, Method::Route);
    assert_eq!((config.weight, config.upper, config.lower), (1, 0, 0));
}

#[test]
fn edit_touches_only_what_is_said() {
    let Ok(Plan::AddServer(_, id, options)) =
        plan("x -a -t 10.0.96.204:80 -r 10.1.1.1:8080 -b -w 7 -x 100 -y 50")
    else {
        panic!("not a server");
    };
    let old = options.create(id);
    let Ok(Plan::EditServer(_, edited, options)) =
        plan("x -e -t 10.0.96.204:80 -r 10.1.1.1:8080 -w 3")
    else {
        panic!("not an edit");
    };
    assert_eq!(edited, id);
    let new = options.overlay(old);
    assert_eq!(new.weight, 3);
    assert_eq!(
        (new.method, new.upper, new.lower),
        (Method::FullNat, 100, 50)
    );

    let Ok(Plan::AddService(id, options)) =
        plan("x -A -t 10.0.96.204:80 -s sh --sched-flags sh-port -p 300 -M 24 --pe sip")
    else {
        panic!("not a service");
    };
    let old = options.create(id);
    let Ok(Plan::EditService(_, options)) = plan("x -E -t 10.0.96.204:80 -p 60") else {
        panic!("not an edit");
    };
    let new = options.overlay(old.clone());
    assert_eq!(new.timeout, 60);
    assert_eq!(new.scheduler, "sh");
    assert_eq!(new.netmask, Netmask::Mask("255.255.255.0".parse().unwrap()));
    assert_eq!(new.engine.as_deref(), Some("sip"));
    assert!(new
        .flags
        .has(ServiceFlags::SCHED2 | ServiceFlags::PERSISTENT));

    let Ok(Plan::EditService(_, options)) = plan("x -E -t 10.0.96.204:80 -p 0") else {
        panic!("not an edit");
    };
    let new = options.overlay(old);
    assert!(!new.flags.has(ServiceFlags::PERSISTENT));
    assert_eq!((new.engine, new.netmask.is_host()), (None, true));
}

#[test]
fn persistence_has_a_default() {
    for (line, seconds) in [
        ("-p", 360),
        ("-p 300", 300),
        ("-p -s rr", 360),
        ("-p300", 300),
    ] {
        match plan(&format!("x -A -t 10.0.96.204:80 {line}")) {
            Ok(Plan::AddService(_, options)) => {
                assert_eq!(options.persistent, Some(seconds), "{line}");
            }
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn listings_have_topics_columns_and_formats() {
    let listing = |line: &str| match plan(line) {
        Ok(Plan::List(listing, format)) => (listing, format),
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(listing("x -Ln").0, Listing::Services);
    assert_eq!(listing("x -L -t 10.0.96.204:80").0, Listing::Service(web()));
    assert_eq!(listing("x -lnc").0, Listing::Connections(None));
    assert_eq!(listing("x -G").0, Listing::LocalAddresses(None));
    assert_eq!(listing("x --counters").0, Listing::Counters);
    let (_, format) = listing("x -LnX --rate --nosort");
    assert!(format.numeric && format.exact && format.unsorted && !format.json);
    assert_eq!(format.columns, Columns::Rate);
    for line in [
        "x -L --json",
        "x -L -o json",
        "x -Lo json",
        "x -L --output=json",
    ] {
        assert!(listing(line).1.json, "{line}");
    }
    match listing("x -L --sockpair tcp:172.16.0.1:57090:10.0.96.204:80").0 {
        Listing::Connections(Some(pair)) => {
            assert_eq!(pair.from, "172.16.0.1:57090".parse().unwrap());
            assert_eq!(pair.to, "10.0.96.204:80".parse().unwrap());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_rest_means_what_it_says() {
    let timeouts = Timeouts {
        tcp: 900,
        tcp_fin: 120,
        udp: 300,
    };
    assert_eq!(plan("x --set 900 120 300"), Ok(Plan::SetTimeouts(timeouts)));
    assert_eq!(plan("x -C"), Ok(Plan::Clear));
    assert_eq!(plan("x -Z"), Ok(Plan::Zero(None)));
    assert_eq!(plan("x -Sn"), Ok(Plan::Save { numeric: true }));
    assert_eq!(
        plan("x --stop-daemon backup"),
        Ok(Plan::StopDaemon(DaemonState::Backup, 0))
    );
    let laddr = addr("192.168.229.204");
    assert_eq!(
        plan("x -Pt 10.0.96.204:80 -z 192.168.229.204 -F eth1"),
        Ok(Plan::AddLocalAddress(web(), laddr, Some("eth1".to_owned())))
    );
    assert_eq!(
        plan("x -Q -t 10.0.96.204:80 -z 192.168.229.204"),
        Ok(Plan::DeleteLocalAddress(web(), laddr, None))
    );
    assert_eq!(
        plan("x -D -f 7 -6"),
        Ok(Plan::DeleteService(ServiceId::Fwmark {
            ipv6: true,
            mark: 7
        }))
    );
}

/// Command lines that make no sense, and what is said about them.
const NONSENSE: &[(&str, &str)] = &[
    ("", "no command; see rsipvsadm --help"),
    ("-A", "-A needs a service (-t, -u, --sctp-service or -f)"),
    ("-A -D", "-A and -D are two commands"),
    ("-a -t 1.2.3.4:80", "-a needs a real server (-r)"),
    ("-P -t 1.2.3.4:80", "-P needs a local address (-z)"),
    ("-A -t 1.2.3.4:80 -b", "-b does not go with -A"),
    ("-A -t 1.2.3.4:80 -w 1", "-w does not go with -A"),
    ("-A -t 1.2.3.4:80 -z 1.1.1.1", "-z does not go with -A"),
    ("-D -t 1.2.3.4:80 -s rr", "-s does not go with -D"),
    ("-C -n", "-n does not go with -C"),
    ("-a -t 1.2.3.4:80 -r 1.1.1.1 -b -o", "-o does not go with -a"),
    ("-a -t 1.2.3.4:80 -r 1.1.1.1 -b -m", "-b and -m exclude each other"),
    ("-A -t 1.2.3.4:80 -u 1.2.3.4:80", "-t and -u exclude each other"),
    ("-L -c --timeout", "-c and --timeout exclude each other"),
    ("-L -c -t 1.2.3.4:80", "-t and -c exclude each other"),
    ("-L -c --stats", "-c and --stats exclude each other"),
    ("-L --daemon --persistent-conn", "--daemon and --persistent-conn exclude each other"),
    ("-A -t 1.2.3.4", "service TCP 1.2.3.4:0: port 0 means all ports and needs persistence (-p)"),
    ("-A -t 1.2.3.4:0", "service TCP 1.2.3.4:0: port 0 means all ports and needs persistence (-p)"),
    ("-A -t 1.2.3.4:80 -o", "-o: one-packet scheduling is for UDP, not for TCP 1.2.3.4:80"),
    ("-A -t 1.2.3.4:80 -M 24", "-M needs persistence (-p)"),
    ("-A -t 1.2.3.4:80 -p -M 255.0.255.0", "-M: 255.0.255.0 is not a netmask"),
    ("-A -t 1.2.3.4:80 -p 0", "-p: 0 is not a number from 1 to 2678400"),
    ("-A -t 1.2.3.4:80 -p 9999999", "-p: 9999999 is not a number from 1 to 2678400"),
    ("-A -t 1.2.3.4:80 -s schedulerwithalongname", "-s: \"schedulerwithalongname\" is not a name of 1 to 15 characters"),
    ("-A -t 1.2.3.4:80 -s rr --sched-flags sh-port", "--sched-flags: these flags are of the scheduler sh, not of rr"),
    ("-A -t 1.2.3.4:80 --sched-flags sh-port", "--sched-flags: these flags need the scheduler sh (-s sh)"),
    ("-A -t 1.2.3.4:65536", "-t: 65536 is not a port"),
    ("-A -t 1.2.3.4:nonsense", "-t: nonsense is not a port"),
    ("-A -t nowhere.example:80", "-t: there is no host nowhere.example"),
    ("-A -t 80", "-t: 80 is not an address[:port]; IPv6 with a port is [address]:port"),
    ("-A -t [1.2.3.4]:80", "-t: [1.2.3.4]:80 is not an address[:port]; IPv6 with a port is [address]:port"),
    ("-A -t [::1:80", "-t: [::1:80 is not an address[:port]; IPv6 with a port is [address]:port"),
    ("-A -f 0", "-f: 0 is not a number from 1 to 4294967295"),
    ("-A -f -1", "-f: -1 is not a number from 1 to 4294967295"),
    ("-A -6 -t 1.2.3.4:80", "-6 goes only with -f"),
    ("-a -t 1.2.3.4:80 -r 1.1.1.1 -w 65536", "-w: 65536 is not a number from 0 to 65535"),
    ("-a -t 1.2.3.4:80 -r 1.1.1.1 -w -1", "-w: -1 is not a number from 0 to 65535"),
    ("-a -t 1.2.3.4:80 -r 1.1.1.1 -w x", "-w: x is not a number from 0 to 65535"),
    ("-a -t 1.2.3.4:80 -r 1.1.1.1 -x 5 -y 6", "-y: the lower threshold 6 is above the upper one 5"),
    ("-a -t 1.2.3.4:80 -r [::1]:80 -m", "-r: ::1 and the service TCP 1.2.3.4:80 are of different families; only -b and -i can do that"),
    ("-a -t [::1]:80 -r 1.1.1.1 -m", "-r: 1.1.1.1 and the service TCP [::1]:80 are of different families; only -b and -i can do that"),
    ("-a -t 1.2.3.4:80 -r 1.1.1.1 -m --tun-type gre", "tunnel options (--tun-*) need -i"),
    ("-a -t 1.2.3.4:80 -r 1.1.1.1 -i --tun-type gue", "--tun-type gue needs --tun-port"),
    ("-a -t 1.2.3.4:80 -r 1.1.1.1 -i --tun-type gre --tun-csum --tun-nocsum", "--tun-nocsum and --tun-csum exclude each other"),
    ("-P -t 1.2.3.4:80 -z 1.1.1", "-z: 1.1.1 is not an address"),
    ("-P -t 1.2.3.4:80 -z 0.0.0.0", "-z: 0.0.0.0 cannot be the address of a connection"),
    ("-P -t 1.2.3.4:80 -z 1.1.1.1 -F averylonginterfacename", "-F: \"averylonginterfacename\" cannot be the name of an interface"),
    ("--set 900 120", "--set <TCP> <TCPFIN> <UDP> does not have the number of values it needs"),
    ("--set 900 120 x", "--set: x is not a number from 0 to 2678400"),
    ("--start-daemon leader", "--start-daemon: leader is neither master nor backup"),
    ("--start-daemon master --mcast-group 1.2.3.4", "--mcast-group: 1.2.3.4 is not a multicast address"),
    ("-L --output xml", "--output: xml is neither table nor json"),
    ("-L -o", "-o goes with -L only as \"-o json\""),
    ("-L -o xml", "-o: xml belongs to no option"),
    ("-A -u 1.2.3.4:53 -o json", "-A prints no JSON"),
    ("-L --sockpair tcp:1.2.3.4:80", "--sockpair: tcp:1.2.3.4:80 is not PROTO:ADDR:PORT:ADDR:PORT with PROTO tcp, udp or sctp and both addresses of one family"),
    ("-L --sockpair tcp:1.2.3.4:80:[::1]:80", "--sockpair: tcp:1.2.3.4:80:[::1]:80 is not PROTO:ADDR:PORT:ADDR:PORT with PROTO tcp, udp or sctp and both addresses of one family"),
    ("-a -t 1.2.3.4:80 -r 240.1.2.3 -b", "-r: 240.1.2.3 is of 240.0.0.0/4, which is for aliases of IPv6 servers: give the server's own address"),
    ("-A -t 1.2.3.4:80 --toa on", "--toa: on is none of off, ack, syn"),
    ("-A -t 1.2.3.4:80 --toa-kind 252", "--toa-kind: 252 is none of 254, 200, 253"),
    ("-A -u 1.2.3.4:53 --uoa toa", "--uoa: toa is none of off, opp, ipo"),
    ("-A -u 1.2.3.4:53 --toa syn", "--toa: this is for TCP, not for UDP 1.2.3.4:53"),
    ("-E -t 1.2.3.4:80 --uoa opp", "--uoa: this is for UDP, not for TCP 1.2.3.4:80"),
    ("-A --sctp-service 1.2.3.4:80 --toa-kind 200", "--toa-kind: this is for TCP, not for SCTP 1.2.3.4:80"),
    ("-A -t 1.2.3.4:80 --conn-timeout -1", "--conn-timeout: -1 is not a number from 0 to 2147483"),
    ("-A -t 1.2.3.4:80 --conn-timeout 2147484", "--conn-timeout: 2147484 is not a number from 0 to 2147483"),
    ("-A -u [2001::201]:53 --uoa ipo", "--uoa: ipo has no room for the IPv6 clients of UDP [2001::201]:53: use opp"),
    ("-D -t 1.2.3.4:80 --toa syn", "--toa does not go with -D"),
    ("--bogus", "there is no option --bogus; see rsipvsadm --help"),
    ("-A -t", "--tcp-service <HOST[:PORT]> needs a value"),
    ("-L junk", "junk belongs to no option"),
    ("-A -t 1.2.3.4:1 -t 1.2.3.4:2", "--tcp-service <HOST[:PORT]> is given twice"),
];

#[test]
fn nonsense_is_named() {
    for (line, said) in NONSENSE {
        let failure = match plan(&format!("x {line}")) {
            Err(failure) => failure,
            Ok(plan) => panic!("{line}: {plan:?}"),
        };
        assert_eq!(failure, Failure::usage(*said), "{line}");
        assert_eq!(said.lines().count(), 1);
    }
}

#[test]
fn numbers_need_no_names() {
    match cli::parse(["x", "-A", "-t", "vip.example:80"].map(Into::into)) {
        Ok(Parsed::Args(args)) => {
            let failure = Plan::new(&args, &Numeric).unwrap_err();
            assert_eq!(failure, Failure::usage("-t: there is no host vip.example"));
        }
        other => panic!("{other:?}"),
    }
}
