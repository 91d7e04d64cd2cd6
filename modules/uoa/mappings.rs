// SPDX-License-Identifier: GPL-2.0

//! Which client is behind which flow.
//!
//! A mapping says: datagrams that come from *here* to *there* are *that* client's. It is found by the
//! addresses on the wire, and, for answers, by the server's port and the client. The table is the
//! module's; how many mappings each namespace may have in it is bounded.
//!
//! Made and read in softirq, or in process context for local programs. Mappings of which nothing is
//! heard for a while are not found any more, and are freed by a timer.

use core::sync::atomic::{
    AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed,
};
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel_net::rcu::{self, Guard, RcuBox, Snapshot};
use kernel_net::table::{self, Hashes, Key, Link, Table};
use kernel_net::timer::{Chore, Timer};
use kernel_net::{random, time, GFP_PACKET};
use nat::{Address, Family, HashKey, Port, Protocol, Tuple};

use crate::filter::Filter;

/// The mappings, for those that the kernel calls without any data of ours.
pub(crate) static MAPPINGS: Snapshot<Arc<Timer<Mappings>>> = Snapshot::empty();

/// Who has sent a datagram to the director.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) family: Family,
    pub(crate) address: Address,
    pub(crate) port: Port,
}

/// What a namespace has in the table.
pub(crate) struct Account {
    mappings: AtomicU32,
    /// Counts arrivals where it matters which flow was the last to have one.
    order: AtomicU64,
    /// Mappings it may have.
    pub(crate) most: AtomicI32,
    /// Seconds that a mapping outlives the last datagram.
    pub(crate) timeout: AtomicI32,
}

impl Account {
    /// An empty one.
    pub(crate) fn new(most: i32, timeout: i32) -> Self {
        Self {
            mappings: AtomicU32::new(0),
            order: AtomicU64::new(1),
            most: AtomicI32::new(most),
            timeout: AtomicI32::new(timeout),
        }
    }

    /// Mappings it has.
    #[inline]
    pub(crate) fn mappings(&self) -> u32 {
        self.mappings.load(Relaxed)
    }

    fn next(&self) -> u64 {
        self.order.fetch_add(1, Relaxed)
    }

    /// Takes the place of one mapping; whether there was one.
    fn take(&self) -> bool {
        let most = u32::try_from(self.most.load(Relaxed)).unwrap_or(0);
        let taken = self.mappings.fetch_add(1, Relaxed) < most;
        if !taken {
            self.give_back();
        }
        taken
    }

    fn give_back(&self) {
        self.mappings.fetch_sub(1, Relaxed);
    }
}

/// One flow and its client.
pub(crate) struct Mapping {
    links: [Link<Mapping>; 2],
    account: Arc<Account>,
    /// As datagrams arrive: from a local address of the director to the real server.
    pub(crate) wire: Tuple,
    pub(crate) client: Client,
    /// When a datagram was last seen, in ticks.
    seen: AtomicU32,
    /// Of those with the same client and server port, the largest had the last datagram.
    order: AtomicU64,
    /// Whether there are others with the same client and server port.
    has_rival: AtomicBool,
    /// Whether it is in both its chains: before, it must not be taken out.
    is_linked: AtomicBool,
}

/// A million of them are 128 megabytes.
const _: () = assert!(size_of::<rcu::Node<Mapping>>() <= 144);

impl table::Entry for Mapping {
    const HAS_SECOND: bool = true;

    #[inline]
    fn link(&self, key: Key) -> &Link<Self> {
        let [first, second] = &self.links;
        match key {
            Key::First => first,
            Key::Second => second,
        }
    }
}

impl Mapping {
    /// What the program sees the flow as, without its own address.
    fn shown(&self) -> Tuple {
        shown(self.client, self.wire.destination_port)
    }

    #[inline]
    fn is_of(&self, account: &Account) -> bool {
        core::ptr::eq(&*self.account, account)
    }

    #[inline]
    fn is_over(&self) -> bool {
        let timeout = u32::try_from(self.account.timeout.load(Relaxed)).unwrap_or(0);
        self.age() > timeout.saturating_mul(time::TICKS_PER_SECOND)
    }

    #[inline]
    fn age(&self) -> u32 {
        time::ticks().wrapping_sub(self.seen.load(Relaxed))
    }

    /// Seconds since the last datagram.
    pub(crate) fn idle(&self) -> u32 {
        self.age() / time::TICKS_PER_SECOND
    }

