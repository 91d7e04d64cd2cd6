// SPDX-License-Identifier: GPL-2.0
//! What the client commands count and print.

use crate::reply::Reply;
use serde::Serialize;
use std::collections::BTreeMap;
use std::collections::HashSet;
use std::io::Write;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Instant;

/// Only so many exchanges are listed one by one.
const LISTED: usize = 64;

/// One exchange as both ends saw it.
#[derive(Serialize)]
struct Exchange {
    own: SocketAddr,
    accepted: SocketAddr,
    peer: SocketAddr,
    server: SocketAddr,
}

/// The sum of many exchanges.
#[derive(Serialize)]
pub(crate) struct Report {
    ok: u64,
    failed: u64,
    errors: BTreeMap<String, u64>,
    /// Exchanges answered by each server address.
    servers: BTreeMap<IpAddr, u64>,
    /// Exchanges in which the server saw this address as its peer.
    peers: BTreeMap<IpAddr, u64>,
    /// How many different address and port pairs the servers saw.
    distinct: usize,
    port_min: u16,
    port_max: u16,
    /// Exchanges in which getpeername, and accept, named the client's own address and port.
    own_peer: u64,
    own_accepted: u64,
    seconds: f64,
    list: Vec<Exchange>,
    #[serde(skip)]
    seen: HashSet<SocketAddr>,
    #[serde(skip)]
    begin: Instant,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            ok: 0,
            failed: 0,
            errors: BTreeMap::new(),
            servers: BTreeMap::new(),
            peers: BTreeMap::new(),
            distinct: 0,
            port_min: 0,
            port_max: 0,
            own_peer: 0,
            own_accepted: 0,
            seconds: 0.0,
            list: Vec::new(),
            seen: HashSet::new(),
            begin: Instant::now(),
        }
    }

    /// Counts an answer that came back as it was asked for.
    pub(crate) fn answered(&mut self, own: SocketAddr, reply: &Reply<'_>) {
        self.ok += 1;
        *self.servers.entry(reply.local.ip()).or_default() += 1;
        *self.peers.entry(reply.peer.ip()).or_default() += 1;
        self.own_peer += u64::from(reply.peer == own);
        self.own_accepted += u64::from(reply.accepted == own);
        self.seen.insert(reply.peer);
        if self.list.len() < LISTED {
            let Reply {
                accepted,
                peer,
                local,
                ..
            } = *reply;
            self.list.push(Exchange {
                own,
                accepted,
                peer,
                server: local,
            });
        }
    }

    /// Counts an exchange that failed, by its cause.
    pub(crate) fn failed(&mut self, cause: impl Into<String>) {
        self.failed += 1;
        *self.errors.entry(cause.into()).or_default() += 1;
    }

    /// Prints the report on one line; true if nothing failed.
    pub(crate) fn print(mut self) -> std::io::Result<bool> {
        self.distinct = self.seen.len();
        self.port_min = self.seen.iter().map(SocketAddr::port).min().unwrap_or(0);
        self.port_max = self.seen.iter().map(SocketAddr::port).max().unwrap_or(0);
        self.seconds = self.begin.elapsed().as_secs_f64();
        print_json(&self)?;
        Ok(self.failed == 0)
    }
}

/// Prints one JSON object on a line of its own, at once.
pub(crate) fn print_json(value: &impl Serialize) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    out.write_all(b"\n")?;
    out.flush()
}
