// SPDX-License-Identifier: GPL-2.0

//! Whose word is taken: a list of address prefixes, as a setting of one namespace.
//!
//! A list is replaced as a whole, so that no packet meets half of one. It is read under RCU, from any
//! context.

use core::net::Ipv6Addr;
use kernel::alloc::{flags, KVec};
use kernel::prelude::*;
use wire::prefix::{self, Prefix};

use crate::rcu::{Guard, RcuBox, Snapshot};
use crate::sysctl::{self, Text};

/// Prefixes a list may have: each packet that brings a word looks at all of them.
const MOST: usize = 128;

struct List {
    prefixes: KVec<Prefix>,
    text: KVec<u8>,
}

/// What the list says about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The list is empty: everyone is believed.
    Anyone,
    /// The list has it.
    Trusted,
    /// There is a list, and this is not on it.
    Stranger,
}

/// The list of a namespace; empty at first.
pub struct Trust {
    current: Snapshot<List>,
}

impl Trust {
    /// An empty list.
    pub const fn new() -> Self {
        Self {
            current: Snapshot::empty(),
        }
    }

    /// Looks for an address; an IPv4 address in its mapped form.
    pub fn standing(&self, address: Ipv6Addr, guard: &Guard) -> Standing {
        let Some(list) = self.current.read(guard) else {
            return Standing::Anyone;
        };
        // BOUND: `MOST`.
        if list.prefixes.iter().any(|prefix| prefix.contains(address)) {
            Standing::Trusted
        } else {
            Standing::Stranger
        }
    }
}

impl Default for Trust {
    fn default() -> Self {
        Self::new()
    }
}

impl Text for Trust {
    fn write(&self, text: &[u8]) -> Result {
        if prefix::words(text).next().is_none() {
            self.current.replace(None);
            return Ok(());
        }
        let mut prefixes = KVec::with_capacity(MOST, flags::GFP_KERNEL)?;
        // BOUND: The length of the text.
        for word in prefix::words(text) {
            let prefix = Prefix::parse(word).ok_or(EINVAL)?;
            prefixes.push_within_capacity(prefix).map_err(|_| E2BIG)?;
        }
        let list = List {
            prefixes,
            text: sysctl::line(prefix::words(text), text.len())?,
        };
        self.current
            .replace(Some(RcuBox::new(list, flags::GFP_KERNEL)?));
        Ok(())
    }

    fn read<'a>(&'a self, guard: &'a Guard) -> &'a [u8] {
        self.current.read(guard).map_or(&[], |list| &list.text)
    }
}
