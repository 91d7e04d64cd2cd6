// SPDX-License-Identifier: GPL-2.0
//! Which of the connections in IPVS's own table the engine has listed already.
//!
//! IPVS's table does not say which forwarding method a connection has, and to remember a million of
//! them would take what the listing should not take. So it goes by servers: a connection to a server
//! behind FullNAT is the engine's, if the engine has listed as many for that server as IPVS counts.
//! Only where that does not add up (the server's method was changed, or it was deleted, while
//! connections live on) connections are remembered one by one, by a keyed hash of eight bytes.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::net::IpAddr;

use ipvs_netlink::proc::Entry;
use ipvs_netlink::{Connection, ConnectionKey, Dest, Method, Protocol, ServiceId};

use crate::families::Aliases;

/// A server as a connection shows it: its service, None under a firewall mark, and its address and
/// port, which is 0 where that of the connection is the client's choice.
type Name = (Option<(Protocol, IpAddr, u16)>, IpAddr, u16);

#[derive(Clone, Copy, Debug, Default)]
struct Server {
    fullnat: bool,
    /// How many connections IPVS counts.
    counted: u64,
    /// How many of them the engine has listed.
    listed: u64,
}

/// What is known while the lists are read.
#[derive(Default)]
pub struct Census {
    servers: Vec<Server>,
    /// By the address IPVS has and by the one the engine has, which differ between families.
    stored: HashMap<Name, usize>,
    shown: HashMap<Name, usize>,
    remembered: HashSet<u64>,
    hasher: RandomState,
}

impl Census {
    /// Begins with the servers there are, as IPVS has them; they must have been read before the
    /// engine lists its connections, so that it cannot list fewer by accident.
    #[must_use]
    pub fn new<'a>(
        services: impl IntoIterator<Item = (&'a ServiceId, &'a [Dest])>,
        aliases: &Aliases,
    ) -> Self {
        let mut census = Self::default();
        for (service, dests) in services {
            for dest in dests {
                census.add(service, dest, aliases);
            }
        }
        census
    }

    fn add(&mut self, service: &ServiceId, dest: &Dest, aliases: &Aliases) {
        let config = &dest.config;
        let place = match *service {
            ServiceId::Address {
                protocol,
                addr,
                port,
            } => Some((protocol, addr, port)),
            ServiceId::Fwmark { .. } => None,
        };
        // Without a port of its own a service leaves that of the connection as it is.
        let port = place.map_or(0, |(_, _, port)| if port == 0 { 0 } else { config.id.port });
        let shown = aliases.shown(config.method, config.id.addr);
        let new = self.servers.len();
        let index = *self
            .stored
            .entry((place, config.id.addr, port))
            .or_insert(new);
        self.shown.insert((place, shown, port), index);
        if index == new {
            self.servers.push(Server::default());
        }
        if let Some(server) = self.servers.get_mut(index) {
            server.fullnat |= config.method == Method::FullNat;
            server.counted += u64::from(dest.active) + u64::from(dest.inactive);
        }
    }

    /// Takes note of a connection that the engine lists.
    pub fn list(&mut self, connection: &Connection) {
        let name = (connection.raddr, connection.rport);
        let found = find(&self.shown, &connection.key, name);
        match found.and_then(|index| self.servers.get_mut(index)) {
            Some(server) if server.fullnat => server.listed += 1,
            _ => self.remember(&connection.key),
        }
    }

    /// Whether the engine must be asked a second time, for [`Census::list_again`].
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.servers.iter().any(Server::is_in_doubt)
    }

    /// Remembers a connection of a server whose numbers do not add up.
    pub fn list_again(&mut self, connection: &Connection) {
        let name = (connection.raddr, connection.rport);
        let found = find(&self.shown, &connection.key, name);
        let server = found.and_then(|index| self.servers.get(index));
        if server.is_some_and(Server::is_in_doubt) {
            self.remember(&connection.key);
        }
    }

    /// Whether the engine has listed a connection of IPVS's table.
    #[must_use]
    pub fn has(&self, entry: &Entry) -> bool {
        // Templates of persistence are no connections and have no client port.
        if entry.key.cport == 0 {
            return false;
        }
        let found = find(&self.stored, &entry.key, (entry.raddr, entry.rport));
        match found.and_then(|index| self.servers.get(index)) {
            Some(server) if server.fullnat && !server.is_in_doubt() => true,
            _ => self.remembered.contains(&self.hasher.hash_one(entry.key)),
        }
    }

    /// The method of a connection in IPVS's table, as far as it matters for how its server is named.
    #[must_use]
    pub fn method(&self, entry: &Entry) -> Method {
        let found = find(&self.stored, &entry.key, (entry.raddr, entry.rport));
        match found.and_then(|index| self.servers.get(index)) {
            Some(server) if server.fullnat => Method::FullNat,
            _ => Method::Unknown,
        }
    }

    fn remember(&mut self, key: &ConnectionKey) {
        self.remembered.insert(self.hasher.hash_one(key));
    }
}

