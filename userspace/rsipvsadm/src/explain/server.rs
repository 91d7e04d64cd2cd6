// SPDX-License-Identifier: GPL-2.0
//! What becomes of a new connection if the scheduler chooses this server.

use std::net::{IpAddr, SocketAddr};

use ipvs_netlink::route::Way;
use ipvs_netlink::{Dest, LocalAddress, Method, Options, Protocol, ServiceFlags, Toa, Uoa};

use super::facts::{counter, Facts, Question, COUNTERS};
use crate::families::is_alias;
use crate::output::table::method_word;
use crate::output::ServiceView;

/// What becomes of it.
pub(super) enum Fate {
    /// It arrives.
    Reached(String),
    /// The scheduler will not choose the server.
    NotChosen(String),
    /// The packet is dropped.
    Refused(String, Option<&'static str>),
    /// The packet ends in the director's own stack, because the engine is not there.
    Lost(String),
}

pub(super) fn fate(question: &Question, facts: &Facts, view: &ServiceView, dest: &Dest) -> Fate {
    let config = &dest.config;
    let method = method_word(config.method);
    if config.weight == 0 {
        return Fate::NotChosen(format!("{method}, weight 0: it gets no new connections"));
    }
    let all = u64::from(dest.active) + u64::from(dest.inactive);
    if config.upper != 0 && all >= u64::from(config.upper) {
        return Fate::NotChosen(format!(
            "{method}, {all} connections of at most {}: it gets no new ones",
            config.upper
        ));
    }
    let head = format!("{method}, weight {}", config.weight);
    if config.method != Method::FullNat {
        return Fate::Reached(head);
    }
    match fullnat(question, facts, view, dest) {
        Ok(text) => Fate::Reached(format!("{head}, {text}")),
        Err(refusal) => refusal,
    }
}

fn fullnat(
    question: &Question,
    facts: &Facts,
    view: &ServiceView,
    dest: &Dest,
) -> Result<String, Fate> {
    let refused = |text: String, name| Err(Fate::Refused(text, counter(facts, name)));
    let addr = dest.config.id.addr;
    if !facts.engine {
        return Err(Fate::Lost(
            "FullNat, but without ip_vs_flow the packet ends in the director's own stack: modprobe ip_vs_fullnat"
                .to_owned(),
        ));
    }
    if !facts.fullnat {
        let text = "the module ip_vs_fullnat is not loaded: modprobe ip_vs_fullnat";
        return refused(text.to_owned(), COUNTERS.no_method);
    }
    if view.service.config.flags.has(ServiceFlags::ONE_PACKET) {
        let text = "FullNAT cannot serve one-packet scheduling";
        return refused(text.to_owned(), COUNTERS.one_packet);
    }
    // Servers have been named already; what is left is an alias of nobody.
    if matches!(addr, IpAddr::V4(alias) if is_alias(alias)) {
        let text = "nobody knows which IPv6 server this alias stands for";
        return refused(text.to_owned(), COUNTERS.no_alias);
    }
    let family = if addr.is_ipv4() { "IPv4" } else { "IPv6" };
    let of_family = |laddr: &&LocalAddress| laddr.addr.is_ipv4() == addr.is_ipv4();
    let laddrs: Vec<&LocalAddress> = view.laddrs.iter().filter(of_family).collect();
    if laddrs.is_empty() {
        let text = format!("the service has no local address of {family} (rsipvsadm -P)");
        return refused(text, COUNTERS.no_laddr);
    }
    let mut sources = Vec::new();
    let mut problem = None;
    for laddr in &laddrs {
        match way_out(facts, laddr.addr, addr) {
            Ok(text) => sources.push((laddr, text)),
            Err(text) => problem = problem.or(Some(text)),
        }
    }
    let Some((_, text)) = sources.first() else {
        return refused(problem.unwrap_or_default(), COUNTERS.no_route);
    };
    let server = SocketAddr::new(addr, server_port(question, dest));
    let left = |laddr: &LocalAddress| ports_left(facts, laddr, server);
    if sources.iter().all(|(laddr, _)| left(laddr) == Some(0)) {
        let text = "no port of any local address is left towards it";
        return refused(text.to_owned(), COUNTERS.no_port);
    }
    let names: Vec<String> = sources
        .iter()
        .map(|(laddr, _)| match left(laddr) {
            Some(left) => format!("{} ({left} ports free)", laddr.addr),
            None => laddr.addr.to_string(),
        })
        .collect();
    let mut told = format!("from local address {}, {text}", names.join(" or "));
    if let Some(text) = &problem {
        told += &format!("; not from all of them, for {text}");
    }
    told += "; ";
    told += &introduction(question, facts, addr, view.options.unwrap_or_default());
    Ok(told)
}

/// The port at which a server gets the connection: its own, or the one the client chose.
fn server_port(question: &Question, dest: &Dest) -> u16 {
    match dest.config.id.port {
        0 => question.to.port(),
        port => port,
    }
}

/// How many ports of a local address are left towards a server.
fn ports_left(facts: &Facts, laddr: &LocalAddress, server: SocketAddr) -> Option<u32> {
    // The kernel's figure is that of the server with the fewest; that may be another one.
    if laddr.free != Some(0) {
        return laddr.free;
    }
    let (min, max) = laddr.ports?;
    let range = u32::from(max.saturating_sub(min)) + 1;
    let used = facts.used.get(&(laddr.addr, server)).copied();
    Some(range.saturating_sub(used.unwrap_or(0)))
}

/// How the server learns who the client is.
fn introduction(question: &Question, facts: &Facts, server: IpAddr, options: Options) -> String {
    let unknown = "it takes the local address for the client's";
    match question.protocol {
        Protocol::TCP if facts.sysctls.toa == Some(0) => {
            format!("{unknown} (fullnat_toa_entry is 0)")
        }
        Protocol::TCP => match options.toa {
            Toa::Off => format!("{unknown} (--toa off)"),
            Toa::Ack => format!(
                "the client's address goes along as TCP option {} from the handshake's last segment on",
                options.toa_kind
            ),
            Toa::Syn => format!(
                "the client's address goes along as TCP option {}, in the SYN too",
                options.toa_kind
            ),
        },
        Protocol::UDP => match options.uoa {
            Uoa::Off => format!("{unknown} (--uoa off)"),
            Uoa::Ipo if question.from.is_ipv6() || server.is_ipv6() => {
                format!("{unknown} (--uoa ipo is for IPv4 alone; opp is not)")
            }
            _ if facts.sysctls.uoa_max_trail == Some(0) => {
                format!("{unknown} (fullnat_uoa_max_trail is 0)")
            }
            uoa => format!(
                "the client's address goes along with the first datagrams by UOA ({})",
                uoa.word()
            ),
        },
        _ => unknown.to_owned(),
    }
}

/// How a packet with this source gets to this destination, or why not.
pub(super) fn way_out(
    facts: &Facts,
    source: IpAddr,
    destination: IpAddr,
) -> Result<String, String> {
    if facts.ways.get(&source) != Some(&Way::Local) {
        let prefix = if source.is_ipv4() { 32 } else { 128 };
        return Err(format!(
            "{source} is no address of this director (ip addr add {source}/{prefix} dev lo)"
        ));
    }
    match facts.ways.get(&destination) {
        Some(Way::Out(Some(gateway))) => Ok(format!("over {gateway}")),
        Some(Way::Out(None)) => Ok("directly".to_owned()),
        Some(Way::Local) => Ok("to this very director".to_owned()),
        Some(Way::Nowhere) | None => Err(format!("there is no route to {destination}")),
    }
}
