// SPDX-License-Identifier: GPL-2.0
//! What has to be known about a packet and the director.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use ipvs_netlink::proc::Entry;
use ipvs_netlink::route::Way;
use ipvs_netlink::{Connection, Protocol, ServiceId};

use crate::output::ServiceView;

/// The packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Protocol.
    pub protocol: Protocol,
    /// Source.
    pub from: SocketAddr,
    /// Destination.
    pub to: SocketAddr,
    /// Firewall mark; 0 is none.
    pub mark: u32,
}

/// A FullNAT connection that the packet belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FullnatConnection {
    /// The packet is the client's.
    Request(Connection),
    /// The packet is the server's.
    Answer(Connection),
}

/// Settings that matter; None where the kernel has no such setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sysctls {
    /// Connections of deleted servers end.
    pub expire_nodest_conn: Option<i64>,
    /// TCP that belongs to no connection and starts none is dropped.
    pub defence_tcp_drop: Option<i64>,
    /// UDP to an address that serves only TCP is dropped.
    pub defence_udp_drop: Option<i64>,
    /// The client's address is passed on over TCP.
    pub toa: Option<i64>,
    /// How many datagrams carry it.
    pub uoa_max_trail: Option<i64>,
}

/// What the kernel said.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Whether ip_vs_flow is there.
    pub engine: bool,
    /// Whether ip_vs_fullnat is there.
    pub fullnat: bool,
    /// The FullNAT connection of the packet.
    pub connection: Option<FullnatConnection>,
    /// Its connection of another method.
    pub other: Option<Entry>,
    /// The service that takes it, as people know its servers.
    pub service: Option<ServiceView>,
    /// Marks of services of its family.
    pub marks: Vec<u32>,
    /// The service that its destination is a local address of.
    pub local_address_of: Option<ServiceId>,
    /// Protocols of the FullNAT services at its destination.
    pub guarded: Vec<Protocol>,
    /// Connections from a local address to a server, counted only where ports may be short.
    pub used: BTreeMap<(IpAddr, SocketAddr), u32>,
    /// Where packets to these addresses go.
    pub ways: BTreeMap<IpAddr, Way>,
    /// Settings.
    pub sysctls: Sysctls,
    /// Names of the counters there are.
    pub counters: BTreeSet<String>,
}

/// Which counter goes up for which reason. The kernel's list is what counts: a name that it does not
/// have is not shown.
#[derive(Clone, Copy, Debug)]
pub struct CounterNames {
    /// The method's module is not loaded.
    pub no_method: &'static str,
    /// One-packet scheduling.
    pub one_packet: &'static str,
    /// No local address of the server's family.
    pub no_laddr: &'static str,
    /// No port left.
    pub no_port: &'static str,
    /// No route, or a source that is not ours.
    pub no_route: &'static str,
    /// An alias of nobody.
    pub no_alias: &'static str,
    /// A packet to a service that belongs to no connection and starts none.
    pub no_conn: &'static str,
    /// TCP to another port of a virtual address that does not begin a connection.
    pub defence_tcp: &'static str,
    /// UDP to an address of TCP.
    pub defence_udp: &'static str,
}

/// See [`CounterNames`].
pub const COUNTERS: CounterNames = CounterNames {
    no_method: "fullnat_no_method",
    one_packet: "fullnat_one_packet",
    no_laddr: "fullnat_no_laddr",
    no_port: "fullnat_no_port",
    no_route: "fullnat_no_route",
    no_alias: "fullnat_no_alias",
    no_conn: "fullnat_no_conn",
    defence_tcp: "defence_tcp_drop",
    defence_udp: "defence_udp_drop",
};

/// A counter's name, if the kernel has it.
#[must_use]
pub fn counter(facts: &Facts, name: &'static str) -> Option<&'static str> {
    facts.counters.contains(name).then_some(name)
}

/// The service that takes a packet, in the order in which IPVS looks: by mark, by port, of all ports.
#[must_use]
pub fn service_of(question: &Question, services: &[ServiceId]) -> Option<ServiceId> {
    let addressed = |port| ServiceId::Address {
        protocol: question.protocol,
        addr: question.to.ip(),
        port,
    };
    let marked = ServiceId::Fwmark {
        ipv6: question.to.is_ipv6(),
        mark: question.mark,
    };
    let wanted = [marked, addressed(question.to.port()), addressed(0)];
    let from = usize::from(question.mark == 0);
    wanted[from..]
        .iter()
        .find(|id| services.contains(id))
        .copied()
}
