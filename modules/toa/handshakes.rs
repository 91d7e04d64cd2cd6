// SPDX-License-Identifier: GPL-2.0

//! Connections begin: who the client is.
//!
//! The option is looked for in the segment that a socket is made from: the handshake's last one, the
//! first data if that was lost or waited for, the SYN with TCP Fast Open. If it is not there, what the
//! SYN said counts. Whose packets may say so at all, an operator decides (`net.ipv4.toa.trust`).
//!
//! Softirq, or a system call of a local client with softirqs off.

use kernel::prelude::*;
use kernel::sync::Arc;
use kernel::{pr_notice_once, pr_warn_once};
use kernel_net::fprobe::Handler;
use kernel_net::rcu::Guard;
use kernel_net::sock::{
    Arrival, ChildProcess, Endpoint, Family, Request, Segment, SendSynAck, Sock,
};
use kernel_net::trust::Standing;
use wire::toa_forms::{Forms, Named};

use crate::clients::{Clients, Peers};
use crate::namespace::{Event, Namespace};
use crate::syns::{Beginning, Syns};

/// What is needed to introduce clients.
pub(crate) struct Introductions {
    clients: Arc<Clients>,
    syns: Syns,
    forms: Forms,
}

impl Introductions {
    /// Takes options of these forms for clients.
    pub(crate) fn new(clients: Arc<Clients>, forms: Forms) -> Result<Self> {
        Ok(Self {
            clients,
            syns: Syns::new()?,
            forms,
        })
    }

    /// A SYN: remembers what it says.
    fn announce(&self, Arrival { sock, segment }: Arrival<'_>, guard: &Guard) {
        let Some(client) = self.forms.find(segment.options()) else {
            return;
        };
        let Some(namespace) = Namespace::of_sock(sock, guard) else {
            return;
        };
        let (peer, local) = segment.ends();
        if !believes(namespace, peer, guard) {
            return;
        }
        let beginning = Beginning {
            net: sock.net_address(),
            peer,
            local,
            sequence: segment.sequence(),
        };
        if self.syns.remember(beginning, client) {
            namespace.count(Event::SynForgotten);
        }
    }

    /// A socket and the segment it was made from: gives it its client.
    fn introduce(&self, Arrival { sock, segment }: Arrival<'_>, guard: &Guard) {
        let Some(namespace) = Namespace::of_sock(sock, guard) else {
            return;
        };
        let Some(named) = self.named(sock, &segment, namespace) else {
            return namespace.count(Event::SynRecvSockNoToa);
        };
        let peer = sock.peer();
        if !believes(namespace, peer, guard) {
            return namespace.count(Event::SynRecvSockNoToa);
        }
        let peers = Peers {
            wire: peer,
            client: Endpoint {
                address: named.address,
                port: named.port.unwrap_or(peer.port),
            },
        };
        if forget(&self.clients, sock, guard) {
            stale(sock, guard);
        }
        let Ok(cookie) = self.clients.attach(sock, peers) else {
            return namespace.count(Event::NoMemory);
        };
        namespace.count(Event::SynRecvSockToa);
        if is_ipv6(peers.client) {
            namespace.count(Event::Ip6AddressAlloc);
        }
        let Peers { wire, client } = peers;
        toa_trace_client(
            cookie,
            &wire.address.octets(),
            wire.port,
            &client.address.octets(),
            client.port,
        );
    }

    /// Who the segment says the client is, or the SYN before it did.
    #[inline]
    fn named(&self, sock: &Sock, segment: &Segment<'_>, namespace: &Namespace) -> Option<Named> {
        let named = self.forms.find(segment.options());
        if named.is_some() {
            return named;
        }
        let named = self.syns.take(|| beginning(sock, segment))?;
        namespace.count(Event::FromSyn);
        Some(named)
    }
}

/// The SYN that a child socket goes back to.
fn beginning(sock: &Sock, segment: &Segment<'_>) -> Beginning {
    let (peer, local) = segment.ends();
    Beginning {
        net: sock.net_address(),
        peer,
        local,
        sequence: sock.first_byte().wrapping_sub(1),
    }
}

/// Whether a peer's word about clients is taken; counts if it is not.
fn believes(namespace: &Namespace, peer: Endpoint, guard: &Guard) -> bool {
    match namespace.trust.standing(peer.address, guard) {
        Standing::Trusted => true,
        Standing::Anyone => {
            pr_notice_once!(
                "everyone who reaches this host is believed about clients; \
                 name the directors' local addresses in net.ipv4.toa.trust, and nobody else is\n"
            );
            true
        }
        Standing::Stranger => {
            namespace.count(Event::Untrusted);
            false
        }
    }
}

unsafe extern "C" {
    /// The tracepoint `toa:toa_client`; in `trace.c`. Safe: it copies what it is given.
    safe fn toa_trace_client(
        cookie: u64,
        peer: &[u8; 16],
        peer_port: u16,
        client: &[u8; 16],
        client_port: u16,
    );
}

/// A SYN is answered.
pub(crate) struct Requests(pub(crate) Arc<Introductions>);

#[vtable]
impl<F: Family> Handler<SendSynAck<F>> for Requests {
    type Call = ();

    fn entry(&self, request: Request<'_>, guard: &Guard) -> Option<()> {
        match request {
            Request::Pending(arrival) => self.0.announce(arrival, guard),
            Request::Child(arrival) => self.0.introduce(arrival, guard),
            Request::Repeated => {}
        }
        None
    }
}

/// A handshake has become a socket.
pub(crate) struct Children(pub(crate) Arc<Introductions>);

#[vtable]
impl Handler<ChildProcess> for Children {
    type Call = ();

    fn entry(&self, arrival: Arrival<'_>, guard: &Guard) -> Option<()> {
        self.0.introduce(arrival, guard);
        None
    }
}

/// Forgets the client of a socket; whether there was one.
#[inline]
pub(crate) fn forget(clients: &Clients, sock: &Sock, guard: &Guard) -> bool {
    let client = clients.forget(sock, guard);
    if client.is_some_and(is_ipv6) {
        count(sock, Event::Ip6AddressFree, guard);
    }
    client.is_some()
}

/// An entry has outlived its socket.
pub(crate) fn stale(sock: &Sock, guard: &Guard) {
    count(sock, Event::Stale, guard);
    pr_warn_once!("ftrace missed the end of a socket (see /proc/net/toa_health)\n");
}

/// Counts what has happened to a socket.
pub(crate) fn count(sock: &Sock, event: Event, guard: &Guard) {
    if let Some(namespace) = Namespace::of_sock(sock, guard) {
        namespace.count(event);
    }
}

fn is_ipv6(client: Endpoint) -> bool {
    client.address.to_ipv4_mapped().is_none()
}
