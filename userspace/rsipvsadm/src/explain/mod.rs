// SPDX-License-Identifier: GPL-2.0
//! What would happen to a packet, and why.
//!
//! [`explain`] is pure: it is given what the kernel said and follows the way of the packet through
//! IPVS and the engine, in their order. The packet is taken for the first of a connection unless there
//! is one that it belongs to. Nothing is sent, and what it says holds for the moment it was asked.
//!
//! Kernel counterparts: `ip_vs_in_hook()`, `ip_vs_service_find()`, `modules/ip_vs_flow/binding.rs` and
//! `reply.rs`.

mod facts;
mod server;

use std::net::SocketAddr;

use ipvs_netlink::route::Way;
use ipvs_netlink::{Protocol, ServiceFlags};

pub use facts::{
    counter, service_of, CounterNames, Facts, FullnatConnection, Question, Sysctls, COUNTERS,
};

use crate::output::connections::state_name;
use crate::output::table::sched_flags;
use crate::output::ServiceView;
use server::Fate;

/// What becomes of the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on, to one of these servers or to the client.
    Forwarded {
        /// Where it may go.
        to: Vec<SocketAddr>,
    },
    /// It ends here.
    Dropped {
        /// Why.
        reason: String,
        /// The counter that goes up, if one does.
        counter: Option<&'static str>,
    },
    /// Neither IPVS nor the engine has to do with it.
    Untouched {
        /// What becomes of it instead.
        reason: String,
    },
}

/// The way of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What happens on the way, a sentence each.
    pub steps: Vec<String>,
    /// How it ends.
    pub verdict: Verdict,
}

/// Follows a packet.
#[must_use]
pub fn explain(question: &Question, facts: &Facts) -> Explanation {
    let mut way = Steps(Vec::new());
    let verdict = follow(question, facts, &mut way);
    Explanation {
        steps: way.0,
        verdict,
    }
}

/// Sentences that are being collected.
struct Steps(Vec<String>);

impl Steps {
    fn say(&mut self, sentence: impl Into<String>) {
        self.0.push(sentence.into());
    }
}

fn dropped(reason: impl Into<String>, counter: Option<&'static str>) -> Verdict {
    Verdict::Dropped {
        reason: reason.into(),
        counter,
    }
}

fn untouched(reason: impl Into<String>) -> Verdict {
    Verdict::Untouched {
        reason: reason.into(),
    }
}

fn follow(question: &Question, facts: &Facts, way: &mut Steps) -> Verdict {
    let (protocol, from, to) = (question.protocol, question.from, question.to);
    if !facts.engine {
        way.say("The module ip_vs_flow is not loaded: there is no FullNAT.");
    } else if !facts.fullnat {
        way.say("The module ip_vs_fullnat is not loaded: FullNAT takes no new connections.");
    }
    // Answers are taken before routing, so whose address they go to does not matter.
    if let Some(FullnatConnection::Answer(found)) = &facts.connection {
        let client = SocketAddr::new(found.key.caddr, found.key.cport);
        let vip = SocketAddr::new(found.key.vaddr, found.key.vport);
        way.say(format!(
            "It is an answer of server {from} in the connection of client {client} to {vip} (state {}, ends in {} s unless it is used).",
            state_name(protocol, found.state),
            found.expires
        ));
        return leave(facts, way, vip, client, "to the client");
    }
    match facts.ways.get(&to.ip()) {
        Some(Way::Local) => way.say(format!(
            "{} is an address of this director, so IPVS sees the packet.",
            to.ip()
        )),
        _ => {
            way.say(format!(
                "{} is no address of this director, so the packet does not get to IPVS; a virtual address must be one (ip addr add {}/{} dev lo).",
                to.ip(),
                to.ip(),
                if to.is_ipv4() { 32 } else { 128 }
            ));
            return untouched("routed on, or not, as if there were no IPVS");
        }
    }
    if let Some(verdict) = of_connection(question, facts, way) {
        return verdict;
    }
    let Some(view) = &facts.service else {
        return no_service(question, facts, way);
    };
    new_connection(question, facts, view, way)
}

/// A packet of a connection that exists.
fn of_connection(question: &Question, facts: &Facts, way: &mut Steps) -> Option<Verdict> {
    let state = |state: &str, expires| {
        format!("It belongs to a connection in state {state}, which ends in {expires} s unless it is used")
    };
    let (text, server, local) = match (&facts.connection, &facts.other) {
        (Some(FullnatConnection::Request(found)), _) => {
            let name = state_name(question.protocol, found.state);
            (
                state(name, found.expires),
                SocketAddr::new(found.raddr, found.rport),
                Some(SocketAddr::new(found.laddr, found.lport)),
            )
        }
        (_, Some(entry)) => (
            state(&entry.state, entry.expires),
            SocketAddr::new(entry.raddr, entry.rport),
            None,
        ),
        _ => {
            way.say("No connection has this client and this virtual address.");
            return None;
        }
    };
    way.say(match local {
        Some(local) => format!("{text}: server {server}, which sees {local} as its client."),
        None => format!("{text}: server {server}, not behind FullNAT."),
    });
    let configured = facts.service.as_ref().is_some_and(|view| {
        let mut dests = view.dests.iter();
        dests.any(|dest| {
            let id = dest.config.id;
            id.addr == server.ip() && (id.port == server.port() || id.port == 0)
                // Services of all ports leave the port to the client.
                || id.addr == server.ip() && question.to.port() == server.port()
        })
    });
    if !configured {
        if facts.sysctls.expire_nodest_conn == Some(1) {
            way.say(format!(
                "Server {server} was deleted, and expire_nodest_conn is 1: IPVS ends the connection and takes the packet for a new one."
            ));
            return None;
        }
        way.say(format!(
            "Server {server} was deleted, and expire_nodest_conn is 0: IPVS drops packets of its connections until they expire."
        ));
        return Some(dropped("its server was deleted", None));
    }
    Some(match local {
        Some(local) => leave(facts, way, local, server, "to the server"),
        None => Verdict::Forwarded { to: vec![server] },
    })
}

