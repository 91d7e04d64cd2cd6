// SPDX-License-Identifier: GPL-2.0

//! Local addresses: what a real server sees in place of the client's address.
//!
//! A service has a list of them, set by the operator. The lists of a namespace are one immutable
//! value, replaced as a whole by netlink (process context, one writer at a time) and read under RCU
//! when a connection is bound.
//!
//! Counterpart: `ip_vs_laddr` of Alibaba's LVS and DPVS.

use core::cmp::Ordering;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
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
    fn new(address: Address) -> Self {
        Self {
            address,
            connections: AtomicU32::new(0),
            conflicts: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

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
    /// Set and read by [`LocalAddresses::keep`].
    exists: AtomicBool,
}

impl Service {
    /// The addresses in the order in which a connection tries them: all of them once, from one that
    /// `hash` chooses. A hash spreads connections evenly without falling into step with a scheduler
    /// that takes servers in turn, as a second round robin would.
    pub(crate) fn candidates(&self, hash: u32) -> impl Iterator<Item = &Arc<LocalAddress>> {
        // CAST: Lossless on 64 bits. The list has an entry: the remainder is defined.
        let first = (hash as usize)
            .checked_rem(self.addresses.len())
            .unwrap_or(0);
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
        Self {
            services: Snapshot::empty(),
        }
    }

    /// The addresses of a service.
    pub(crate) fn find<'a>(&self, key: &ServiceKey, guard: &'a rcu::Guard) -> Option<&'a Service> {
        let List(list) = self.services.read(guard)?;
        let mut range = list.as_slice();
        // BOUND: Each round halves the range.
        loop {
            let (before, after) = range.split_at_checked(range.len() / 2)?;
            let (middle, after) = after.split_first()?;
            range = match key.cmp(&middle.key) {
                Ordering::Less => before,
                Ordering::Equal => return Some(middle),
                Ordering::Greater => after,
            };
        }
    }

    /// Whether any service has one.
    pub(crate) fn is_empty(&self, guard: &rcu::Guard) -> bool {
        self.services
            .read(guard)
            .is_none_or(|list| list.0.is_empty())
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
        [packet.destination_port, Port(0)]
            .iter()
            .any(|&port| self.find(&key(port), guard).is_some())
    }

    /// The service at a position of the sorted list.
    pub(crate) fn nth(&self, index: usize) -> Option<Arc<Service>> {
        self.services.read(&rcu::read_lock())?.0.get(index).cloned()
    }

    /// Gives a service one more address. Under the writers' lock.
    pub(crate) fn add(&self, key: ServiceKey, address: Address) -> Result<(), Refusal> {
        let mut addresses = self.copy(&key, None)?;
        if addresses.iter().any(|known| known.address == address) {
            return Err(Refusal::Exists);
        }
        let new = Arc::new(LocalAddress::new(address), flags::GFP_KERNEL)?;
        addresses
            .push_within_capacity(new)
            .map_err(|_| Refusal::NoMemory)?;
        self.put(key, Some(addresses))
    }

    /// Takes an address away from a service; without an address, all of them. Connections that use
    /// one keep it. Under the writers' lock.
    pub(crate) fn remove(&self, key: ServiceKey, address: Option<Address>) -> Result<(), Refusal> {
        let has = |service: &Service| match address {
            Some(address) => service
                .addresses
                .iter()
                .any(|known| known.address == address),
            None => true,
        };
        if !self.find(&key, &rcu::read_lock()).is_some_and(has) {
            return Err(Refusal::Absent);
        }
        let left = match address {
            Some(gone) => self.copy(&key, Some(gone))?,
            None => KVec::new(),
        };
        self.put(key, (!left.is_empty()).then_some(left))
    }

    /// The addresses of a service without one of them, with room for one more.
    fn copy(
        &self,
        key: &ServiceKey,
        without: Option<Address>,
    ) -> Result<KVec<Arc<LocalAddress>>, Refusal> {
        let guard = rcu::read_lock();
        let addresses = self
            .find(key, &guard)
            .map_or(&[][..], |service| &service.addresses);
        let room = addresses.len().saturating_add(1);
        let mut copy = KVec::with_capacity(room, flags::GFP_ATOMIC)?;
        for address in addresses
            .iter()
            .filter(|known| Some(known.address) != without)
        {
            copy.push_within_capacity(address.clone())
                .map_err(|_| Refusal::NoMemory)?;
        }
        Ok(copy)
    }

    /// Keeps the addresses of the services that `name_all` names, and forgets those of others. Under
    /// the writers' lock.
    pub(crate) fn keep(
        &self,
        name_all: impl FnOnce(&mut dyn FnMut(ServiceKey)),
    ) -> Result<(), Refusal> {
        name_all(&mut |key| {
            if let Some(service) = self.find(&key, &rcu::read_lock()) {
                service.exists.store(true, Relaxed);
            }
        });
        let mut index = 0usize;
        // BOUND: Each round passes a service or removes one.
        while let Some(service) = self.nth(index) {
            if service.exists.swap(false, Relaxed) {
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
    fn put(
        &self,
        key: ServiceKey,
        addresses: Option<KVec<Arc<LocalAddress>>>,
    ) -> Result<(), Refusal> {
        let mut new = match addresses {
            Some(addresses) => {
                let exists = AtomicBool::new(false);
                Some(Arc::new(
                    Service {
                        key,
                        addresses,
                        exists,
                    },
                    flags::GFP_KERNEL,
                )?)
            }
            None => None,
        };
        let length = self
            .services
            .read(&rcu::read_lock())
            .map_or(0, |list| list.0.len());
        let mut list = KVVec::with_capacity(length.saturating_add(1), flags::GFP_KERNEL)?;
        let mut append = |service| {
            list.push_within_capacity(service)
                .map_err(|_| Refusal::NoMemory)
        };
        let mut index = 0usize;
        // BOUND: The length of the old list: writers take turns.
        while let Some(service) = self.nth(index) {
            index = index.wrapping_add(1);
            if service.key >= key {
                new.take().map_or(Ok(()), &mut append)?;
            }
            if service.key != key {
                append(service)?;
            }
        }
        new.take().map_or(Ok(()), &mut append)?;
        let list = RcuBox::new(List(list), flags::GFP_KERNEL).map_err(|_| Refusal::NoMemory)?;
        self.services.replace(Some(list));
        Ok(())
    }
}