    /// A datagram of the client, or of the server to it.
    #[inline]
    pub(crate) fn touch(&self) {
        let now = time::ticks();
        // The line is others' to read.
        if self.seen.load(Relaxed) != now {
            self.seen.store(now, Relaxed);
        }
    }

    /// A datagram of the client.
    #[inline]
    pub(crate) fn arrive(&self) {
        self.touch();
        if self.has_rival.load(Relaxed) {
            self.order.store(self.account.next(), Relaxed);
        }
    }
}

fn shown(client: Client, port: Port) -> Tuple {
    Tuple {
        family: client.family,
        protocol: Protocol::UDP,
        source_port: client.port,
        destination_port: port,
        source: client.address,
        destination: Address::UNSPECIFIED,
    }
}

/// What has come of a client's address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Learned {
    /// It is in the table now.
    New,
    /// It was there already.
    Known,
    /// The namespace has as many mappings as it may.
    Full,
    /// Memory is out, or another processor is at the same flow just now.
    NoMemory,
}

/// The table of all namespaces.
pub(crate) struct Mappings {
    table: Table<Mapping>,
    filter: Arc<Filter>,
    key: HashKey,
    /// The next bucket to be tidied up.
    next: AtomicUsize,
    all: AtomicU32,
}

impl Mappings {
    /// An empty table of 2^`bits` buckets.
    pub(crate) fn new(bits: u32) -> Result<Self> {
        Ok(Self {
            table: Table::new(bits)?,
            filter: Arc::new(Filter::new()?, GFP_KERNEL)?,
            key: HashKey::new(random::u64(), random::u64()),
            next: AtomicUsize::new(0),
            all: AtomicU32::new(0),
        })
    }

