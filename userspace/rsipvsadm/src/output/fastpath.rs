// SPDX-License-Identifier: GPL-2.0
//! Interfaces and their fast paths in columns.

use ipvs_netlink::{Detour, FastPaths, Interface, Wish};
use xdp_loader::Holder;

use crate::plan::fastpath::ALL;

/// How many reasons to take the long way fit into a line.
const TOP: usize = 3;

/// The table: a row for each interface, with the most frequent detours or with all of them below.
/// `enabled` is the switch over all of them, if it could be read, `holders` are the XDP programs that keep the
/// module.
#[must_use]
pub fn table(
    found: &FastPaths,
    enabled: Option<bool>,
    holders: &[Holder],
    all_detours: bool,
) -> String {
    let mut out = format!("Fast paths ({ALL}={}", found.wish.word());
    if let Some(flows) = found.flows {
        out += &format!(", flows={flows}");
    }
    out += ")\n";
    if enabled == Some(false) {
        out += "All are switched off by net.ipv4.vs.fullnat_fastpath=0\n";
    }
    let names = found.interfaces.iter();
    let width = names.map(|one| one.name.len()).max().unwrap_or(0).max(9);
    out += &format!(
        "{:width$} {:<7} {:<7} {:<9} {:<12} {:<12} {:<12} {}\n",
        "Interface", "Mode", "Asked", "NativeXDP", "Hits", "InXDP", "Misses", "LongWay"
    );
    for interface in &found.interfaces {
        let sorted = sorted(&interface.detours);
        let last = match &interface.reason {
            Some(reason) => reason.clone(),
            None => long_way(&sorted, all_detours),
        };
        out += &format!(
            "{:width$} {:<7} {:<7} {:<9} {:<12} {:<12} {:<12} {last}\n",
            interface.name,
            interface.mode.word(),
            interface.wish.word(),
            if interface.native_xdp { "yes" } else { "no" },
            interface.hits,
            interface.xdp_hits,
            interface.misses,
        );
        if !all_detours {
            continue;
        }
        for detour in sorted {
            out += &format!("  {:<20} {}\n", detour.name, detour.packets);
        }
        for detour in self::sorted(&interface.xdp_detours) {
            out += &format!("  not in xdp: {:<8} {}\n", detour.name, detour.packets);
        }
        if interface.xdp_misses != 0 {
            out += &format!("  not in xdp: {:<8} {}\n", "no-flow", interface.xdp_misses);
        }
    }
    for holder in holders {
        out += &format!("ip_vs_flow.ko cannot be unloaded: {holder}\n");
    }
    out
}

/// The rules that ask for what is asked for now; none for what is so by itself.
#[must_use]
pub fn rules(found: &FastPaths) -> String {
    let rule = |name: &str, wish: Wish| format!("fastpath set {name} {}\n", wish.word());
    let mut out = String::new();
    if found.wish != Wish::default() {
        out += &rule(ALL, found.wish);
    }
    let differs = |one: &&Interface| one.wish != found.wish;
    for interface in found.interfaces.iter().filter(differs) {
        out += &rule(&interface.name, interface.wish);
    }
    out
}

/// The most frequent ones first.
fn sorted(detours: &[Detour]) -> Vec<&Detour> {
    let mut sorted: Vec<_> = detours.iter().filter(|one| one.packets != 0).collect();
    sorted.sort_by(|a, b| b.packets.cmp(&a.packets).then_with(|| a.name.cmp(&b.name)));
    sorted
}

/// How many packets took the long way, and why most of them did.
fn long_way(detours: &[&Detour], alone: bool) -> String {
    let packets: u64 = detours.iter().map(|one| one.packets).sum();
    if alone || detours.is_empty() {
        return packets.to_string();
    }
    let reason = |one: &&Detour| format!("{} {}", one.name, one.packets);
    let mut top: Vec<_> = detours.iter().take(TOP).map(reason).collect();
    if detours.len() > TOP {
        top.push("...".to_owned());
    }
    format!("{packets} ({})", top.join(", "))
}
