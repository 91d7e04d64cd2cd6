// SPDX-License-Identifier: GPL-2.0

//! Real servers that IPVS knows by an address of the client's family.
//!
//! IPVS refuses services and servers of two families. An IPv4 server of an IPv6 service is therefore
//! stored there with its address embedded in 64:ff9b::/96 (RFC 6052), which needs no table. An IPv6
//! server of an IPv4 service has an alias in 240.0.0.0/4, a block that no host can have an address of;
//! which one, user space chooses, and this table remembers. Replaced as a whole by netlink (process
//! context, one writer at a time), read under RCU when a connection is bound.

use core::cmp::Ordering;
use flow_method::Counter;
use kernel::alloc::{flags, KVVec};
use kernel::prelude::*;
use kernel_ipvs::Conn;
use kernel_net::rcu::{self, RcuBox, Snapshot};
use nat::{address_map, Address, Family, Port};

use crate::services::Refusal;

/// One alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alias {
    /// The IPv4 address in IPVS.
    pub(crate) name: [u8; 4],
    /// The IPv6 address of the server.
    pub(crate) server: Address,
}

/// A real server as packets reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) family: Family,
    pub(crate) address: Address,
    pub(crate) port: Port,
}

/// Sorted by name.
struct List(KVVec<Alias>);

/// The aliases of a namespace.
pub(crate) struct Aliases {
    current: Snapshot<List>,
}

impl Aliases {
    pub(crate) const fn new() -> Self {
        Self {
            current: Snapshot::empty(),
        }
    }

    /// The server that IPVS has chosen for a connection.
    pub(crate) fn server(&self, conn: &Conn, guard: &rcu::Guard) -> Result<Server, Counter> {
        let (address, port) = conn.server();
        let (family, address) = match conn.family() {
            Family::V6 => match address_map::extract(&address) {
                Some(v4) => (Family::V4, Address::from_v4(v4)),
                None => (Family::V6, address),
            },
            Family::V4 if address_map::is_alias(address.v4()) => {
                let server = self.find(address.v4(), guard).ok_or(Counter::NoAlias)?;
                (Family::V6, server)
            }
            Family::V4 => (Family::V4, address),
        };
        Ok(Server {
            family,
            address,
            port,
        })
    }

    fn find(&self, name: [u8; 4], guard: &rcu::Guard) -> Option<Address> {
        let List(list) = self.current.read(guard)?;
        let mut range = list.as_slice();
        // BOUND: Each round halves the range.
        loop {
            let (before, after) = range.split_at_checked(range.len() / 2)?;
            let (middle, after) = after.split_first()?;
            range = match name.cmp(&middle.name) {
                Ordering::Less => before,
                Ordering::Equal => return Some(middle.server),
                Ordering::Greater => after,
            };
        }
    }

    /// The alias at a position of the sorted list.
    pub(crate) fn nth(&self, index: usize) -> Option<Alias> {
        self.current.read(&rcu::read_lock())?.0.get(index).copied()
    }

    /// Adds an alias, unless it is there; refused if the name is another server's. Under the writers'
    /// lock.
    pub(crate) fn add(&self, alias: Alias) -> Result<(), Refusal> {
        match self.find(alias.name, &rcu::read_lock()) {
            Some(server) if server == alias.server => Ok(()),
            Some(_) => Err(Refusal::Exists),
            None => self.put(alias.name, Some(alias)),
        }
    }

    /// Removes an alias. Under the writers' lock.
    pub(crate) fn remove(&self, name: [u8; 4]) -> Result<(), Refusal> {
        if self.find(name, &rcu::read_lock()).is_none() {
            return Err(Refusal::Absent);
        }
        self.put(name, None)
    }

    /// Replaces the entry of one name.
    fn put(&self, name: [u8; 4], mut new: Option<Alias>) -> Result<(), Refusal> {
        let length = self
            .current
            .read(&rcu::read_lock())
            .map_or(0, |list| list.0.len());
        let mut list = KVVec::with_capacity(length.saturating_add(1), flags::GFP_KERNEL)?;
        let mut append = |alias| {
            list.push_within_capacity(alias)
                .map_err(|_| Refusal::NoMemory)
        };
        let mut index = 0usize;
        // BOUND: The length of the old list: writers take turns.
        while let Some(alias) = self.nth(index) {
            index = index.wrapping_add(1);
            if alias.name >= name {
                new.take().map_or(Ok(()), &mut append)?;
            }
            if alias.name != name {
                append(alias)?;
            }
        }
        new.take().map_or(Ok(()), &mut append)?;
        let list = RcuBox::new(List(list), flags::GFP_KERNEL).map_err(|_| Refusal::NoMemory)?;
        self.current.replace(Some(list));
        Ok(())
    }
}