    /// The namespace's own hash of a tuple. Who asks may not know the destination.
    #[inline]
    fn hash(&self, account: &Account, tuple: &Tuple) -> u32 {
        let tuple = Tuple {
            destination: Address::UNSPECIFIED,
            ..*tuple
        };
        let place = core::ptr::from_ref(account).addr() as u64;
        // CAST: The upper half is what the multiplication has mixed best.
        tuple.hash(&self.key) ^ ((place >> 5).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
    }

    fn hashes(&self, mapping: &Mapping) -> Hashes {
        Hashes {
            first: self.hash(&mapping.account, &mapping.wire),
            second: self.hash(&mapping.account, &mapping.shown()),
        }
    }

    /// What says at once that a flow is not in it.
    pub(crate) fn filter(&self) -> &Arc<Filter> {
        &self.filter
    }

    /// The mapping of a flow. Without a destination address, any that has the rest.
    #[inline]
    pub(crate) fn find<'a>(
        &'a self,
        account: &Account,
        wire: &Tuple,
        guard: &'a Guard,
    ) -> Option<&'a Mapping> {
        let is_any = wire.destination == Address::UNSPECIFIED;
        let is_it = |mapping: &Mapping, key| {
            key == Key::First
                && mapping.wire.source == wire.source
                && mapping.wire.source_port == wire.source_port
                && mapping.wire.destination_port == wire.destination_port
                && mapping.wire.family == wire.family
                && (is_any || mapping.wire.destination == wire.destination)
                && mapping.is_of(account)
        };
        let (mapping, _) = self.table.find(self.hash(account, wire), guard, is_it)?;
        (!mapping.is_over()).then_some(mapping)
    }

    /// The flow that a datagram of the server's to a client answers: the one from this client to this
    /// port of this address, and if there are several, the one that was heard of last. A program
    /// that has not said which address it sends from, `is_free`, may answer one at another address.
    pub(crate) fn find_answered<'a>(
        &'a self,
        account: &Account,
        answer: &Tuple,
        is_free: bool,
        guard: &'a Guard,
    ) -> Option<&'a Mapping> {
        let client = Client {
            family: answer.family,
            address: answer.destination,
            port: answer.destination_port,
        };
        let mut best: Option<(bool, u64)> = None;
        let shown = shown(client, answer.source_port);
        let hash = self.hash(account, &shown);
        let rank = |mapping: &Mapping, key| {
            let is_here = mapping.wire.destination == answer.source;
            let is_it = key == Key::Second
                && mapping.client == client
                && mapping.wire.destination_port == answer.source_port
                && mapping.wire.family == answer.family
                && (is_here || is_free)
                && mapping.is_of(account)
                && !mapping.is_over();
            is_it.then(|| (is_here, mapping.order.load(Relaxed)))
        };
        self.table.each(hash, guard, |mapping, key| {
            best = best.max(rank(mapping, key))
        });
        let best = best?;
        let found = self
            .table
            .find(hash, guard, |mapping, key| rank(mapping, key) == Some(best));
        found.map(|(mapping, _)| mapping)
    }

    /// Remembers the client of a flow.
    pub(crate) fn learn(
        &self,
        account: &Arc<Account>,
        wire: &Tuple,
        client: Client,
        guard: &Guard,
    ) -> Learned {
        let is_it = |mapping: &Mapping| mapping.wire == *wire && mapping.is_of(account);
        let hash = self.hash(account, wire);
        let known = self.table.find(hash, guard, |mapping, key| {
            key == Key::First && is_it(mapping)
        });
        if let Some((known, _)) = known {
            if known.client == client {
                known.arrive();
                return Learned::Known;
            }
            // The director has given the port to another client.
            self.remove(known);
        }
        if !account.take() {
            return Learned::Full;
        }
        let mapping = Mapping {
            links: [Link::new(), Link::new()],
            account: account.clone(),
            wire: *wire,
            client,
            seen: AtomicU32::new(time::ticks()),
            order: AtomicU64::new(account.next()),
            has_rival: AtomicBool::new(false),
            is_linked: AtomicBool::new(false),
        };
        let Ok(mapping) = RcuBox::new(mapping, GFP_PACKET) else {
            account.give_back();
            return Learned::NoMemory;
        };
        let hashes = self.hashes(&mapping);
        let shown = mapping.shown();
        // Before it is in the table, so that it is never there unseen.
        self.filter.add([wire, &shown]);
        let Ok(mapping) = self.table.insert(hashes, mapping, is_it) else {
            self.filter.remove([wire, &shown]);
            account.give_back();
            return Learned::NoMemory;
        };
        self.all.fetch_add(1, Relaxed);
        self.table.each(hashes.second, guard, |other, key| {
            let is_rival = key == Key::Second
                && !core::ptr::eq(other, mapping)
                && other.shown() == shown
                && other.is_of(account);
            if is_rival {
                other.has_rival.store(true, Relaxed);
                mapping.has_rival.store(true, Relaxed);
            }
        });
        // ORDERING: Release pairs with the acquire in `remove`: it is in its chains.
        mapping
            .is_linked
            .store(true, core::sync::atomic::Ordering::Release);
        Learned::New
    }

    fn remove(&self, mapping: &Mapping) {
        // ORDERING: Acquire pairs with the release in `learn`.
        if !mapping
            .is_linked
            .load(core::sync::atomic::Ordering::Acquire)
        {
            return;
        }
        // Another processor may have been faster.
        if let Some(removed) = self.table.remove(self.hashes(mapping), mapping) {
            self.filter.remove([&removed.wire, &removed.shown()]);
            removed.account.give_back();
            self.all.fetch_sub(1, Relaxed);
        }
    }

    /// Forgets all mappings of a namespace, in which nobody makes any more.
    pub(crate) fn close(&self, account: &Account) {
        // BOUND: The buckets of the table.
        for bucket in 0..self.table.size() {
            if account.mappings() == 0 {
                return;
            }
            let guard = rcu::read_lock();
            self.table.visit(bucket, &guard, |mapping| {
                if mapping.is_of(account) {
                    self.remove(mapping);
                }
            });
        }
    }

    /// Parts that [`visit`](Self::visit) can be asked for.
    pub(crate) fn parts(&self) -> usize {
        self.table.size()
    }

    /// Shows a part of a namespace's mappings.
    pub(crate) fn visit(&self, part: usize, account: &Account, mut visitor: impl FnMut(&Mapping)) {
        let guard = rcu::read_lock();
        self.table.visit(part, &guard, |mapping| {
            if mapping.is_of(account) && !mapping.is_over() {
                visitor(mapping);
            }
        });
    }
}

impl Chore for Mappings {
    // CAST: 1000 at most.
    const PERIOD: usize = time::TICKS_PER_SECOND as usize;

    /// Frees what is over, in a sixteenth of the table.
    fn run(&self) -> bool {
        let size = self.table.size();
        let part = size.div_ceil(16);
        let from = self.next.load(Relaxed);
        let to = from.saturating_add(part).min(size);
        // BOUND: A sixteenth of the buckets.
        for bucket in from..to {
            let guard = rcu::read_lock();
            self.table.visit(bucket, &guard, |mapping| {
                if mapping.is_over() {
                    self.remove(mapping);
                }
            });
        }
        self.next.store(if to == size { 0 } else { to }, Relaxed);
        self.all.load(Relaxed) > 0
    }
}
