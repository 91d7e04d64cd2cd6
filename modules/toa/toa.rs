// SPDX-License-Identifier: GPL-2.0

//! The client's address for unmodified programs on a real server.
//!
//! Behind FullNAT a real server sees connections from the director's local addresses. The director
//! puts the client's address into a TCP option of the handshake's last segment; this module takes it
//! from there and lets accept() and getpeername() tell it. Packets, netfilter and `ss` go on having
//! the address on the wire.
//!
//! Nothing in the kernel is replaced and nothing is stored in a socket: fprobes watch five functions,
//! and a table beside the sockets holds the clients. Whatever a probe misses, a program is told the
//! address on the wire and never a wrong client.
//!
//! | file | |
//! |---|---|
//! | `option` | which TCP options name a client |
//! | `clients` | the table: socket, its peer on the wire, its client |
//! | `probes` | the five functions and what is done when they are called |
//! | `lookup` | the client by getsockopt(), for NAT64 |
//! | `stats` | `/proc/net/toa_stats` and `/proc/net/toa_health` |

#![crate_name = "toa"]

mod clients;
mod lookup;
mod option;
mod probes;
mod stats;

use core::borrow::Borrow;
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel_net::rcu::{self, RcuBox};
use kernel_net::{net, sockopt};

use clients::Clients;
use lookup::Lookup;
use probes::{Probes, PROBES};
use stats::Stats;

module! {
    type: Toa,
    name: "toa",
    authors: ["The rsipvs authors"],
    description: "TCP option address: the client's address behind FullNAT for accept() and getpeername()",
    license: "GPL",
    params: {
        table_bits: u32 {
            default: 16,
            description: "Buckets of the table of clients, as a power of two (8 to 22)",
        },
    },
}

/// All that is registered.
///
/// It goes in this order, at any time and with connections open: nobody asks by getsockopt(), nobody
/// finds the probes from outside, the probes go and with them the table, the counters that they used
/// go, and what readers under RCU still held is freed. From then on all sockets tell the address on
/// the wire.
struct Toa {
    _lookup: sockopt::Registration<Lookup>,
    _published: Published,
    _probes: Arc<Probes>,
    _stats: net::Registration<Stats>,
    _freed: Freed,
}

impl kernel::Module for Toa {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let freed = Freed;
        // Linux 7.3 returns the value, older kernels a reference to it.
        let bits = *Borrow::<u32>::borrow(&module_parameters::table_bits.value());
        if !(8..=22).contains(&bits) {
            pr_err!("table_bits={bits}: 8 to 22 are possible\n");
            return Err(EINVAL);
        }
        let stats = net::Registration::new()?;
        let probes = Arc::new(Probes::new(Clients::new(bits)?)?, GFP_KERNEL)?;
        let published = Published::new(&probes)?;
        let lookup = sockopt::Registration::new(module)?;
        Ok(Toa {
            _lookup: lookup,
            _published: published,
            _probes: probes,
            _stats: stats,
            _freed: freed,
        })
    }
}

/// As long as it lives, [`PROBES`] holds a reference to the probes.
struct Published;

impl Published {
    fn new(probes: &Arc<Probes>) -> Result<Self> {
        PROBES.replace(Some(RcuBox::new(probes.clone(), GFP_KERNEL)?));
        Ok(Published)
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        PROBES.replace(None);
        // The last reference must not be dropped by RCU: unregistering a probe sleeps.
        rcu::barrier();
    }
}

/// Waits for the table's entries that were dropped, when all else is gone.
struct Freed;

impl Drop for Freed {
    fn drop(&mut self) {
        rcu::barrier();
    }
}