/// The way out of a packet of a FullNAT connection.
fn leave(
    facts: &Facts,
    way: &mut Steps,
    source: SocketAddr,
    destination: SocketAddr,
    whom: &str,
) -> Verdict {
    match server::way_out(facts, source.ip(), destination.ip()) {
        Ok(text) => {
            way.say(format!("It leaves as {source} -> {destination}, {text}."));
            Verdict::Forwarded {
                to: vec![destination],
            }
        }
        Err(reason) => {
            way.say(format!("It cannot go {whom}: {reason}."));
            dropped(reason, counter(facts, COUNTERS.no_route))
        }
    }
}

/// No service takes it.
fn no_service(question: &Question, facts: &Facts, way: &mut Steps) -> Verdict {
    let (protocol, to) = (question.protocol, question.to);
    way.say(match question.mark {
        0 => format!("There is no service {protocol} {to}, nor one of all ports."),
        mark => format!(
            "There is no service of mark {mark}, nor {protocol} {to}, nor one of all ports."
        ),
    });
    if question.mark == 0 && !facts.marks.is_empty() {
        let marks: Vec<String> = facts.marks.iter().map(u32::to_string).collect();
        way.say(format!(
            "There are services of firewall marks ({}): ask with --mark if the packet gets one.",
            marks.join(", ")
        ));
    }
    if let Some(service) = &facts.local_address_of {
        way.say(format!(
            "{} is a local address of service {service}, but no connection has this answer: it came too late, or to the wrong port.",
            to.ip()
        ));
        return untouched("given to the director's own programs");
    }
    defence(question, facts, way)
}

/// Whether the engine keeps the packet from the director's own stack, which would answer in the name
/// of the services at that address.
fn defence(question: &Question, facts: &Facts, way: &mut Steps) -> Verdict {
    let own = || untouched("given to the director's own programs");
    if facts.guarded.is_empty() {
        return own();
    }
    let addr = question.to.ip();
    match question.protocol {
        Protocol::TCP if facts.sysctls.defence_tcp_drop == Some(1) => {
            way.say(format!(
                "{addr} has FullNAT services. A SYN passes; any other segment that no program of the director waits for is dropped (defence_tcp_drop is 1){}.",
                counted(facts, COUNTERS.defence_tcp)
            ));
            own()
        }
        Protocol::UDP if facts.guarded.contains(&Protocol::UDP) => own(),
        Protocol::UDP
            if facts.guarded.contains(&Protocol::TCP)
                && facts.sysctls.defence_udp_drop == Some(1) =>
        {
            way.say(format!(
                "{addr} has FullNAT services of TCP, none of UDP, and defence_udp_drop is 1."
            ));
            dropped(
                "UDP to an address that serves only TCP",
                counter(facts, COUNTERS.defence_udp),
            )
        }
        _ => own(),
    }
}

/// Half a sentence that names the counter, if the kernel has it.
fn counted(facts: &Facts, name: &'static str) -> String {
    counter(facts, name).map_or(String::new(), |name| format!(" and counted in {name}"))
}

/// The first packet of a connection.
fn new_connection(
    question: &Question,
    facts: &Facts,
    view: &ServiceView,
    way: &mut Steps,
) -> Verdict {
    let config = &view.service.config;
    let flags = sched_flags(&config.scheduler, config.flags);
    let flags = if flags.is_empty() {
        flags
    } else {
        format!(" ({flags})")
    };
    way.say(format!(
        "Service {} takes it: scheduler {}{flags}, {}.",
        config.id,
        config.scheduler,
        count(view.dests.len(), "server")
    ));
    if question.protocol == Protocol::TCP && facts.engine && !view.laddrs.is_empty() {
        way.say(format!(
            "It is taken for a SYN; any other segment is dropped{}.",
            counted(facts, COUNTERS.no_conn)
        ));
    }
    if config.flags.has(ServiceFlags::PERSISTENT) {
        way.say(format!(
            "Persistence: a client that was here less than {} s ago gets the server it had; others are scheduled.",
            config.timeout
        ));
    }
    let mut may = Vec::new();
    let mut refused = None;
    for dest in &view.dests {
        let id = dest.config.id;
        let server = SocketAddr::new(id.addr, id.port);
        match server::fate(question, facts, view, dest) {
            Fate::Reached(text) => {
                way.say(format!("Server {server}: {text}."));
                may.push(server);
            }
            Fate::NotChosen(text) => way.say(format!("Server {server}: {text}.")),
            Fate::Refused(text, counter) => {
                way.say(format!(
                    "Server {server}: if it is chosen the packet is dropped: {text}."
                ));
                refused = refused.or(Some((text, counter)));
            }
            Fate::Lost(text) => {
                way.say(format!("Server {server}: {text}."));
                refused = refused.or(Some((text, None)));
            }
        }
    }
    match (may.is_empty(), refused) {
        (false, _) => Verdict::Forwarded { to: may },
        (true, Some((text, counter))) => dropped(text, counter),
        (true, None) => {
            way.say("No server takes new connections: IPVS drops the packet and answers with ICMP port unreachable.");
            dropped("no server takes new connections", None)
        }
    }
}

fn count(number: usize, what: &str) -> String {
    match number {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}
