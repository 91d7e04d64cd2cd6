// SPDX-License-Identifier: GPL-2.0

//! What is counted, for each network namespace, and the files that show it.
//!
//! `/proc/net/uoa_stats` and `/proc/net/uoa_stats_percpu` have the texts of the uoa.ko that people know:
//! scripts read them. What that one had no word for is in `/proc/net/uoa_health`, and the table itself
//! in `/proc/net/uoa_clients`. Counting happens in any context.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use kernel::prelude::*;
use kernel::seq_print;
use kernel_net::net::{Net, PerNet};
use kernel_net::percpu;
use kernel_net::proc::{List, NetFile, SeqFile, Show};
use nat::{Address, Family, Port};

use crate::mappings::Mapping;
use crate::namespace::Namespace;

/// What can happen.
#[derive(Clone, Copy)]
pub(crate) enum Event {
    /// A program was told the client of a flow that it asked for.
    Success,
    /// A program asked for a flow that is not in the table.
    Miss,
    /// A program asked for what is no flow.
    Invalid,
    /// A datagram had an address in front.
    UoaGot,
    /// A datagram had IP options or a header, but no address of a client among them.
    UoaNone,
    /// An address went into the table, or was there.
    UoaSaved,
    /// An address went ahead of its datagram.
    Alone,
    /// A header made no sense; the datagram is gone.
    Malformed,
    /// An address came from somebody who is not to be believed.
    Stranger,
    /// There was no room in the table for an address.
    Full,
    /// There was no memory for an address or for a change of a datagram.
    NoMemory,
    /// A program was shown a datagram as its client's.
    Shown,
    /// A program was not: the client's family is not the datagram's.
    OtherFamily,
    /// A program's datagram to a client went back the way it is to go.
    Answered,
    /// There was no route for it.
    NoRoute,
    /// A datagram for a guest lost its header on the way.
    TakenOff,
}

/// How many there are.
pub(crate) const EVENTS: usize = 16;

/// The columns of `uoa_stats`, in order; the last one counts answers to senders, which there are none of.
const STATS: [Option<Event>; 7] = [
    Some(Event::Success),
    Some(Event::Miss),
    Some(Event::Invalid),
    Some(Event::UoaGot),
    Some(Event::UoaNone),
    Some(Event::UoaSaved),
    None,
];

/// The rows of `uoa_health`, in order.
const HEALTH: [(&str, Event); 10] = [
    ("introductions_alone", Event::Alone),
    ("datagrams_shown", Event::Shown),
    ("answers_sent_back", Event::Answered),
    ("addresses_not_trusted", Event::Stranger),
    ("headers_malformed", Event::Malformed),
    ("mappings_refused", Event::Full),
    ("no_memory", Event::NoMemory),
    ("clients_of_other_family", Event::OtherFamily),
    ("answers_without_route", Event::NoRoute),
    ("forwarded_without_header", Event::TakenOff),
];

/// The files of a namespace.
pub(crate) struct Files {
    _files: [NetFile; 4],
}

impl Files {
    /// Makes them. They must be dropped before the namespace goes away.
    pub(crate) fn new(net: &Net) -> Result<Self> {
        Ok(Self {
            _files: [
                NetFile::new::<Stats>(net)?,
                NetFile::new::<StatsPerCpu>(net)?,
                NetFile::new::<Health>(net)?,
                NetFile::list::<Clients>(net)?,
            ],
        })
    }
}

fn row(file: &SeqFile, value: impl Fn(Event) -> u64) {
    let mut separator = "";
    // BOUND: Seven columns.
    for event in STATS {
        seq_print!(file, "{separator}{:8}", event.map_or(0, &value));
        separator = " ";
    }
    seq_print!(file, "\n");
}

/// `/proc/net/uoa_stats`.
struct Stats;

impl Show for Stats {
    const NAME: &'static CStr = c"uoa_stats";

    fn show(net: &Net, file: &SeqFile) {
        let Some(namespace) = Namespace::of(net) else {
            return;
        };
        seq_print!(
            file,
            " Success     Miss  Invalid|UOA  Got     None    Saved Ack-Fail\n"
        );
        row(file, |event| namespace.counters.sum(event as usize));
    }
}

/// `/proc/net/uoa_stats_percpu`.
struct StatsPerCpu;

impl Show for StatsPerCpu {
    const NAME: &'static CStr = c"uoa_stats_percpu";

    fn show(net: &Net, file: &SeqFile) {
        let Some(namespace) = Namespace::of(net) else {
            return;
        };
        seq_print!(
            file,
            "CPU  Success     Miss  Invalid|UOA  Got     None    Saved Ack-Fail\n"
        );
        for cpu in percpu::online_cpus() {
            seq_print!(file, "{:3X}  ", cpu.as_u32());
            row(file, |event| namespace.counters.on(cpu, event as usize));
        }
    }
}

/// `/proc/net/uoa_health`.
struct Health;

impl Show for Health {
    const NAME: &'static CStr = c"uoa_health";

    fn show(net: &Net, file: &SeqFile) {
        let Some(namespace) = Namespace::of(net) else {
            return;
        };
        let row = |name: &str, value: u64| seq_print!(file, "{name:<28}:{value:10}\n");
        row("mappings", namespace.account.mappings().into());
        for (name, event) in HEALTH {
            row(name, namespace.counters.sum(event as usize));
        }
    }
}

/// `/proc/net/uoa_clients`: a line for each flow whose client is known: where its datagrams come from
/// and go to on the wire, the client, and for how many seconds they have been silent. Part 0 is the
/// heading, then come the parts of the table.
struct Clients;

impl List for Clients {
    const NAME: &'static CStr = c"uoa_clients";

    fn has(net: &Net, part: usize) -> bool {
        Namespace::of(net).is_some_and(|namespace| part <= namespace.mappings().parts())
    }

    fn show(net: &Net, part: usize, file: &SeqFile) {
        let Some(namespace) = Namespace::of(net) else {
            return;
        };
        let Some(part) = part.checked_sub(1) else {
            return seq_print!(file, "Peer Local Client Idle\n");
        };
        let show = |mapping: &Mapping| {
            let (wire, client) = (&mapping.wire, &mapping.client);
            let peer = End::new(wire.family, &wire.source, wire.source_port);
            let local = End::new(wire.family, &wire.destination, wire.destination_port);
            let client = End::new(client.family, &client.address, client.port);
            seq_print!(file, "{peer} {local} {client} {}\n", mapping.idle());
        };
        namespace.mappings().visit(part, &namespace.account, show);
    }
}

/// An address and a port as they are written.
struct End(SocketAddr);

impl End {
    fn new(family: Family, address: &Address, port: Port) -> Self {
        let address = match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::from(address.v4())),
            Family::V6 => IpAddr::V6(Ipv6Addr::from(*address.octets())),
        };
        Self(SocketAddr::new(address, port.number()))
    }
}

impl kernel::fmt::Display for End {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(&self.0, f)
    }
}
