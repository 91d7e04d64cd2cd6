// SPDX-License-Identifier: GPL-2.0

//! The connections of a namespace that are bound to a local address.
//!
//! A bound flow hangs on its IPVS connection, where IPVS finds it for packets of the client, and lies in
//! a table by the tuples that packets of both directions arrive with. IPVS ends it: the last word is
//! [`Flows::end`], from where it is freed after a grace period.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use flow_method::Flow;
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel_ipvs::{ConnHandle, Direction};
use kernel_net::next_hop::HopCache;
use kernel_net::rcu::{self, Node, RcuBox};
use kernel_net::slab::{Cache, Created};
use kernel_net::table::{Entry, Hashes, Key, Link, Table};
use kernel_net::{random, time};
use nat::{HashKey, Port, Shape, Tuple};

use crate::address_filter::AddressFilter;
use crate::local_address::LocalAddress;
use crate::server_ports::ServerPorts;

/// Memory of all flows.
static CACHE: Cache<Node<BoundFlow>> = Cache::new();

/// With IPVS's own 320 bytes, the port's record and a bucket, a connection costs 504.
const _: () = assert!(size_of::<Node<BoundFlow>>() <= 160);

/// Makes the memory of flows ready, until the result is dropped: when none is left.
pub(crate) fn create_cache() -> Result<Created<Node<BoundFlow>>> {
    CACHE.create(c"ip_vs_flow")
}

/// A flow, and what it has borrowed.
pub(crate) struct BoundFlow {
    /// In the chain of its answers, and in that of its requests.
    links: [Link<BoundFlow>; 2],
    /// The translation.
    pub(crate) flow: Flow,
    /// The connection the flow hangs on.
    pub(crate) conn: ConnHandle,
    /// When IPVS last heard of a packet of each direction, in ticks.
    heard: [AtomicU32; 2],
    /// The way to the client.
    to_client: HopCache,
    /// Seconds the connection may be silent once it is established; zero leaves it to IPVS.
    pub(crate) timeout: u32,
    /// The flow's own of `ports`.
    local_port: Port,
    local_address: Arc<LocalAddress>,
    pub(crate) ports: Arc<ServerPorts>,
}

/// Buckets of a namespace's table, as a power of two: one for every two pages of memory, from half a
/// megabyte to 64 megabytes. A flow is in two chains.
fn table_bits() -> u32 {
    let pages = kernel_net::memory_pages();
    pages
        .checked_ilog2()
        .unwrap_or(0)
        .saturating_sub(1)
        .clamp(16, 23)
}

/// What a bound flow is made of.
pub(crate) struct Draft {
    pub(crate) flow: Flow,
    pub(crate) conn: ConnHandle,
    pub(crate) timeout: u32,
    pub(crate) local_port: Port,
    pub(crate) local_address: Arc<LocalAddress>,
    pub(crate) ports: Arc<ServerPorts>,
}

impl Entry for BoundFlow {
    const HAS_SECOND: bool = true;

    fn link(&self, key: Key) -> &Link<Self> {
        let [reply, request] = &self.links;
        match key {
            Key::First => reply,
            Key::Second => request,
        }
    }
}

impl BoundFlow {
    /// lip:lport to rip:rport, as the real server receives.
    #[inline]
    pub(crate) fn server(&self) -> Tuple {
        Tuple {
            source_port: self.local_port,
            ..self.ports.server
        }
    }

    /// Whether answers arrive with that tuple.
    #[inline(always)]
    fn is_answered_by(&self, arriving: &Tuple) -> bool {
        self.local_port == arriving.destination_port && arriving.answers(&self.server())
    }

    /// The way to the receiver of packets of that direction.
    #[inline]
    pub(crate) fn hop(&self, direction: Direction) -> &HopCache {
        match direction {
            Direction::Request => &self.ports.hop,
            Direction::Reply => &self.to_client,
        }
    }

    #[inline]
    fn heard(&self, direction: Direction) -> &AtomicU32 {
        let [request, reply] = &self.heard;
        match direction {
            Direction::Request => request,
            Direction::Reply => reply,
        }
    }

    /// IPVS hears of a packet just now.
    #[inline]
    pub(crate) fn refreshed(&self, direction: Direction) {
        let now = time::ticks();
        let heard = self.heard(direction);
        if heard.load(Relaxed) != now {
            heard.store(now, Relaxed);
        }
    }

