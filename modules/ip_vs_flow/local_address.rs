// SPDX-License-Identifier: GPL-2.0

//! Local addresses: what a real server sees in place of the client's address.
//!
//! A service has a list of them, set by the operator. The lists of a namespace are one immutable
//! value, replaced as a whole by netlink (process context, one writer at a time) and read under RCU
//! when a connection is bound.
//!
//! Counterpart: `ip_vs_laddr` of Alibaba's LVS and DPVS.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use kernel::alloc::{flags, KVVec, KVec};
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel_ipvs::ServiceKey;
use kernel_net::rcu::{self, RcuBox, Snapshot};
use nat::{Address, Port, Tuple};

/// One local address of one service.
pub(crate) struct LocalAddress {
    /// The address.
    pub(crate) address: Address,
    connections: AtomicU32,
    conflicts: AtomicU64,
    failed: AtomicU64,
}

impl LocalAddress {
    /// A connection has got the address.
    pub(crate) fn bound(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    /// It has ended.
    pub(crate) fn released(&self) {
        self.connections.fetch_sub(1, Relaxed);
    }

    /// A port that was chosen turned out to be taken.
    pub(crate) fn conflicted(&self) {
        self.conflicts.fetch_add(1, Relaxed);
    }

    /// No port was left for a connection.
    pub(crate) fn exhausted(&self) {
        self.failed.fetch_add(1, Relaxed);
    }

    /// Connections bound now, conflicts and failures so far.
    pub(crate) fn figures(&self) -> (u32, u64, u64) {
        (
            self.connections.load(Relaxed),
            self.conflicts.load(Relaxed),
            self.failed.load(Relaxed),
        )
    }
}

/// A service and its local addresses, at least one.
pub(crate) struct Service {
    /// Which.
    pub(crate) key: ServiceKey,
    /// In the order they were added.
    pub(crate) addresses: KVec<Arc<LocalAddress>>,
}

impl Service {
    /// The addresses in the order in which a connection tries them: all of them once, from one that
    /// `hash` chooses. A hash spreads connections evenly without falling into step with a scheduler
    /// that takes servers in turn, as a second round robin would.
    pub(crate) fn candidates(&self, hash: u32) -> impl Iterator<Item = &Arc<LocalAddress>> {
        // CAST: Lossless on 64 bits. The list has an entry: the remainder is defined.
        let first = (hash as usize).checked_rem(self.addresses.len()).unwrap_or(0);
        let (before, from) = self.addresses.split_at_checked(first).unwrap_or((&[], &[]));
        Iterator::chain(from.iter(), before)
    }
}

/// The services of a namespace that have local addresses, sorted by key.
struct List(KVVec<Arc<Service>>);

/// Where the lists are kept.
pub(crate) struct LocalAddresses {
    services: Snapshot<List>,
}

/// Why a change was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The service has the address already.
    Exists,
    /// The service, or all of them, do not have it.
    Absent,
    /// Memory is out.
    NoMemory,
}

impl From<kernel::alloc::AllocError> for Refusal {
    fn from(_: kernel::alloc::AllocError) -> Self {
        Refusal::NoMemory
    }
}

impl LocalAddresses {
    pub(crate) const fn new() -> Self {
        Self { services: Snapshot::empty() }
    }

