// SPDX-License-Identifier: GPL-2.0

//! The client's address for unmodified programs on a real server.
//!
//! Behind FullNAT a real server sees connections from the director's local addresses. The director
//! puts the client's address into a TCP option of the handshake's last segment; this module takes it
//! from there and lets accept() and getpeername() tell it. Packets, netfilter and `ss` go on having
//! the address on the wire.
//!
//! Nothing in the kernel is replaced and nothing is stored in a socket: fprobes watch six functions,
//! and a table beside the sockets holds the clients. Whatever a probe misses, a program is told the
//! address on the wire and never a wrong client.
//!
//! | file | |
//! |---|---|
//! | `clients` | the table: socket, its peer on the wire, its client |
//! | `handshakes` | connections begin: who the client is |
//! | `listing` | `/proc/net/toa_clients` |
//! | `lookup` | the client by getsockopt(), for NAT64 |
//! | `names` | programs ask who their peer is |
//! | `namespace` | counters and settings of a network namespace |
//! | `params.c` | the parameter `kinds` |
//! | `probes` | the functions of the kernel that are watched |
//! | `stats` | `/proc/net/toa_stats` and `/proc/net/toa_health` |
//! | `syns` | what SYNs have said, until their connections are made |
//! | `trace.c` | the tracepoint `toa:toa_client` |

#![crate_name = "toa"]

mod clients;
mod handshakes;
mod listing;
mod lookup;
mod names;
mod namespace;
mod probes;
mod stats;
mod syns;

use core::borrow::Borrow;
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel_net::rcu::{self, Node, RcuBox};
use kernel_net::{net, slab, sockopt};
use wire::toa_forms::Forms;

use clients::{Clients, Entry, CACHE};
use lookup::Lookup;
use namespace::Namespace;
use probes::{Probes, PROBES};

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
/// finds the probes from outside, the probes go and with them the table, what they counted
/// goes, and what readers under RCU still held is freed. From then on all sockets tell the address on
/// the wire.
struct Toa {
    _lookup: sockopt::Registration<Lookup>,
    _published: Published,
    _probes: Arc<Probes>,
    _namespaces: net::Registration<Namespace>,
    _freed: Freed,
    _cache: slab::Created<Node<Entry>>,
}

impl kernel::Module for Toa {
    fn init(module: &'static ThisModule) -> Result<Self> {
        // In the opposite order of the fields.
        let cache = CACHE.create(c"toa_client")?;
        let freed = Freed;
        // Linux 7.3 returns the value, older kernels a reference to it.
        let bits = *Borrow::<u32>::borrow(&module_parameters::table_bits.value());
        if !(8..=22).contains(&bits) {
            pr_err!("table_bits={bits}: 8 to 22 are possible\n");
            return Err(EINVAL);
        }
        let forms = forms()?;
        let namespaces = net::Registration::new()?;
        let probes = Arc::new(Probes::new(Clients::new(bits)?, forms)?, GFP_KERNEL)?;
        let published = Published::new(&probes)?;
        let lookup = sockopt::Registration::new(module)?;
        Ok(Toa {
            _lookup: lookup,
            _published: published,
            _probes: probes,
            _namespaces: namespaces,
            _freed: freed,
            _cache: cache,
        })
    }
}

unsafe extern "C" {
    /// The parameter `kinds`, with zeros behind; in `params.c`. Safe: it is written before the module's
    /// code runs, and never again.
    safe static toa_kinds: [u8; 256];
}

/// The options that name clients.
fn forms() -> Result<Forms> {
    // BOUND: The length of the array.
    let given = toa_kinds.split(|byte| *byte == 0).next().unwrap_or(&[]);
    let text = match given {
        [] => Forms::DEFAULT.as_bytes(),
        given => given,
    };
    Forms::parse(text).ok_or_else(|| {
        pr_err!("kinds: pairs of kind and length are possible, like 254/8, of lengths 7, 8, 19 and 20, and not of kinds that TCP reads\n");
        EINVAL
    })
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
