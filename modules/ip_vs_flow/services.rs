// SPDX-License-Identifier: GPL-2.0

//! What the operator has set for virtual services beyond what IPVS knows of them: local addresses, and
//! how connections are treated.
//!
//! All services of a namespace are one immutable value, replaced as a whole by netlink (process
//! context, one writer at a time) and read under RCU when a connection is bound.

use core::cmp::Ordering;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use flow_method::Introduction;
use kernel::alloc::{flags, KVVec, KVec};
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel_ipvs::ServiceKey;
use kernel_net::rcu::{self, RcuBox, Snapshot};
use nat::{Address, Family, Port, Protocol, Tuple};

use crate::local_address::LocalAddress;

/// How the connections of a service are treated from the moment they are bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// How the server is told the client's address.
    pub(crate) introduction: Introduction,
    /// Seconds an established connection may be silent; zero leaves it to IPVS.
    pub(crate) timeout: u32,
}

/// A service, with a local address at least, or options that are not the default.
pub(crate) struct Service {
    /// Which.
    pub(crate) key: ServiceKey,
    /// How its connections are treated.
    pub(crate) options: Options,
    /// In the order they were added.
    pub(crate) addresses: KVec<Arc<LocalAddress>>,
    /// Set and read by [`Services::keep`].
    exists: AtomicBool,
}

impl Service {
    /// The addresses of a family in the order in which a connection tries them: all of them once, from
    /// one that `hash` chooses. A hash spreads connections evenly without falling into step with a
    /// scheduler that takes servers in turn, as a second round robin would.
    pub(crate) fn candidates(
        &self,
        family: Family,
        hash: u32,
    ) -> impl Iterator<Item = &Arc<LocalAddress>> {
        let of_family = move || {
            self.addresses
                .iter()
                .filter(move |local| local.family == family)
        };
        let number = of_family().fold(0u32, |number, _| number.wrapping_add(1));
        // CAST: Lossless on 64 bits. Without addresses there is nothing to skip.
        let first = hash.checked_rem(number).unwrap_or(0) as usize;
        Iterator::chain(of_family().skip(first), of_family().take(first))
    }

    /// A copy to be changed, with room for one more address.
    fn draft(&self) -> Result<Service, Refusal> {
        let room = self.addresses.len().saturating_add(1);
        let mut addresses = KVec::with_capacity(room, flags::GFP_ATOMIC)?;
        for address in &self.addresses {
            addresses
                .push_within_capacity(address.clone())
                .map_err(|_| Refusal::NoMemory)?;
        }
        Ok(Self {
            key: self.key,
            options: self.options,
            addresses,
            exists: AtomicBool::new(false),
        })
    }

    /// Whether there is nothing to remember of it.
    fn is_plain(&self) -> bool {
        self.addresses.is_empty() && self.options == Options::default()
    }

    fn has(&self, address: (Address, Family)) -> bool {
        self.addresses.iter().any(|known| known.is(address))
    }

    /// Gives it one more local address.
    pub(crate) fn add(&mut self, address: (Address, Family)) -> Result<(), Refusal> {
        if self.has(address) {
            return Err(Refusal::Exists);
        }
        let new = Arc::new(LocalAddress::new(address), flags::GFP_KERNEL)?;
        self.addresses
            .push_within_capacity(new)
            .map_err(|_| Refusal::NoMemory)
    }

    /// Takes an address away. Connections that use it keep it.
    pub(crate) fn remove(&mut self, address: (Address, Family)) -> Result<(), Refusal> {
        let mut left = KVec::with_capacity(self.addresses.len(), flags::GFP_KERNEL)?;
        for known in self.addresses.iter().filter(|known| !known.is(address)) {
            left.push_within_capacity(known.clone())
                .map_err(|_| Refusal::NoMemory)?;
        }
        if left.len() == self.addresses.len() {
            return Err(Refusal::Absent);
        }
        self.addresses = left;
        Ok(())
    }
}

/// Services, sorted by key.
struct List(KVVec<Arc<Service>>);

/// The services of a namespace.
pub(crate) struct Services {
    current: Snapshot<List>,
}

/// Why a change was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is there already.
    Exists,
    /// It is not there.
    Absent,
    /// Memory is out.
    NoMemory,
}

impl From<kernel::alloc::AllocError> for Refusal {
    fn from(_: kernel::alloc::AllocError) -> Self {
        Refusal::NoMemory
    }
}