    /// Whether IPVS has not heard of a packet of that direction for so long that it must: its timers
    /// count seconds.
    #[inline]
    pub(crate) fn is_stale(&self, direction: Direction) -> bool {
        let heard = self.heard(direction).load(Relaxed);
        time::ticks().wrapping_sub(heard) >= time::TICKS_PER_SECOND / 2
    }
}

/// The bound flows of one namespace.
pub(crate) struct Flows {
    table: Table<BoundFlow>,
    /// Where their packets are sent to.
    addresses: AddressFilter,
    key: HashKey,
    bound: AtomicUsize,
}

impl Flows {
    pub(crate) fn new() -> Self {
        Self {
            table: Table::empty(),
            addresses: AddressFilter::new(),
            key: HashKey::new(random::u64(), random::u64()),
            bound: AtomicUsize::new(0),
        }
    }

    /// Makes room for connections: a namespace without local addresses needs none. Process context.
    pub(crate) fn prepare(&self) -> Result {
        self.table.reserve(table_bits())
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.bound.load(Relaxed)
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the packet that begins with these bytes may belong to one.
    #[inline(always)]
    pub(crate) fn may_have(&self, packet: &[u8]) -> bool {
        self.addresses.may_be_for(packet)
    }

    /// The same where its shape is known.
    #[inline(always)]
    pub(crate) fn may_have_shape(&self, shape: Shape, packet: &[u8]) -> bool {
        self.addresses.may_be_of(shape.family(), packet)
    }

    /// A number that spreads connections evenly, the same for packets of one connection.
    pub(crate) fn spread(&self, client: &Tuple) -> u32 {
        client.hash(&self.key)
    }

    /// The flow of packets that arrive with this tuple, and which way they go.
    #[inline(always)]
    pub(crate) fn find<'a>(
        &'a self,
        arriving: &Tuple,
        guard: &'a rcu::Guard,
    ) -> Option<(&'a BoundFlow, Direction)> {
        let hash = arriving.hash(&self.key);
        // BOUND: The length of the chain.
        for (bound, key) in self.table.entries(hash, guard) {
            match key {
                Key::First if bound.is_answered_by(arriving) => {
                    return Some((bound, Direction::Reply));
                }
                Key::Second if arriving.is(&bound.flow.client) => {
                    return Some((bound, Direction::Request));
                }
                _ => {}
            }
        }
        None
    }

    /// The flow of answers that arrive with this tuple.
    pub(crate) fn find_answered<'a>(
        &'a self,
        arriving: &Tuple,
        guard: &'a rcu::Guard,
    ) -> Option<&'a BoundFlow> {
        match self.find(arriving, guard)? {
            (bound, Direction::Reply) => Some(bound),
            _ => None,
        }
    }

    fn hashes(&self, entry: &BoundFlow) -> Hashes {
        Hashes {
            first: entry.server().reversed().hash(&self.key),
            second: entry.flow.client.hash(&self.key),
        }
    }

    /// Makes a flow findable. Fails, giving nothing back, if another one has the same tuple at the
    /// server. A client's tuple may be there twice for a moment, while an old connection ends: the new
    /// one is found.
    pub(crate) fn add(&self, draft: Draft) -> Result<&BoundFlow> {
        let (client, server) = (draft.flow.client, draft.ports.server);
        self.addresses.add(&server.source, server.family);
        self.addresses.add(&client.destination, client.family);
        let now = time::ticks();
        let entry = BoundFlow {
            links: [const { Link::new() }; 2],
            flow: draft.flow,
            conn: draft.conn,
            // Of the packet that makes it; of an answer, none yet.
            heard: [now, now.wrapping_sub(time::TICKS_PER_SECOND)].map(AtomicU32::new),
            to_client: HopCache::new(),
            timeout: draft.timeout,
            local_port: draft.local_port,
            local_address: draft.local_address,
            ports: draft.ports,
        };
        let entry = RcuBox::new_in(&CACHE, entry)?;
        let entry = self
            .table
            .insert(self.hashes(&entry), entry, |other| {
                other.local_port == draft.local_port && other.ports.server == server
            })
            .map_err(|_taken| EEXIST)?;
        self.bound.fetch_add(1, Relaxed);
        entry.local_address.bound();
        Ok(entry)
    }

    /// Takes the flow out of the table and gives its port back. Called once per flow, when its
    /// connection ends.
    pub(crate) fn end(&self, entry: &BoundFlow) -> Option<RcuBox<BoundFlow>> {
        let removed = self.table.remove(self.hashes(entry), entry);
        entry
            .ports
            .release(entry.local_port, entry.flow.story.last_use());
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
