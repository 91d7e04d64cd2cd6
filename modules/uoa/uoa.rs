// SPDX-License-Identifier: GPL-2.0

//! The client's address for UDP programs on a real server.
//!
//! Behind FullNAT a real server gets datagrams from the director's local addresses. The director puts
//! the client's address in front of the first ones of a flow, in an IP option or in a header of
//! protocol 248; this module takes it from there, and keeps it for as long as the flow lasts.
//! Programs that know of it ask by getsockopt(). In transparent mode all programs get datagrams as
//! their client's own, and what they send to the client goes back through the director.
//!
//! Nothing in the kernel is replaced. The address on the wire is what rules and connection tracking see,
//! in both directions.
//!
//! | file | |
//! |---|---|
//! | `filter` | which flows are certainly not in the table |
//! | `forward` | datagrams for guests that know nothing of it |
//! | `inbound` | where a datagram's client is found, and shown to programs |
//! | `lookup` | the client by getsockopt() |
//! | `mappings` | the table: flow on the wire, its client |
//! | `namespace` | what each network namespace has: settings, hooks, whom to believe |
//! | `outbound` | programs' datagrams to clients, sent back through the director |
//! | `stats` | `/proc/net/uoa_stats`, `uoa_stats_percpu`, `uoa_health` and `uoa_clients` |

#![crate_name = "uoa"]

mod filter;
mod forward;
mod inbound;
mod lookup;
mod mappings;
mod namespace;
mod outbound;
mod stats;

use core::borrow::Borrow;
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel_net::rcu::{self, RcuBox};
use kernel_net::timer::Timer;
use kernel_net::{net, protocol, sockopt};

use inbound::Opp;
use lookup::Lookup;
use mappings::{Mappings, MAPPINGS};
use namespace::Namespace;

module! {
    type: Uoa,
    name: "uoa",
    authors: ["The rsipvs authors"],
    description: "UDP option address: the client's address behind FullNAT for UDP programs",
    license: "GPL",
    params: {
        uoa_map_tab_bits: u32 {
            default: 16,
            description: "Buckets of the table of flows, as a power of two (8 to 22)",
        },
        uoa_map_timeout: u32 {
            default: 360,
            description: "Seconds a flow's client is remembered behind the last datagram (1 to 86400); what net.ipv4.uoa.map_timeout is at first",
        },
    },
}

/// What `net.ipv4.uoa.map_timeout` is in a new namespace.
fn initial_timeout() -> i32 {
    // Linux 7.3 returns the value, older kernels a reference to it.
    let seconds = *Borrow::<u32>::borrow(&module_parameters::uoa_map_timeout.value());
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

/// All that is registered.
///
/// It goes in this order, at any time and with flows of any number: nobody asks by getsockopt(), the
/// header is unknown to IP again, the namespaces give up their hooks and mappings, the table goes, and
/// what readers under RCU still held is freed.
struct Uoa {
    _lookup: sockopt::Registration<Lookup>,
    _header: protocol::Registration<Opp>,
    _namespaces: net::Registration<Namespace>,
    _published: Published,
    _mappings: Arc<Timer<Mappings>>,
    _freed: Freed,
}

impl kernel::Module for Uoa {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let freed = Freed;
        let bits = *Borrow::<u32>::borrow(&module_parameters::uoa_map_tab_bits.value());
        if !(8..=22).contains(&bits) {
            pr_err!("uoa_map_tab_bits={bits}: 8 to 22 are possible\n");
            return Err(EINVAL);
        }
        let timeout = initial_timeout();
        if !(1..=86_400).contains(&timeout) {
            pr_err!("uoa_map_timeout={timeout}: 1 to 86400 are possible\n");
            return Err(EINVAL);
        }
        let mappings = Arc::new(Timer::new(Mappings::new(bits)?)?, GFP_KERNEL)?;
        let published = Published::new(&mappings)?;
        let namespaces = net::Registration::new()?;
        let header = protocol::Registration::new()?;
        let lookup = sockopt::Registration::new(module)?;
        Ok(Uoa {
            _lookup: lookup,
            _header: header,
            _namespaces: namespaces,
            _published: published,
            _mappings: mappings,
            _freed: freed,
        })
    }
}

/// As long as it lives, [`MAPPINGS`] holds a reference to the table.
struct Published;

impl Published {
    fn new(mappings: &Arc<Timer<Mappings>>) -> Result<Self> {
        MAPPINGS.replace(Some(RcuBox::new(mappings.clone(), GFP_KERNEL)?));
        Ok(Published)
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        MAPPINGS.replace(None);
        // The last reference must not be dropped by RCU: shutting a timer down waits.
        rcu::barrier();
    }
}

/// Waits for the mappings that were dropped, when all else is gone.
struct Freed;

impl Drop for Freed {
    fn drop(&mut self) {
        rcu::barrier();
    }
}