impl Services {
    pub(crate) const fn new() -> Self {
        Self {
            current: Snapshot::empty(),
        }
    }

    /// The services from the first whose key is not below `key`.
    fn from<'a>(&self, key: &ServiceKey, guard: &'a rcu::Guard) -> &'a [Arc<Service>] {
        let Some(List(list)) = self.current.read(guard) else {
            return &[];
        };
        let mut rest = list.as_slice();
        let mut length = rest.len();
        // BOUND: Each round halves the length that is in question.
        while length > 0 {
            let half = length / 2;
            match rest.get(half) {
                Some(middle) if middle.key.cmp(key) == Ordering::Less => {
                    rest = rest.get(half.wrapping_add(1)..).unwrap_or(&[]);
                    length = length.wrapping_sub(half).wrapping_sub(1);
                }
                _ => length = half,
            }
        }
        rest
    }

    /// What is known of a service.
    pub(crate) fn find<'a>(&self, key: &ServiceKey, guard: &'a rcu::Guard) -> Option<&'a Service> {
        let first = self.from(key, guard).first()?;
        (first.key == *key).then_some(&**first)
    }

    /// Whether nothing is known of any.
    pub(crate) fn is_empty(&self, guard: &rcu::Guard) -> bool {
        self.current
            .read(guard)
            .is_none_or(|list| list.0.is_empty())
    }

    /// Whether a packet of this tuple and mark is meant for a service with a local address.
    pub(crate) fn serves(&self, packet: &Tuple, mark: u32, guard: &rcu::Guard) -> bool {
        let key = |vport| ServiceKey {
            fwmark: 0,
            protocol: packet.protocol,
            family: packet.family,
            vip: packet.destination,
            vport,
        };
        let marked = ServiceKey::of_fwmark(packet.family, mark);
        [key(packet.destination_port), key(Port::new(0)), marked]
            .iter()
            .any(|key| {
                self.find(key, guard)
                    .is_some_and(|service| !service.addresses.is_empty())
            })
    }

    /// Whether a service of that protocol with a local address has the virtual address.
    pub(crate) fn has_vip(
        &self,
        protocol: Protocol,
        family: Family,
        vip: Address,
        guard: &rcu::Guard,
    ) -> bool {
        let lowest = ServiceKey {
            fwmark: 0,
            protocol,
            family,
            vip,
            vport: Port::new(0),
        };
        // BOUND: The services of the address.
        self.from(&lowest, guard)
            .iter()
            .take_while(|service| {
                let key = &service.key;
                (key.protocol, key.family, key.vip) == (protocol, family, vip)
            })
            .any(|service| !service.addresses.is_empty())
    }

    /// The service at a position of the sorted list.
    pub(crate) fn nth(&self, index: usize) -> Option<Arc<Service>> {
        self.current.read(&rcu::read_lock())?.0.get(index).cloned()
    }

    /// Changes a service. Under the writers' lock.
    pub(crate) fn change(
        &self,
        key: ServiceKey,
        change: impl FnOnce(&mut Service) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let mut service = match self.find(&key, &rcu::read_lock()) {
            Some(service) => service.draft()?,
            None => Service {
                key,
                options: Options::default(),
                addresses: KVec::with_capacity(1, flags::GFP_ATOMIC)?,
                exists: AtomicBool::new(false),
            },
        };
        change(&mut service)?;
        self.put(key, (!service.is_plain()).then_some(service))
    }

    /// Keeps the services that `name_all` names, and forgets the others. Under the writers' lock.
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

    /// Forgets a service. Under the writers' lock.
    pub(crate) fn forget(&self, key: ServiceKey) -> Result<(), Refusal> {
        if self.find(&key, &rcu::read_lock()).is_none() {
            return Err(Refusal::Absent);
        }
        self.put(key, None)
    }

    /// Forgets all services. Under the writers' lock.
    pub(crate) fn clear(&self) {
        self.current.replace(None);
    }

    /// Replaces the entry of one service.
    fn put(&self, key: ServiceKey, service: Option<Service>) -> Result<(), Refusal> {
        let mut new = match service {
            Some(service) => Some(Arc::new(service, flags::GFP_KERNEL)?),
            None => None,
        };
        let length = self
            .current
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
        self.current.replace(Some(list));
        Ok(())
    }
}
