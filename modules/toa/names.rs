// SPDX-License-Identifier: GPL-2.0

//! Programs ask for names: who the client is goes in the place of who sends the packets.
//!
//! The kernel's answer was made under the socket lock. If it is not the peer that an entry is about,
//! the socket has another connection by now, or a BPF program had its say before us, and it stays.
//!
//! System calls: accept(), getpeername(), and io_uring's accept.

use kernel::prelude::*;
use kernel::sync::Arc;
use kernel_net::fprobe::Handler;
use kernel_net::rcu::{self, Guard};
use kernel_net::sock::{Family, Getname, Name, Question, Sock};

use crate::clients::{Clients, Found, Peers};
use crate::handshakes::{count, forget, stale};
use crate::namespace::Event;

/// A program asks for a name.
pub(crate) struct Names(pub(crate) Arc<Clients>);

#[vtable]
impl<F: Family> Handler<Getname<F>> for Names {
    type Call = Peers;

    fn entry(&self, question: Question<'_>, guard: &Guard) -> Option<Peers> {
        let found = if question.peer {
            self.0.find(question.sock, guard)
        } else {
            Found::Nobody
        };
        match found {
            Found::Client(peers) => return Some(peers),
            Found::Nobody => count(question.sock, Event::GetnameToaEmpty, guard),
            Found::Stale => {
                count(question.sock, Event::GetnameToaMismatch, guard);
                forget(&self.0, question.sock, guard);
                stale(question.sock, guard);
            }
        }
        None
    }

    fn exit(&self, peers: Peers, (sock, name): (&Sock, Option<Name<'_>>)) {
        let event = match name.map(|name| name.replace(&peers.wire, &peers.client)) {
            Some(true) => Event::GetnameToaOk,
            Some(false) => Event::GetnameToaBypass,
            None => Event::GetnameToaEmpty,
        };
        count(sock, event, &rcu::read_lock());
    }
}
