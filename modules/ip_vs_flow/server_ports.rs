// SPDX-License-Identifier: GPL-2.0

//! The ports of one local address towards one real server.
//!
//! A local port is unique per (lip, lport, rip, rport, protocol) (RFC 7857, section 3): every server
//! has the whole range of every local address to itself, whichever services lead there. A pool is
//! made when the first connection asks for it, in softirq, and kept while a connection uses it or
//! the server may still remember one.

use kernel::alloc::KVec;
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel_net::lock::SpinLockBh;
use kernel_net::next_hop::HopCache;
use kernel_net::rcu::{self, RcuBox};
use kernel_net::table::{Entry, Key, Link, Table};
use kernel_net::{random, time, GFP_PACKET};
use nat::{Allocation, HashKey, LastUse, Port, PortError, PortPool, Record, Records, Tuple, CHUNK};

use crate::local_address::LocalAddress;

/// Buckets of the table of pools, as a power of two.
const TABLE_BITS: u32 = 10;
/// Chunks for all 65,536 ports.
const CHUNKS: usize = 64;

/// Memory of the ports, in pieces that come when they are needed.
struct Chunks([Option<KVec<Record>>; CHUNKS]);

impl Records for Chunks {
    fn chunk(&mut self, index: usize) -> Option<&mut [Record; CHUNK]> {
        let chunk = self.0.get_mut(index)?;
        if chunk.is_none() {
            *chunk = KVec::from_elem(Record::default(), CHUNK, GFP_PACKET).ok();
        }
        chunk.as_mut()?.as_mut_slice().try_into().ok()
    }
}

struct Pool {
    ports: PortPool,
    records: Chunks,
}

/// The ports of one (lip, rip, rport, protocol).
#[pin_data]
pub(crate) struct ServerPorts {
    /// lip to rip:rport; each flow has a local port of its own.
    pub(crate) server: Tuple,
    #[pin]
    pool: SpinLockBh<Pool>,
    /// The way to the server.
    pub(crate) hop: HopCache,
}

impl ServerPorts {
    /// The port that has not been used for longest.
    pub(crate) fn allocate(&self, range: (u16, u16)) -> Result<Allocation, PortError> {
        let mut pool = self.pool.lock();
        let Pool { ports, records } = &mut *pool;
        ports.set_range(range.0, range.1);
        ports.allocate(records, time::seconds())
    }

    /// Gives a port back. `last` is what a TIME_WAIT socket of the server remembers.
    pub(crate) fn release(&self, port: Port, last: Option<LastUse>) {
        let mut pool = self.pool.lock();
        let Pool { ports, records } = &mut *pool;
        // A port that was not allocated cannot get here: a flow gives its port back once.
        let _ = ports.release(records, port, last, time::seconds());
    }

    fn in_use(&self) -> u32 {
        self.pool.lock().ports.in_use()
    }

    fn is_idle(&self) -> bool {
        let mut pool = self.pool.lock();
        let Pool { ports, records } = &mut *pool;
        ports.is_at_rest(records, time::seconds())
    }
}

/// A pool in the table.
struct Place {
    link: Link<Place>,
    hash: u32,
    ports: Arc<ServerPorts>,
}

impl Entry for Place {
    fn link(&self, _key: Key) -> &Link<Self> {
        &self.link
    }
}

/// All pools of a namespace.
pub(crate) struct AllPorts {
    table: Table<Place>,
    key: HashKey,
}

impl AllPorts {
    pub(crate) fn new() -> Self {
        Self {
            table: Table::empty(),
            key: HashKey::new(random::u64(), random::u64()),
        }
    }

    /// Makes room for pools. Process context.
    pub(crate) fn prepare(&self) -> Result {
        self.table.reserve(TABLE_BITS)
    }

    /// The pool of `server`, a tuple lip to rip:rport with no local port, made if there is none.
    pub(crate) fn towards(
        &self,
        server: &Tuple,
        range: (u16, u16),
        guard: &rcu::Guard,
    ) -> Result<Arc<ServerPorts>> {
        let hash = server.hash(&self.key);
        // BOUND: Two rounds: if another CPU was quicker to add the pool, it is found then.
        for _ in 0..2 {
            let found = self
                .table
                .find(hash, guard, |place, _| place.ports.server == *server);
            if let Some((place, _)) = found {
                return Ok(place.ports.clone());
            }
            self.reap_bucket(self.table.bucket_of(hash));
            let pool = Pool {
                // CAST: A random number of 16 bits.
                ports: PortPool::new(range.0, range.1, random::u64() as u16),
                records: Chunks([const { None }; CHUNKS]),
            };
            let ports = Arc::pin_init(
                pin_init!(ServerPorts { server: *server, pool <- SpinLockBh::new(pool), hop: HopCache::new() }),
                GFP_PACKET,
            )?;
            let place = Place {
                link: Link::new(),
                hash,
                ports: ports.clone(),
            };
            let place = RcuBox::new(place, GFP_PACKET)?;
            if self
                .table
                .insert(hash, place, |other| other.ports.server == *server)
                .is_ok()
            {
                return Ok(ports);
            }
        }
        Err(EAGAIN)
    }

    /// The ports of a range that a local address has left towards the server where it has the fewest.
    /// Process context.
    pub(crate) fn left(&self, local: &LocalAddress, (min, max): (u16, u16)) -> u32 {
        let size = u32::from(max.saturating_sub(min)).saturating_add(1);
        let mut left = size;
        for bucket in 0..self.table.size() {
            let guard = rcu::read_lock();
            self.table.visit(bucket, &guard, |place| {
                let server = &place.ports.server;
                if local.is((server.source, server.family)) {
                    left = left.min(size.saturating_sub(place.ports.in_use()));
                }
            });
        }
        left
    }

    /// Frees the pools that nobody uses and no server remembers. Process context.
    pub(crate) fn reap(&self) {
        for bucket in 0..self.table.size() {
            self.reap_bucket(bucket);
        }
    }

    fn reap_bucket(&self, bucket: usize) {
        let guard = rcu::read_lock();
        // A connection that has just found the pool keeps it, and its uniqueness with it, by
        // the flow table, which refuses a tuple that is there already.
        self.table.visit(bucket, &guard, |place| {
            if place.ports.is_idle() {
                drop(self.table.remove(place.hash, place));
            }
        });
    }
}
