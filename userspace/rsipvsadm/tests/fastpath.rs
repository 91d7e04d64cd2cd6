// SPDX-License-Identifier: GPL-2.0
//! Fast paths of interfaces: command lines, the table, JSON, and rules that make the same again.

use ipvs_netlink::{Detour, FastPaths, Interface, Mode, Wish};
use rsipvsadm::cli::{self, Parsed};
use rsipvsadm::failure::Failure;
use rsipvsadm::output::{fastpath, json};
use rsipvsadm::plan::fastpath::{Display, Target};
use rsipvsadm::plan::Plan;
use serde_json::{json, Value};
use xdp_loader::Holder;

fn plan(line: &str) -> Result<Plan, Failure> {
    match cli::parse(line.split_whitespace().map(Into::into))? {
        Parsed::Fastpath(args) => Plan::fastpath(&args),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn listings_are_of_all_or_of_one() {
    let display = Display::default();
    assert_eq!(plan("x fastpath"), Ok(Plan::ListFastPaths(display.clone())));
    for line in ["--json", "-o json", "--output json"] {
        let json = Display {
            json: true,
            ..display.clone()
        };
        let line = format!("x fastpath {line}");
        assert_eq!(plan(&line), Ok(Plan::ListFastPaths(json)), "{line}");
    }
    let one = Display {
        interface: Some("eth0.5".to_owned()),
        detours: true,
        json: false,
    };
    for line in ["eth0.5 --detours", "--detours eth0.5 -o table"] {
        let line = format!("x fastpath {line}");
        assert_eq!(plan(&line), Ok(Plan::ListFastPaths(one.clone())), "{line}");
    }
}

#[test]
fn wishes_are_for_one_or_for_all() {
    let one = Target::One("eth0".to_owned());
    for (line, target, wish) in [
        ("all off", Target::All, Wish::Off),
        ("all auto", Target::All, Wish::Automatic),
        ("eth0 ingress", one.clone(), Wish::Ingress),
        ("eth0 xdp", one.clone(), Wish::Xdp),
        ("eth0 auto", one, Wish::Automatic),
        ("set off", Target::One("set".to_owned()), Wish::Off),
    ] {
        let wanted = Plan::SetFastPath(target, wish);
        assert_eq!(
            plan(&format!("x fastpath set {line}")),
            Ok(wanted),
            "{line}"
        );
    }
}

#[test]
fn nonsense_is_named() {
    for (line, said) in [
        ("eth0 eth1", "eth1 belongs to no option"),
        (
            "eth/0",
            "INTERFACE: \"eth/0\" cannot be the name of an interface",
        ),
        ("-o xml", "--output: xml is neither table nor json"),
        (
            "--bogus",
            "there is no option --bogus; see rsipvsadm --help",
        ),
        (
            "set eth0",
            "<off|ingress|xdp|auto> is missing; see rsipvsadm fastpath --help",
        ),
        ("set eth0 on", "MODE: on is none of off, ingress, xdp, auto"),
        ("set eth0 off more", "more belongs to no option"),
        ("eth0 set all off", "eth0 does not go with set"),
        ("--json set all off", "--json does not go with set"),
        ("-o json set all off", "--output does not go with set"),
        ("--detours set all off", "--detours does not go with set"),
        (
            "set a-much-too-long-name off",
            "INTERFACE: \"a-much-too-long-name\" cannot be the name of an interface",
        ),
    ] {
        let failure = plan(&format!("x fastpath {line}")).unwrap_err();
        assert_eq!(failure, Failure::usage(said), "{line}");
    }
}

fn detours(pairs: &[(&str, u64)]) -> Vec<Detour> {
    let detour = |(name, packets): &(&str, u64)| Detour {
        name: (*name).to_owned(),
        packets: *packets,
    };
    pairs.iter().map(detour).collect()
}

fn holder() -> Holder {
    Holder {
        program: 5,
        interface: Some("wan".to_owned()),
        is_attached: true,
        pin: Some("/sys/fs/bpf/rsipvs/wan-5".into()),
    }
}

fn found() -> FastPaths {
    let lo = Interface {
        index: 1,
        name: "lo".to_owned(),
        mode: Mode::Off,
        wish: Wish::Automatic,
        native_xdp: false,
        hits: 0,
        xdp_hits: 0,
        misses: 0,
        xdp_misses: 0,
        detours: Vec::new(),
        xdp_detours: Vec::new(),
        reason: Some("loopback".to_owned()),
    };
    let wan = Interface {
        index: 2,
        name: "wan".to_owned(),
        mode: Mode::Ingress,
        wish: Wish::Automatic,
        native_xdp: true,
        hits: 123_456,
        xdp_hits: 123_000,
        misses: 45,
        xdp_misses: 67,
        detours: detours(&[("ttl", 1), ("flags", 200), ("class", 1), ("refresh", 110)]),
        xdp_detours: detours(&[("family", 456)]),
        reason: None,
    };
    let lan = Interface {
        index: 30,
        name: "enp3s0f0np0".to_owned(),
        wish: Wish::Ingress,
        hits: 5,
        xdp_hits: 0,
        misses: 0,
        xdp_misses: 0,
        detours: detours(&[("flags", 0)]),
        xdp_detours: Vec::new(),
        ..wan.clone()
    };
    FastPaths {
        wish: Wish::Automatic,
        flows: Some(7),
        interfaces: vec![lo, wan, lan],
    }
}

#[test]
fn table_names_the_most_frequent_detours() {
    assert_eq!(
        fastpath::table(&found(), Some(true), &[], false),
        "\
Fast paths (all=auto, flows=7)
Interface   Mode    Asked   NativeXDP Hits         InXDP        Misses       LongWay
lo          off     auto    no        0            0            0            loopback
wan         ingress auto    yes       123456       123000       45           312 (flags 200, refresh 110, class 1, ...)
enp3s0f0np0 ingress ingress yes       5            0            0            0
"
    );
}

#[test]
fn table_names_all_detours_if_asked_to_and_the_switch_if_it_is_off() {
    let mut found = found();
    found.interfaces.remove(0);
    found.interfaces.pop();
    (found.wish, found.flows) = (Wish::Off, None);
    assert_eq!(
        fastpath::table(&found, Some(false), &[holder()], true),
        "\
Fast paths (all=off)
All are switched off by net.ipv4.vs.fullnat_fastpath=0
Interface Mode    Asked   NativeXDP Hits         InXDP        Misses       LongWay
wan       ingress auto    yes       123456       123000       45           312
  flags                200
  refresh              110
  class                1
  ttl                  1
  not in xdp: family   456
  not in xdp: no-flow  67
ip_vs_flow.ko cannot be unloaded: XDP program 5 on wan, held by /sys/fs/bpf/rsipvs/wan-5
"
    );
    // A switch that cannot be read is nothing to speak of.
    let unknown = fastpath::table(&found, None, &[], true);
    assert!(!unknown.contains("switched"), "{unknown}");
}

#[test]
fn json_says_all_of_it() {
    let value: Value =
        serde_json::from_str(&json::fast_paths(&found(), Some(true), &[holder()])).unwrap();
    assert_eq!(value["enabled"], true);
    assert_eq!(
        (&value["asked"], &value["flows"]),
        (&json!("auto"), &json!(7))
    );
    let wan = json!({
        "interface": "wan", "index": 2, "mode": "ingress", "asked": "auto", "native_xdp": true,
        "hits": 123_456, "xdp_hits": 123_000, "misses": 45, "xdp_misses": 67,
        "detours": {"ttl": 1, "flags": 200, "class": 1, "refresh": 110}, "reason": null,
        "xdp_detours": {"family": 456},
    });
    assert_eq!(value["interfaces"][1], wan);
    assert_eq!(value["interfaces"][0]["reason"], "loopback");
    let program = json!({
        "id": 5, "interface": "wan", "attached": true, "pin": "/sys/fs/bpf/rsipvs/wan-5",
    });
    assert_eq!(value["programs"], json!([program]));
    let unknown: Value = serde_json::from_str(&json::fast_paths(&found(), None, &[])).unwrap();
    assert_eq!(unknown["enabled"], Value::Null);
}

/// What a kernel does with rules: what is said of all makes it forget what was said of one.
fn obey(found: &mut FastPaths, rules: &str) {
    for rule in rules.lines() {
        match plan(&format!("x {rule}")) {
            Ok(Plan::SetFastPath(Target::All, wish)) => {
                found.wish = wish;
                found.interfaces.iter_mut().for_each(|one| one.wish = wish);
            }
            Ok(Plan::SetFastPath(Target::One(name), wish)) => {
                let mut interfaces = found.interfaces.iter_mut();
                interfaces.find(|one| one.name == name).unwrap().wish = wish;
            }
            other => panic!("{rule}: {other:?}"),
        }
    }
}

#[test]
fn rules_make_the_same_wishes_again() {
    const WISHES: [Wish; 4] = [Wish::Automatic, Wish::Off, Wish::Ingress, Wish::Xdp];
    let wishes = |found: &FastPaths| {
        let each: Vec<_> = found.interfaces.iter().map(|one| one.wish).collect();
        (found.wish, each)
    };
    let mut fresh = found();
    fresh
        .interfaces
        .iter_mut()
        .for_each(|one| one.wish = Wish::Automatic);
    assert_eq!(fastpath::rules(&fresh), "");
    let mut seen = 0;
    for all in WISHES {
        for first in WISHES {
            for second in WISHES {
                let mut saved = fresh.clone();
                saved.wish = all;
                saved.interfaces[0].wish = all;
                saved.interfaces[1].wish = first;
                saved.interfaces[2].wish = second;
                let mut restored = fresh.clone();
                obey(&mut restored, &fastpath::rules(&saved));
                assert_eq!(wishes(&restored), wishes(&saved));
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 64);
}
