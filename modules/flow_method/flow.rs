// SPDX-License-Identifier: GPL-2.0

//! A flow: one connection as the director translates it.
//!
//! Written once when the connection is bound; after that only the few words of [`TcpStory`] change.
//! Read in softirq under RCU.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use nat::{Deltas, Rewrite, SequenceShift, Tuple};

use crate::Introduction;

/// What both directions need to know.
pub struct Flow {
    /// cip:cport to vip:vport, as the client sends.
    pub client: Tuple,
    /// lip:lport to rip:rport, as the real server receives; maybe of the other family.
    pub server: Tuple,
    /// Of the requests; the answers' are the opposite.
    deltas: Deltas,
    /// How the server is told the client's address.
    pub introduction: Introduction,
    /// What is remembered of a TCP connection.
    pub tcp: TcpStory,
}

impl Flow {
    /// A flow between these two tuples.
    pub fn new(client: Tuple, server: Tuple, introduction: Introduction) -> Self {
        Self {
            client,
            server,
            deltas: Deltas::between(&client, &server),
            introduction,
            tcp: TcpStory::default(),
        }
    }

    /// Turns `client` into `server`.
    #[inline]
    pub fn request(&self) -> Rewrite {
        Rewrite::with(self.server, self.deltas)
    }

    /// Turns the server's answers into the service's.
    #[inline]
    pub fn reply(&self) -> Rewrite {
        Rewrite::with(self.client.reversed(), self.deltas.reversed())
    }
}

/// The words a TCP connection is told by. Each is set by packets of one direction, and a CPU that
/// sees an old value treats one packet as if it had come a moment earlier: relaxed order is enough.
#[derive(Default)]
pub struct TcpStory {
    shift: AtomicU32,
    first_ack: AtomicU32,
    awaiting_ack: AtomicBool,
    last_sequence: AtomicU32,
    finished: AtomicBool,
}

impl TcpStory {
    /// By how much the client's sequence numbers differ at the server.
    pub fn shift(&self) -> SequenceShift {
        SequenceShift(self.shift.load(Relaxed))
    }

    /// Set once, before the first packet is sent.
    pub fn set_shift(&self, shift: SequenceShift) {
        self.shift.store(shift.0, Relaxed);
    }

    /// The server's SYN-ACK has passed; `sequence` is the number of its first data byte.
    pub fn server_answered(&self, sequence: u32) {
        self.first_ack.store(sequence, Relaxed);
        self.awaiting_ack.store(true, Relaxed);
    }

    /// Whether the client, acknowledging `ack`, has yet to see the server's first data byte
    /// acknowledged: the packets that carry its address. Once past, it stays past.
    pub fn introduces_client(&self, ack: u32) -> bool {
        if !self.awaiting_ack.load(Relaxed) {
            return false;
        }
        let first = self.first_ack.load(Relaxed);
        // CAST: Serial number arithmetic (RFC 1982): the sign of the difference.
        if (ack.wrapping_sub(first) as i32) > 0 {
            self.awaiting_ack.store(false, Relaxed);
        }
        ack == first
    }

    /// The client has closed its side: the server has seen everything before `sequence`.
    pub fn client_finished(&self, sequence: u32) {
        self.last_sequence.store(sequence, Relaxed);
        self.finished.store(true, Relaxed);
    }

    /// The last sequence number a TIME_WAIT socket of the server would remember.
    pub fn last_sequence(&self) -> Option<u32> {
        self.finished
            .load(Relaxed)
            .then(|| self.last_sequence.load(Relaxed))
    }
}