    /// The addresses of a service.
    pub(crate) fn find<'a>(&self, key: &ServiceKey, guard: &'a rcu::Guard) -> Option<&'a Service> {
        let List(list) = self.services.read(guard)?;
        let index = list.binary_search_by(|service| service.key.cmp(key)).ok()?;
        list.get(index).map(|service| &**service)
    }

    /// Whether any service has one.
    pub(crate) fn is_empty(&self, guard: &rcu::Guard) -> bool {
        self.services.read(guard).is_none_or(|list| list.0.is_empty())
    }

    /// Whether a packet of this tuple is meant for a service with a local address.
    pub(crate) fn serves(&self, packet: &Tuple, guard: &rcu::Guard) -> bool {
        let key = |vport| ServiceKey {
            fwmark: 0,
            protocol: packet.protocol,
            family: packet.family,
            vip: packet.destination,
            vport,
        };
        [packet.destination_port, Port(0)].iter().any(|&port| self.find(&key(port), guard).is_some())
    }

    /// The service at a position of the sorted list.
    pub(crate) fn nth(&self, index: usize) -> Option<Arc<Service>> {
        self.services.read(&rcu::read_lock())?.0.get(index).cloned()
    }

    /// Gives a service one more address. Under the writers' lock.
    pub(crate) fn add(&self, key: ServiceKey, address: Address) -> Result<(), Refusal> {
        let mut addresses = KVec::new();
        let old = self.find(&key, &rcu::read_lock()).map(|service| service.addresses.as_slice()).map(copy).transpose()?;
        if let Some(old) = old {
            if old.iter().any(|known| known.address == address) {
                return Err(Refusal::Exists);
            }
            addresses = old;
        }
        let new = LocalAddress {
            address,
            connections: AtomicU32::new(0),
            conflicts: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        };
        addresses.push(Arc::new(new, flags::GFP_KERNEL)?, flags::GFP_KERNEL)?;
        self.put(key, Some(addresses))
    }

    /// Takes an address away from a service; without an address, all of them. Connections that use
    /// one keep it. Under the writers' lock.
    pub(crate) fn remove(&self, key: ServiceKey, address: Option<Address>) -> Result<(), Refusal> {
        let old = self.find(&key, &rcu::read_lock()).map(|service| service.addresses.as_slice()).map(copy).transpose()?;
        let mut left = old.ok_or(Refusal::Absent)?;
        let before = left.len();
        left.retain(|known| address.is_some_and(|gone| known.address != gone));
        if left.len() == before {
            return Err(Refusal::Absent);
        }
        self.put(key, (!left.is_empty()).then_some(left))
    }

    /// Forgets the addresses of services that are gone. Under the writers' lock.
    pub(crate) fn purge(&self, exists: impl Fn(&ServiceKey) -> bool) -> Result<(), Refusal> {
        let mut index = 0usize;
        // BOUND: Each round passes a service or removes one.
        while let Some(service) = self.nth(index) {
            if exists(&service.key) {
                index = index.wrapping_add(1);
            } else {
                self.put(service.key, None)?;
            }
        }
        Ok(())
    }

    /// Takes all addresses of all services away. Under the writers' lock.
    pub(crate) fn clear(&self) {
        self.services.replace(None);
    }

    /// Replaces the entry of one service.
    fn put(&self, key: ServiceKey, addresses: Option<KVec<Arc<LocalAddress>>>) -> Result<(), Refusal> {
        let mut list = KVVec::new();
        let mut new = match addresses {
            Some(addresses) => Some(Arc::new(Service { key, addresses }, flags::GFP_KERNEL)?),
            None => None,
        };
        let mut index = 0usize;
        // BOUND: The length of the old list: writers take turns.
        while let Some(service) = self.nth(index) {
            index = index.wrapping_add(1);
            if service.key >= key {
                if let Some(new) = new.take() {
                    list.push(new, flags::GFP_KERNEL)?;
                }
            }
            if service.key != key {
                list.push(service, flags::GFP_KERNEL)?;
            }
        }
        if let Some(new) = new {
            list.push(new, flags::GFP_KERNEL)?;
        }
        let list = RcuBox::new(List(list), flags::GFP_KERNEL).map_err(|_| Refusal::NoMemory)?;
        self.services.replace(Some(list));
        Ok(())
    }
}

fn copy(addresses: &[Arc<LocalAddress>]) -> Result<KVec<Arc<LocalAddress>>, Refusal> {
    let mut copy = KVec::with_capacity(addresses.len(), flags::GFP_ATOMIC)?;
    for address in addresses {
        copy.push(address.clone(), flags::GFP_ATOMIC)?;
    }
    Ok(copy)
}
