// SPDX-License-Identifier: GPL-2.0

//! The connections of a namespace that are bound to a local address.
//!
//! A bound flow hangs on its IPVS connection (packets of the client find it there) and lies in a
//! table by the tuple that the real server sees; its answers have that tuple reversed. IPVS ends it: the last word is [`Flows::end`], from
//! where it is freed after a grace period.

use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use flow_method::Flow;
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel_ipvs::ConnHandle;
use kernel_net::rcu::{self, Node, RcuBox};
use kernel_net::slab::{Cache, Created};
use kernel_net::table::{Entry, Link, Table};
use kernel_net::{random, time};
use nat::{HashKey, Tuple};

use crate::local_address::LocalAddress;
use crate::server_ports::ServerPorts;

/// Memory of all flows.
static CACHE: Cache<Node<BoundFlow>> = Cache::new();

/// With IPVS's own 320 bytes, the port's record and a bucket, a connection costs 504.
const _: () = assert!(size_of::<Node<BoundFlow>>() <= 168);

/// Makes the memory of flows ready, until the result is dropped: when none is left.
pub(crate) fn create_cache() -> Result<Created<Node<BoundFlow>>> {
    CACHE.create(c"ip_vs_flow")
}

/// A flow, and what it has borrowed.
pub(crate) struct BoundFlow {
    link: Link<BoundFlow>,
    /// The translation.
    pub(crate) flow: Flow,
    /// The connection the flow hangs on.
    pub(crate) conn: ConnHandle,
    /// Seconds the connection may be silent once it is established; zero leaves it to IPVS.
    pub(crate) timeout: u32,
    local_address: Arc<LocalAddress>,
    pub(crate) ports: Arc<ServerPorts>,
}

/// Buckets of a namespace's table, as a power of two: one for every four pages of memory, from half a
/// megabyte to 32 megabytes.
fn table_bits() -> u32 {
    let pages = kernel_net::memory_pages();
    pages
        .checked_ilog2()
        .unwrap_or(0)
        .saturating_sub(2)
        .clamp(16, 22)
}

/// What a bound flow is made of.
pub(crate) struct Draft {
    pub(crate) flow: Flow,
    pub(crate) conn: ConnHandle,
    pub(crate) timeout: u32,
    pub(crate) local_address: Arc<LocalAddress>,
    pub(crate) ports: Arc<ServerPorts>,
}

impl Entry for BoundFlow {
    fn link(&self) -> &Link<Self> {
        &self.link
    }
}

/// The bound flows of one namespace.
pub(crate) struct Flows {
    table: Table<BoundFlow>,
    key: HashKey,
    bound: AtomicUsize,
}

impl Flows {
    pub(crate) fn new() -> Self {
        Self {
            table: Table::empty(),
            key: HashKey::new(random::u64(), random::u64()),
            bound: AtomicUsize::new(0),
        }
    }

    /// Makes room for connections: a namespace without local addresses needs none. Process context.
    pub(crate) fn prepare(&self) -> Result {
        self.table.reserve(table_bits())
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.bound.load(Relaxed) == 0
    }

    /// A number that spreads connections evenly, the same for packets of one connection.
    pub(crate) fn spread(&self, client: &Tuple) -> u32 {
        client.hash(&self.key)
    }

    /// The flow whose packets reach the real server with the tuple `server`.
    pub(crate) fn find<'a>(
        &'a self,
        server: &Tuple,
        guard: &'a rcu::Guard,
    ) -> Option<&'a BoundFlow> {
        self.table.find(server.hash(&self.key), guard, |entry| {
            entry.flow.server == *server
        })
    }

    /// Makes a flow findable. Fails, giving nothing back, if another one has the same tuple.
    pub(crate) fn add(&self, draft: Draft) -> Result<&BoundFlow> {
        let server = draft.flow.server;
        let entry = BoundFlow {
            link: Link::new(),
            flow: draft.flow,
            conn: draft.conn,
            timeout: draft.timeout,
            local_address: draft.local_address,
            ports: draft.ports,
        };
        let entry = RcuBox::new_in(&CACHE, entry)?;
        let entry = self
            .table
            .insert(server.hash(&self.key), entry, |other| {
                other.flow.server == server
            })
            .map_err(|_taken| EEXIST)?;
        self.bound.fetch_add(1, Relaxed);
        entry.local_address.bound();
        Ok(entry)
    }

    /// Takes the flow out of the table and gives its port back. Called once per flow, when its
    /// connection ends.
    pub(crate) fn end(&self, entry: &BoundFlow) -> Option<RcuBox<BoundFlow>> {
        let hash = entry.flow.server.hash(&self.key);
        let removed = self.table.remove(hash, entry);
        let port = entry.flow.server.source_port;
        entry.ports.release(port, entry.flow.story.last_use());
        entry.local_address.released();
        self.bound.fetch_sub(1, Relaxed);
        removed
    }

    /// Ends the connections that `which` picks, and returns when the last one is gone. Process
    /// context; none of them is bound any more.
    pub(crate) fn end_where(&self, which: impl Fn(&BoundFlow) -> bool) {
        let mut rounds = 0u32;
        // BOUND: Each round sets every timer to the next tick. A connection survives a round only
        // if a packet holds it at that very moment, and such a packet is the last it carries.
        while self.expire(&which) {
            time::sleep_milliseconds(5);
            rounds = rounds.saturating_add(1);
        }
        if rounds > 0 {
            // The last ones are out of the table; wait for those who have just taken them out.
            rcu::synchronize();
        }
    }

    /// Lets the connections that `which` picks expire with the next tick; whether there were any.
    fn expire(&self, which: impl Fn(&BoundFlow) -> bool) -> bool {
        let mut found = false;
        if self.is_empty() {
            return found;
        }
        for bucket in 0..self.table.size() {
            let guard = rcu::read_lock();
            self.table.visit(bucket, &guard, |entry| {
                if which(entry) {
                    entry.conn.peek(&guard).expire_now();
                    found = true;
                }
            });
        }
        found
    }

    /// Shows every flow from the position on, until `visitor` has enough: the position it stopped at.
    pub(crate) fn visit_from(
        &self,
        (mut bucket, mut skip): (usize, usize),
        mut visitor: impl FnMut(&BoundFlow, &rcu::Guard) -> bool,
    ) -> (usize, usize) {
        // BOUND: The number of buckets.
        while bucket < self.table.size() {
            let guard = rcu::read_lock();
            let (mut index, mut full) = (0usize, false);
            self.table.visit(bucket, &guard, |entry| {
                if !full && index >= skip {
                    full = !visitor(entry, &guard);
                }
                if !full {
                    index = index.wrapping_add(1);
                }
            });
            if full {
                return (bucket, index);
            }
            (bucket, skip) = (bucket.wrapping_add(1), 0);
        }
        (bucket, 0)
    }
}
