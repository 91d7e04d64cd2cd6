// SPDX-License-Identifier: GPL-2.0

//! Which client is behind which socket.
//!
//! An entry says: the socket that lies *here*, has *this* cookie and *this* peer on the wire, belongs
//! to *that* client. All three must match. The place finds the entry; the cookie tells the socket from
//! one that got the same memory after an end that no probe saw; the peer tells the connection from
//! another one of the same socket (`connect()` again after `AF_UNSPEC`).
//!
//! Entries live as long as their sockets, so the table is bounded by the number of sockets. Filled in
//! softirq, read by accept() and getpeername() under RCU.

use kernel::prelude::*;
use kernel_net::percpu::Counters;
use kernel_net::rcu::{Guard, Node, RcuBox};
use kernel_net::slab::Cache;
use kernel_net::sock::{Endpoint, Sock};
use kernel_net::table::{self, Key, Link, Table};

/// Both ends of what the director has joined.
#[derive(Clone, Copy)]
pub(crate) struct Peers {
    /// Who sends the packets: a local address of the director.
    pub(crate) wire: Endpoint,
    /// Who sent them to the director.
    pub(crate) client: Endpoint,
}

/// What the table says about a socket.
pub(crate) enum Found {
    /// Nothing.
    Nobody,
    /// Its client.
    Client(Peers),
    /// The client of a socket that was there before, whose end was missed.
    Stale,
}

/// A socket and its client.
pub(crate) struct Entry {
    link: Link<Entry>,
    /// Where the socket lies in memory.
    address: usize,
    /// The number that only this socket has, of all that ever lie there.
    pub(crate) cookie: u64,
    /// Where its namespace lies.
    pub(crate) net: usize,
    /// This end of the connection.
    pub(crate) local: Endpoint,
    /// The other end.
    pub(crate) peers: Peers,
}

/// Where entries lie: `/proc/slabinfo` has them by name.
pub(crate) static CACHE: Cache<Node<Entry>> = Cache::new();

impl table::Entry for Entry {
    fn link(&self, _key: Key) -> &Link<Self> {
        &self.link
    }
}

/// Spreads addresses, which are multiples of a cache line, over 32 bits (Fibonacci hashing).
fn hash(address: usize) -> u32 {
    // CAST: The upper half is what the multiplication has mixed best.
    ((address as u64 >> 6).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

const ADDED: usize = 0;
const REMOVED: usize = 1;

/// The sockets that have a client.
pub(crate) struct Clients {
    table: Table<Entry>,
    changes: Counters<2>,
}

impl Clients {
    /// An empty table of 2^`bits` buckets.
    pub(crate) fn new(bits: u32) -> Result<Self> {
        Ok(Self {
            table: Table::new(bits)?,
            changes: Counters::new()?,
        })
    }

    /// Remembers the client of a socket that no program has seen yet; the socket's cookie. Fails when
    /// memory is out.
    ///
    /// What may be left of a socket whose end was missed is to be forgotten before.
    pub(crate) fn attach(&self, child: &Sock, peers: Peers) -> Result<u64> {
        let entry = Entry {
            link: Link::new(),
            address: child.address(),
            cookie: child.make_cookie(),
            net: child.net_address(),
            local: child.local(),
            peers,
        };
        let entry = RcuBox::new_in(&CACHE, entry)?;
        let cookie = entry.cookie;
        self.table
            .insert(hash(entry.address), entry, |_| false)
            .map_err(|_| ENOMEM)?;
        self.changes.add(ADDED);
        Ok(cookie)
    }

    /// Finds the client of a socket.
    #[inline]
    pub(crate) fn find(&self, sock: &Sock, guard: &Guard) -> Found {
        let Some(entry) = self.entry(sock, guard) else {
            return Found::Nobody;
        };
        if entry.cookie == sock.cookie() {
            Found::Client(entry.peers)
        } else {
            Found::Stale
        }
    }

    /// Forgets the client of a socket, if it has one, and says who it was.
    #[inline]
    pub(crate) fn forget(&self, sock: &Sock, guard: &Guard) -> Option<Endpoint> {
        let entry = self.entry(sock, guard)?;
        // Another CPU may have been faster.
        self.table.remove(hash(entry.address), entry)?;
        self.changes.add(REMOVED);
        Some(entry.peers.client)
    }

    /// The number of entries.
    pub(crate) fn count(&self) -> u64 {
        // Removals first: what is added meanwhile must not make the number negative.
        let removed = self.changes.sum(REMOVED);
        self.changes.sum(ADDED).saturating_sub(removed)
    }

    /// The number of parts that [`visit`](Self::visit) knows.
    pub(crate) fn parts(&self) -> usize {
        self.table.size()
    }

    /// Shows the entries of one part of the table.
    pub(crate) fn visit(&self, part: usize, guard: &Guard, visitor: impl FnMut(&Entry)) {
        self.table.visit(part, guard, visitor);
    }

    fn entry<'a>(&'a self, sock: &Sock, guard: &'a Guard) -> Option<&'a Entry> {
        let address = sock.address();
        let found = self
            .table
            .find(hash(address), guard, |entry, _| entry.address == address);
        found.map(|(entry, _)| entry)
    }
}
