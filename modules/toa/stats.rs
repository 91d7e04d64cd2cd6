// SPDX-License-Identifier: GPL-2.0

//! The two files that show what is counted.
//!
//! `/proc/net/toa_stats` has the text of the toa.ko that people know: scripts read it. What that one
//! had no word for is in `/proc/net/toa_health`. Process context.

use kernel::prelude::*;
use kernel::seq_print;
use kernel_net::net::{Net, PerNet};
use kernel_net::percpu;
use kernel_net::proc::{SeqFile, Show};
use kernel_net::rcu;

use crate::namespace::{Event, Namespace};
use crate::probes::PROBES;

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

/// `/proc/net/toa_stats`: a column for each CPU.
pub(crate) struct StatsFile;

impl Show for StatsFile {
    const NAME: &'static CStr = c"toa_stats";

    fn show(net: &Net, file: &SeqFile) {
        let Some(namespace) = Namespace::of(net) else {
            return;
        };
        seq_print!(file, "{:34}", "");
        for cpu in percpu::online_cpus() {
            seq_print!(file, "CPU{}       ", cpu.as_u32());
        }
        seq_print!(file, "\n");
        for (name, event) in STATS {
            seq_print!(file, "{name:<25}:");
            for cpu in percpu::online_cpus() {
                seq_print!(file, "{:10} ", namespace.counters.on(cpu, event as usize));
            }
            seq_print!(file, "\n");
        }
    }
}

/// `/proc/net/toa_health`: all of it is zero on a healthy host whose directors are as they should be, but
/// for `clients`.
pub(crate) struct HealthFile;

impl Show for HealthFile {
    const NAME: &'static CStr = c"toa_health";

    fn show(net: &Net, file: &SeqFile) {
        let Some(namespace) = Namespace::of(net) else {
            return;
        };
        let row = |name: &str, value: u64| seq_print!(file, "{name:<28}:{value:10}\n");
        row("connections_missed", namespace.missed(net));
        row("options_untrusted", namespace.sum(Event::Untrusted));
        row("options_from_syn", namespace.sum(Event::FromSyn));
        row("syns_forgotten", namespace.sum(Event::SynForgotten));
        row("clients_stale", namespace.sum(Event::Stale));
        row("clients_no_memory", namespace.sum(Event::NoMemory));
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
