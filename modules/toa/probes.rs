// SPDX-License-Identifier: GPL-2.0

//! The five functions of the kernel that are watched, and what is done when they are called.
//!
//! A handshake ends: the client in its last segment's option goes to the child socket. A program asks
//! for its peer's name: what the kernel answers is replaced. A socket ends: its entry goes. Nothing
//! is done, or costs anything, for a packet of an established connection.
//!
//! Handlers run in the probed function's context with preemption off: softirq for handshakes, system
//! calls for names, both for ends.

use kernel::pr_warn_once;
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel_net::fprobe::{Fprobe, Function, Handler};
use kernel_net::rcu::Snapshot;
use kernel_net::sock::{
    Endpoint, Family, Getname, Handshake, Ipv4, Ipv6, Name, Question, Sock, SockDestruct,
    SynRecvSock,
};

use crate::clients::{Clients, Found, Peers};
use crate::option;
use crate::stats::{count, Event};

/// The probes, for those that the kernel calls without any data of ours.
pub(crate) static PROBES: Snapshot<Arc<Probes>> = Snapshot::empty();

/// A handshake becomes a socket.
struct Handshakes(Arc<Clients>);

#[vtable]
impl<F: Family> Handler<SynRecvSock<F>> for Handshakes {
    type Call = Endpoint;

    fn entry(&self, handshake: Handshake<'_>) -> Option<Endpoint> {
        // The IPv6 function calls the IPv4 one for what came by IPv4: once is enough.
        if !handshake.segment.came_by::<F>() {
            return None;
        }
        let client = option::client(handshake.segment.options());
        let event = if client.is_some() {
            Event::Option
        } else {
            Event::SynRecvSockNoToa
        };
        count(handshake.listener, event);
        client
    }

    fn exit(&self, client: Endpoint, child: Option<&Sock>) {
        let Some(child) = child else { return };
        if forget(&self.0, child) {
            stale(child);
        }
        if self.0.attach(child, client).is_err() {
            return count(child, Event::NoMemory);
        }
        count(child, Event::SynRecvSockToa);
        if is_ipv6(client) {
            count(child, Event::Ip6AddressAlloc);
        }
    }
}

/// A program asks for a name.
struct Names(Arc<Clients>);

#[vtable]
impl<F: Family> Handler<Getname<F>> for Names {
    type Call = Peers;

    fn entry(&self, question: Question<'_>) -> Option<Peers> {
        let found = if question.peer {
            self.0.find(question.sock)
        } else {
            Found::Nobody
        };
        match found {
            Found::Client(peers) => return Some(peers),
            Found::Nobody => count(question.sock, Event::GetnameToaEmpty),
            Found::Stale => {
                count(question.sock, Event::GetnameToaMismatch);
                forget(&self.0, question.sock);
                stale(question.sock);
            }
        }
        None
    }

    fn exit(&self, peers: Peers, (sock, name): (&Sock, Option<Name<'_>>)) {
        // The kernel's answer was made under the socket lock. If it is not the peer the entry is about,
        // the socket has another connection by now, or a BPF program had its say before us.
        let event = match name.map(|name| name.replace(&peers.wire, &peers.client)) {
            Some(true) => Event::GetnameToaOk,
            Some(false) => Event::GetnameToaBypass,
            None => Event::GetnameToaEmpty,
        };
        count(sock, event);
    }
}

/// A socket ends.
struct Ends(Arc<Clients>);

#[vtable]
impl Handler<SockDestruct> for Ends {
    type Call = ();

    fn entry(&self, sock: &Sock) -> Option<()> {
        forget(&self.0, sock);
        None
    }
}

/// Forgets the client of a socket; whether there was one.
fn forget(clients: &Clients, sock: &Sock) -> bool {
    let client = clients.forget(sock);
    if client.is_some_and(is_ipv6) {
        count(sock, Event::Ip6AddressFree);
    }
    client.is_some()
}

/// An entry has outlived its socket.
fn stale(sock: &Sock) {
    count(sock, Event::Stale);
    pr_warn_once!("ftrace missed the end of a socket (see /proc/net/toa_health)\n");
}

fn is_ipv6(client: Endpoint) -> bool {
    client.address.to_ipv4_mapped().is_none()
}

/// All probes.
///
/// They are dropped in this order: first nobody is told of a client any more, then no socket gets one.
/// Ends are watched to the last.
pub(crate) struct Probes {
    inet_getname: Fprobe<Getname<Ipv4>, Names>,
    inet6_getname: Option<Fprobe<Getname<Ipv6>, Names>>,
    tcp_v4_syn_recv_sock: Fprobe<SynRecvSock<Ipv4>, Handshakes>,
    tcp_v6_syn_recv_sock: Option<Fprobe<SynRecvSock<Ipv6>, Handshakes>>,
    inet_sock_destruct: Fprobe<SockDestruct, Ends>,
    clients: Arc<Clients>,
}

impl Probes {
    /// Begins to watch.
    pub(crate) fn new(clients: Clients) -> Result<Self> {
        let clients = Arc::new(clients, GFP_KERNEL)?;
        // In the opposite order: an entry must not be made before its end would be seen.
        let inet_sock_destruct = Fprobe::new(Ends(clients.clone()))?;
        let tcp_v6_syn_recv_sock = if_there(Fprobe::new(Handshakes(clients.clone())))?;
        let tcp_v4_syn_recv_sock = Fprobe::new(Handshakes(clients.clone()))?;
        let inet6_getname = if_there(Fprobe::new(Names(clients.clone())))?;
        let inet_getname = Fprobe::new(Names(clients.clone()))?;
        Ok(Self {
            inet_getname,
            inet6_getname,
            tcp_v4_syn_recv_sock,
            tcp_v6_syn_recv_sock,
            inet_sock_destruct,
            clients,
        })
    }

    /// Who is known.
    pub(crate) fn clients(&self) -> &Clients {
        &self.clients
    }

    /// The names of the functions and how many of their calls the kernel says it could not tell of.
    pub(crate) fn missed(&self) -> [(&'static str, u64); 5] {
        let missed_ipv6 = self.tcp_v6_syn_recv_sock.as_ref().map_or(0, Fprobe::missed);
        [
            ("tcp_v4_syn_recv_sock", self.tcp_v4_syn_recv_sock.missed()),
            ("tcp_v6_syn_recv_sock", missed_ipv6),
            ("inet_getname", self.inet_getname.missed()),
            (
                "inet6_getname",
                self.inet6_getname.as_ref().map_or(0, Fprobe::missed),
            ),
            ("inet_sock_destruct", self.inet_sock_destruct.missed()),
        ]
    }
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
