// SPDX-License-Identifier: GPL-2.0
//! Connections: those of all methods from IPVS's own table, joined with what the engine knows about
//! FullNAT.
//!
//! The columns are DPVS's. Its first one is the number of the core that owns the connection; in Linux
//! no CPU owns one, so it is always 0. The local column is where the real server sees the connection
//! come from: the local address under FullNAT, the client under all other methods. States go by
//! the kernel's names.

use std::collections::HashMap;
use std::net::IpAddr;

use ipvs_netlink::proc::Entry;
use ipvs_netlink::{Connection, ConnectionKey, Protocol};

use crate::names::Naming;

/// One connection, as much as is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionView {
    /// What IPVS knows.
    pub entry: Entry,
    /// Local address and port, under FullNAT.
    pub local: Option<(IpAddr, u16)>,
}

/// Joins the two sources; what the engine has and the table, read before it, has not is new.
#[must_use]
pub fn join(entries: Vec<Entry>, fullnat: &[Connection]) -> Vec<ConnectionView> {
    let mut unseen: HashMap<ConnectionKey, &Connection> = fullnat
        .iter()
        .map(|connection| (connection.key, connection))
        .collect();
    let mut views: Vec<ConnectionView> = entries
        .into_iter()
        .map(|entry| {
            let found = unseen.remove(&entry.key);
            ConnectionView {
                local: found.map(|connection| (connection.laddr, connection.lport)),
                entry,
            }
        })
        .collect();
    let new = fullnat
        .iter()
        .filter(|connection| unseen.remove(&connection.key).is_some());
    views.extend(new.map(|connection| ConnectionView {
        entry: Entry {
            key: connection.key,
            raddr: connection.raddr,
            rport: connection.rport,
            state: state_name(connection.key.protocol, connection.state).to_owned(),
            expires: connection.expires,
            engine: None,
        },
        local: Some((connection.laddr, connection.lport)),
    }));
    views
}

/// The kernel's name for a state, see the protocols in net/netfilter/ipvs.
fn state_name(protocol: Protocol, state: u16) -> &'static str {
    const TCP: [&str; 11] = [
        "NONE",
        "ESTABLISHED",
        "SYN_SENT",
        "SYN_RECV",
        "FIN_WAIT",
        "TIME_WAIT",
        "CLOSE",
        "CLOSE_WAIT",
        "LAST_ACK",
        "LISTEN",
        "SYNACK",
    ];
    let name = match protocol {
        Protocol::TCP => TCP.get(usize::from(state)).copied(),
        Protocol::UDP => Some("UDP"),
        _ => None,
    };
    name.unwrap_or("NONE")
}

/// The lines for -L -c.
#[must_use]
pub fn table(views: &[ConnectionView], with_engine: bool, names: &dyn Naming) -> String {
    let mut out = String::new();
    for view in views {
        let Entry {
            key,
            raddr,
            rport,
            state,
            expires,
            engine,
        } = &view.entry;
        let (laddr, lport) = view.local.unwrap_or((key.caddr, key.cport));
        let name = |addr, port| names.endpoint(addr, port, key.protocol);
        let expires = format!("{expires}s");
        out += &format!(
            "[0]{:<3} {expires:<6} {state:<11} {:<18} {:<18} {:<18} {}",
            protocol_word(key.protocol),
            name(key.caddr, key.cport),
            name(key.vaddr, key.vport),
            name(laddr, lport),
            name(*raddr, *rport),
        );
        if let (true, Some((engine, data))) = (with_engine, engine) {
            out += &format!(" {engine} {data}");
        }
        out += "\n";
    }
    out
}

/// The word for a protocol.
#[must_use]
pub fn protocol_word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::TCP => "tcp",
        Protocol::UDP => "udp",
        Protocol::SCTP => "sctp",
        Protocol(1) => "icmp",
        Protocol(58) => "icmpv6",
        _ => "--",
    }
}
