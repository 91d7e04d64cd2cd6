// SPDX-License-Identifier: GPL-2.0

//! The functions of the kernel that are watched.
//!
//! Connections begin ([`handshakes`](crate::handshakes)), programs ask for names
//! ([`names`](crate::names)), sockets end. Nothing is done, or costs anything, for a packet of an
//! established connection.
//!
//! Handlers run in the probed function's context with preemption off.

use kernel::prelude::*;
use kernel::sync::Arc;
use kernel_net::fprobe::{Fprobe, Function, Handler};
use kernel_net::rcu::{Guard, Snapshot};
use kernel_net::sock::{ChildProcess, Getname, Ipv4, Ipv6, SendSynAck, Sock, SockDestruct};
use wire::toa_forms::Forms;

use crate::clients::Clients;
use crate::handshakes::{forget, Children, Introductions, Requests};
use crate::names::Names;

/// The probes, for those that the kernel calls without any data of ours.
pub(crate) static PROBES: Snapshot<Arc<Probes>> = Snapshot::empty();

/// A socket ends.
struct Ends(Arc<Clients>);

#[vtable]
impl Handler<SockDestruct> for Ends {
    type Call = ();

    fn entry(&self, sock: &Sock, guard: &Guard) -> Option<()> {
        forget(&self.0, sock, guard);
        None
    }
}

/// All probes.
///
/// They are dropped in this order: first nobody is told of a client any more, then no socket gets one.
/// Ends are watched to the last.
pub(crate) struct Probes {
    inet_getname: Fprobe<Getname<Ipv4>, Names>,
    inet6_getname: Option<Fprobe<Getname<Ipv6>, Names>>,
    tcp_child_process: Fprobe<ChildProcess, Children>,
    tcp_v4_send_synack: Fprobe<SendSynAck<Ipv4>, Requests>,
    tcp_v6_send_synack: Option<Fprobe<SendSynAck<Ipv6>, Requests>>,
    inet_sock_destruct: Fprobe<SockDestruct, Ends>,
    clients: Arc<Clients>,
}

impl Probes {
    /// Begins to watch.
    pub(crate) fn new(clients: Clients, forms: Forms) -> Result<Self> {
        let clients = Arc::new(clients, GFP_KERNEL)?;
        let introductions = Introductions::new(clients.clone(), forms)?;
        let introductions = Arc::new(introductions, GFP_KERNEL)?;
        // In the opposite order: an entry must not be made before its end would be seen.
        let inet_sock_destruct = Fprobe::new(Ends(clients.clone()))?;
        let tcp_v6_send_synack = if_there(Fprobe::new(Requests(introductions.clone())))?;
        let tcp_v4_send_synack = Fprobe::new(Requests(introductions.clone()))?;
        let tcp_child_process = Fprobe::new(Children(introductions))?;
        let inet6_getname = if_there(Fprobe::new(Names(clients.clone())))?;
        let inet_getname = Fprobe::new(Names(clients.clone()))?;
        Ok(Self {
            inet_getname,
            inet6_getname,
            tcp_child_process,
            tcp_v4_send_synack,
            tcp_v6_send_synack,
            inet_sock_destruct,
            clients,
        })
    }

    /// Who is known.
    pub(crate) fn clients(&self) -> &Clients {
        &self.clients
    }

    /// The names of the functions and how many of their calls the kernel says it could not tell of.
    pub(crate) fn missed(&self) -> [(&'static str, u64); 6] {
        [
            ("tcp_v4_send_synack", self.tcp_v4_send_synack.missed()),
            ("tcp_v6_send_synack", missed(&self.tcp_v6_send_synack)),
            ("tcp_child_process", self.tcp_child_process.missed()),
            ("inet_getname", self.inet_getname.missed()),
            ("inet6_getname", missed(&self.inet6_getname)),
            ("inet_sock_destruct", self.inet_sock_destruct.missed()),
        ]
    }
}

fn missed<F: Function, H: Handler<F>>(probe: &Option<Fprobe<F, H>>) -> u64 {
    probe.as_ref().map_or(0, Fprobe::missed)
}

/// A kernel without IPv6 has no such functions.
fn if_there<F: Function, H: Handler<F>>(
    probe: Result<Fprobe<F, H>>,
) -> Result<Option<Fprobe<F, H>>> {
    match probe {
        Err(error) if error == ENOENT => Ok(None),
        probe => probe.map(Some),
    }
}
