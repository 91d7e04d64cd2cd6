// SPDX-License-Identifier: GPL-2.0

//! What is counted, for each network namespace, and the two files that show it.
//!
//! `/proc/net/toa_stats` has the text of the toa.ko that people know: scripts read it. What that one
//! had no word for is in `/proc/net/toa_health`. Counting happens in any context.

use kernel::prelude::*;
use kernel::seq_print;
use kernel_net::net::{Net, PerNet, Slot};
use kernel_net::percpu::{self, Counters};
use kernel_net::proc::{NetFile, SeqFile, Show};
use kernel_net::rcu;
use kernel_net::sock::{self, Sock};

use crate::probes::PROBES;

/// What can happen.
#[derive(Clone, Copy)]
pub(crate) enum Event {
    /// A child socket has got its client.
    SynRecvSockToa,
    /// A handshake was completed without an option.
    SynRecvSockNoToa,
    /// A program was told the client.
    GetnameToaOk,
    /// A name was asked for and the entry that was found belongs to a socket that is gone.
    GetnameToaMismatch,
    /// There is a client, but the name has no room for it or was changed by somebody else.
    GetnameToaBypass,
    /// A name was asked for and no client is known.
    GetnameToaEmpty,
    /// A socket has got a client with an IPv6 address.
    Ip6AddressAlloc,
    /// Such a socket has ended.
    Ip6AddressFree,
    /// A handshake was completed with an option.
    Option,
    /// An entry was found whose socket had ended without a probe's notice.
    Stale,
    /// There was no memory for the client.
    NoMemory,
}

const EVENTS: usize = 11;

/// The rows of `toa_stats`, in order.
const STATS: [(&str, Event); 8] = [
    ("syn_recv_sock_toa", Event::SynRecvSockToa),
    ("syn_recv_sock_no_toa", Event::SynRecvSockNoToa),
    ("getname_toa_ok", Event::GetnameToaOk),
    ("getname_toa_mismatch", Event::GetnameToaMismatch),
    ("getname_toa_bypass", Event::GetnameToaBypass),
    ("getname_toa_empty", Event::GetnameToaEmpty),
    ("ip6_address_alloc", Event::Ip6AddressAlloc),
    ("ip6_address_free", Event::Ip6AddressFree),
];

/// The counters of one namespace.
pub(crate) struct Stats {
    counters: Counters<EVENTS>,
    /// Connections that were accepted before anybody counted.
    accepted_before: u64,
    stats: NetFile,
    health: NetFile,
}

static SLOT: Slot<Stats> = Slot::new();

impl PerNet for Stats {
    fn slot() -> &'static Slot<Self> {
        &SLOT
    }

    fn new(net: &Net) -> Result<Pin<KBox<Self>>> {
        let stats = Stats {
            counters: Counters::new()?,
            accepted_before: sock::passive_opens(net),
            stats: NetFile::new::<StatsFile>(net)?,
            health: NetFile::new::<HealthFile>(net)?,
        };
        Ok(KBox::pin(stats, GFP_KERNEL)?)
    }

    fn exit(&self, _net: &Net) {
        // A reader of a file uses the counters.
        self.stats.remove();
        self.health.remove();
    }
}

impl Stats {
    fn sum(&self, event: Event) -> u64 {
        self.counters.sum(event as usize)
    }

    /// Connections that were accepted without any probe having been called, at least.
    ///
    /// The kernel counts the children it makes. A call of the probed function that made none is
    /// among ours only: each such call can hide one that was missed.
    fn missed(&self, net: &Net) -> u64 {
        let accepted = sock::passive_opens(net).wrapping_sub(self.accepted_before);
        let seen = self
            .sum(Event::Option)
            .wrapping_add(self.sum(Event::SynRecvSockNoToa));
        accepted.saturating_sub(seen)
    }
}

/// Counts what has happened to a socket. For RCU readers.
pub(crate) fn count(sock: &Sock, event: Event) {
    if let Some(stats) = sock.live_net().and_then(Stats::of) {
        stats.counters.add(event as usize);
    }
}

/// `/proc/net/toa_stats`: a column for each CPU.
struct StatsFile;

impl Show for StatsFile {
    const NAME: &'static CStr = c"toa_stats";

    fn show(net: &Net, file: &SeqFile) {
        let Some(stats) = Stats::of(net) else { return };
        seq_print!(file, "{:34}", "");
        for cpu in percpu::online_cpus() {
            seq_print!(file, "CPU{}       ", cpu.as_u32());
        }
        seq_print!(file, "\n");
        for (name, event) in STATS {
            seq_print!(file, "{name:<25}:");
            for cpu in percpu::online_cpus() {
                seq_print!(file, "{:10} ", stats.counters.on(cpu, event as usize));
            }
            seq_print!(file, "\n");
        }
    }
}

/// `/proc/net/toa_health`: all of it is zero on a healthy host, but for `clients`.
struct HealthFile;

impl Show for HealthFile {
    const NAME: &'static CStr = c"toa_health";

    fn show(net: &Net, file: &SeqFile) {
        let Some(stats) = Stats::of(net) else { return };
        let row = |name: &str, value: u64| seq_print!(file, "{name:<28}:{value:10}\n");
        row("connections_missed", stats.missed(net));
        row("clients_stale", stats.sum(Event::Stale));
        row("clients_no_memory", stats.sum(Event::NoMemory));
        // These are the module's, not the namespace's.
        let guard = rcu::read_lock();
        if let Some(probes) = PROBES.read(&guard) {
            row("clients", probes.clients().count());
            for (name, missed) in probes.missed() {
                seq_print!(file, "missed_{name:<21}:{missed:10}\n");
            }
        }
    }
}