impl Server {
    fn is_in_doubt(&self) -> bool {
        self.fullnat && self.counted > self.listed
    }
}

/// The server of a connection, looked for as IPVS looks for a service, marks last.
fn find(
    servers: &HashMap<Name, usize>,
    key: &ConnectionKey,
    (addr, port): (IpAddr, u16),
) -> Option<usize> {
    let exact = (Some((key.protocol, key.vaddr, key.vport)), addr, port);
    let any_port = (Some((key.protocol, key.vaddr, 0)), addr, 0);
    let marked = (None, addr, 0);
    let names = [exact, any_port, marked];
    names.iter().find_map(|name| servers.get(name).copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipvs_netlink::{DestConfig, DestId, Stats, Tunnel};

    fn addr(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn web(port: u16) -> ServiceId {
        ServiceId::Address {
            protocol: Protocol::TCP,
            addr: addr("10.0.96.204"),
            port,
        }
    }

    fn dest(rip: &str, port: u16, method: Method, active: u32) -> Dest {
        Dest {
            config: DestConfig {
                id: DestId {
                    addr: addr(rip),
                    port,
                },
                method,
                weight: 1,
                upper: 0,
                lower: 0,
                tunnel: Tunnel::default(),
            },
            active,
            inactive: 0,
            persistent: 0,
            stats: Stats::default(),
        }
    }

    fn entry(cport: u16, vport: u16, rip: &str, rport: u16) -> Entry {
        Entry {
            key: ConnectionKey {
                protocol: Protocol::TCP,
                caddr: addr("172.16.0.1"),
                cport,
                vaddr: addr("10.0.96.204"),
                vport,
            },
            raddr: addr(rip),
            rport,
            state: "ESTABLISHED".to_owned(),
            expires: 900,
            engine: None,
        }
    }

    /// The same connection as the engine has it.
    fn listed(entry: &Entry, rip: &str) -> Connection {
        Connection {
            key: entry.key,
            laddr: addr("192.168.229.204"),
            lport: 1025,
            raddr: addr(rip),
            rport: entry.rport,
            state: 1,
            expires: 900,
            flags: 5,
        }
    }

    fn census(service: &ServiceId, dests: &[Dest]) -> Census {
        Census::new([(service, dests)], &Aliases::default())
    }

    #[test]
    fn nothing_is_remembered_where_the_numbers_add_up() {
        let dests = [
            dest("192.168.229.1", 80, Method::FullNat, 2),
            dest("192.168.229.2", 80, Method::Masq, 1),
        ];
        let mut census = census(&web(80), &dests);
        let ours: Vec<Entry> = (1..=2).map(|n| entry(n, 80, "192.168.229.1", 80)).collect();
        for entry in &ours {
            census.list(&listed(entry, "192.168.229.1"));
        }
        assert!(!census.is_in_doubt());
        assert!(census.remembered.is_empty());
        assert!(ours.iter().all(|entry| census.has(entry)));
        assert!(!census.has(&entry(9, 80, "192.168.229.2", 80)));
        // A template.
        assert!(!census.has(&entry(0, 80, "192.168.229.1", 80)));
    }

    #[test]
    fn connections_from_before_a_change_of_method_are_told_apart() {
        let dests = [dest("192.168.229.1", 80, Method::FullNat, 2)];
        let mut census = census(&web(80), &dests);
        let (ours, old) = (
            entry(1, 80, "192.168.229.1", 80),
            entry(2, 80, "192.168.229.1", 80),
        );
        census.list(&listed(&ours, "192.168.229.1"));
        assert!(census.is_in_doubt());
        census.list_again(&listed(&ours, "192.168.229.1"));
        assert!(census.has(&ours));
        assert!(!census.has(&old));
    }

    #[test]
    fn connections_of_servers_that_are_gone_are_remembered() {
        let mut census = census(&web(80), &[dest("192.168.229.1", 80, Method::Masq, 1)]);
        let gone = entry(1, 80, "192.168.229.9", 80);
        let changed = entry(2, 80, "192.168.229.1", 80);
        census.list(&listed(&gone, "192.168.229.9"));
        census.list(&listed(&changed, "192.168.229.1"));
        assert!(!census.is_in_doubt());
        assert!(census.has(&gone));
        assert!(census.has(&changed));
        assert!(!census.has(&entry(3, 80, "192.168.229.9", 80)));
    }

    #[test]
    fn services_of_all_ports_and_marks_and_both_families() {
        let nat64 = "64:ff9b::192.168.229.1";
        for (service, vport) in [
            (web(0), 8080),
            (
                ServiceId::Fwmark {
                    ipv6: true,
                    mark: 7,
                },
                443,
            ),
        ] {
            let dests = [dest(nat64, 0, Method::FullNat, 1)];
            let mut census = census(&service, &dests);
            let ours = entry(1, vport, nat64, vport);
            census.list(&listed(&ours, "192.168.229.1"));
            assert!(census.remembered.is_empty());
            assert!(!census.is_in_doubt());
            assert!(census.has(&ours));
        }
    }
}
