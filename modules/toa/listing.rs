// SPDX-License-Identifier: GPL-2.0

//! `/proc/net/toa_clients`: which client is behind which socket of the namespace.
//!
//! A line has the number that `ss -e` shows as `sk:`, this end of the connection, the other end on the
//! wire, and the client. Process context.

use kernel::prelude::*;
use kernel::seq_print;
use kernel_net::net::Net;
use kernel_net::proc::{List, SeqFile};
use kernel_net::rcu;

use crate::probes::PROBES;

/// The file. Part 0 is its heading, then come the parts of the table.
pub(crate) struct ClientsFile;

impl List for ClientsFile {
    const NAME: &'static CStr = c"toa_clients";

    fn has(_net: &Net, part: usize) -> bool {
        let guard = rcu::read_lock();
        let parts = PROBES.read(&guard).map_or(0, |p| p.clients().parts());
        part <= parts
    }

    fn show(net: &Net, part: usize, file: &SeqFile) {
        let Some(part) = part.checked_sub(1) else {
            return seq_print!(file, "Socket Local Peer Client\n");
        };
        let guard = rcu::read_lock();
        let Some(probes) = PROBES.read(&guard) else {
            return;
        };
        probes.clients().visit(part, &guard, |entry| {
            if entry.net == net.as_ptr().addr() {
                let (local, peers) = (entry.local, entry.peers);
                seq_print!(
                    file,
                    "{:x} {local} {} {}\n",
                    entry.cookie,
                    peers.wire,
                    peers.client
                );
            }
        });
    }
}
