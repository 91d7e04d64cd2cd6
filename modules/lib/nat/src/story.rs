// SPDX-License-Identifier: GPL-2.0

//! What is remembered of a connection while it lasts: 28 bytes.
//!
//! Each word is set by packets of one direction, and a CPU that sees an old value treats one packet as
//! if it had come a moment earlier: relaxed order is enough. A segment in the middle of a connection
//! reads the marks and stores one acknowledgement.

use core::sync::atomic::{AtomicU32, AtomicU8, Ordering::Relaxed};

use crate::{after, Detour, LastUse, Plain, SequenceShift, TimestampShift};

/// The client's sequence numbers are shifted.
const SHIFTED: u8 = 1 << 0;
/// The client's time stamps are shifted.
const CLOCKED: u8 = 1 << 1;
/// Neither end has acknowledged a byte of the other, and the client's address goes along until then.
const INTRODUCING: u8 = 1 << 2;
/// The server has answered.
const ANSWERED: u8 = 1 << 3;
/// The client has nothing more to say.
const CLIENT_CLOSED: u8 = 1 << 4;
/// Nor has the server.
const SERVER_CLOSED: u8 = 1 << 5;
/// The server has taken data of the SYN (RFC 7413), so what it acknowledges tells nothing of what came
/// behind.
const FAST_OPENED: u8 = 1 << 6;

/// The words a connection is told by.
#[derive(Debug, Default)]
pub struct Story {
    sequence_shift: AtomicU32,
    timestamp_shift: AtomicU32,
    /// The client's number of the SYN that the connection has begun with.
    isn: AtomicU32,
    /// The number of the server's first byte.
    first_byte: AtomicU32,
    /// The client's last acknowledgement.
    client_expects: AtomicU32,
    /// The server's last acknowledgement, in the server's numbers.
    server_expects: AtomicU32,
    marks: AtomicU8,
    /// UDP: so many datagrams still carry the client's address.
    introductions: AtomicU8,
}

/// The numbers that both ends take a RST by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resets {
    /// The client's.
    pub to_client: u32,
    /// The server's.
    pub to_server: u32,
}

impl Story {
    /// A connection begins with the client's number `isn`, on a port of which the server remembers
    /// `last`.
    pub fn begin(&self, isn: u32, last: Option<LastUse>) {
        let shift = SequenceShift::choose(isn, last);
        self.isn.store(isn, Relaxed);
        self.sequence_shift.store(shift.0, Relaxed);
        self.server_expects.store(shift.to_server(isn), Relaxed);
        let shifted = shift != SequenceShift::NONE;
        self.marks.store(if shifted { SHIFTED } else { 0 }, Relaxed);
    }

    /// The client has sent a SYN with the number `isn`. If that is the beginning of another
    /// connection, the server may still remember the last one, and what has been told so far is
    /// forgotten; returns whether it is.
    ///
    /// The same number is a retransmission. In the middle of a connection a SYN may come from
    /// anybody (RFC 5961, section 4): the server decides what it means, and nothing changes here.
    pub fn begins_anew(&self, isn: u32) -> bool {
        if self.isn.load(Relaxed) == isn || self.is_alive() {
            return false;
        }
        let end_seq = self.server_expects.load(Relaxed);
        self.begin(isn, Some(LastUse { end_seq }));
        true
    }

    /// Whether the server has answered and the connection is not over.
    fn is_alive(&self) -> bool {
        let over = CLIENT_CLOSED | SERVER_CLOSED;
        let marks = self.marks.load(Relaxed);
        marks & ANSWERED != 0 && marks & over != over
    }

    /// Whether a segment in the middle of the connection needs nothing but its translation.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.marks.load(Relaxed) & (SHIFTED | CLOCKED | INTRODUCING) == 0
    }

    /// Whether the server sees other numbers or time stamps than the client sends.
    #[inline]
    pub fn is_shifted(&self) -> bool {
        self.marks.load(Relaxed) & (SHIFTED | CLOCKED) != 0
    }

    /// Whether a packet in the middle of the connection may take the short way, and what it says is
    /// remembered.
    #[inline(always)]
    pub fn passes(&self, packet: Plain, from_client: bool) -> Result<(), Detour> {
        let marks = self.marks.load(Relaxed);
        match packet {
            _ if marks & (SHIFTED | CLOCKED) != 0 => return Err(Detour::Shifted.taken()),
            // What introduces the client goes its way; answers need not wait.
            _ if from_client && (marks & INTRODUCING != 0) | self.introduces() => {
                return Err(Detour::Introduction.taken())
            }
            Plain::Segment(_) if marks & !(INTRODUCING | FAST_OPENED) != ANSWERED => {
                return Err(Detour::State.taken())
            }
            Plain::Segment(ack) if from_client => self.client_acknowledged(ack),
            Plain::Segment(ack) => self.server_acknowledged(ack),
            Plain::Datagram => {}
        }
        Ok(())
    }

    /// By how much the client's sequence numbers differ at the server.
    #[inline]
    pub fn sequence_shift(&self) -> SequenceShift {
        SequenceShift(self.sequence_shift.load(Relaxed))
    }

    /// By how much the client's time stamps differ at the server.
    #[inline]
    pub fn timestamp_shift(&self) -> TimestampShift {
        match self.marks.load(Relaxed) & CLOCKED {
            0 => TimestampShift::NONE,
            _ => TimestampShift(self.timestamp_shift.load(Relaxed)),
        }
    }

    /// A SYN with time stamps goes to the server, which will see them shifted by `shift` if it is the
    /// first: returns by how much it sees them shifted.
    pub fn carry_timestamps(&self, shift: TimestampShift) -> TimestampShift {
        if self.marks.load(Relaxed) & CLOCKED == 0 {
            self.timestamp_shift.store(shift.0, Relaxed);
            self.marks.fetch_or(CLOCKED, Relaxed);
        }
        self.timestamp_shift()
    }

    /// The server's SYN-ACK has passed, and what it acknowledges is known; `first_byte` is the number of
    /// what comes next. From now on the client's address goes along, if it is to be introduced.
    pub fn server_answered(&self, first_byte: u32, introduce: bool) {
        self.first_byte.store(first_byte, Relaxed);
        let marks = self.marks.load(Relaxed);
        if marks & ANSWERED == 0 {
            self.client_expects.store(first_byte, Relaxed);
        }
        let introducing = if introduce { INTRODUCING } else { 0 };
        let fast_opened = if self.server_has_data() {
            FAST_OPENED
        } else {
            0
        };
        let kept = marks & (SHIFTED | CLOCKED);
        self.marks
            .store(kept | ANSWERED | introducing | fast_opened, Relaxed);
    }

    /// Whether a segment of the client that acknowledges `ack` is to carry its address: until the
    /// server must have made its socket, because the client has seen a byte of it, or it one of the
    /// client's. Once past, it stays past.
    pub fn introduces_client(&self, ack: u32) -> bool {
        let marks = self.marks.load(Relaxed);
        if marks & INTRODUCING == 0 {
            return false;
        }
        let first = self.first_byte.load(Relaxed);
        let has_socket = after(ack, first) || marks & FAST_OPENED == 0 && self.server_has_data();
        if has_socket {
            self.marks.fetch_and(!INTRODUCING, Relaxed);
        }
        !has_socket && ack == first
    }

    /// Whether the server has acknowledged more than the client's SYN.
    fn server_has_data(&self) -> bool {
        let syn = self.sequence_shift().to_server(self.isn.load(Relaxed));
        after(self.server_expects.load(Relaxed), syn.wrapping_add(1))
    }

    /// The client acknowledges what comes before `ack`.
    #[inline]
    pub fn client_acknowledged(&self, ack: u32) {
        if self.client_expects.load(Relaxed) != ack {
            self.client_expects.store(ack, Relaxed);
        }
    }

    /// The server acknowledges what comes before `ack`, in its own numbers.
    #[inline]
    pub fn server_acknowledged(&self, ack: u32) {
        if after(ack, self.server_expects.load(Relaxed)) {
            self.server_expects.store(ack, Relaxed);
        }
    }

    /// The client has sent a FIN or a RST.
    pub fn client_closed(&self) {
        self.marks.fetch_or(CLIENT_CLOSED, Relaxed);
    }

    /// The server has sent a FIN.
    pub fn server_closed(&self) {
        self.marks.fetch_or(SERVER_CLOSED, Relaxed);
    }

    /// The server has sent a RST: it knows nothing of the connection any more.
    pub fn server_reset(&self) {
        self.marks.fetch_or(CLIENT_CLOSED | SERVER_CLOSED, Relaxed);
    }

    /// What a TIME_WAIT socket of the server would remember. The server's own word for it is exact;
    /// the client could claim anything with a FIN.
    pub fn last_use(&self) -> Option<LastUse> {
        let answered = self.marks.load(Relaxed) & ANSWERED != 0;
        answered.then(|| LastUse {
            end_seq: self.server_expects.load(Relaxed),
        })
    }

    /// The numbers of RSTs that end the connection; `None` before the server has answered.
    pub fn resets(&self) -> Option<Resets> {
        let answered = self.marks.load(Relaxed) & ANSWERED != 0;
        answered.then(|| Resets {
            to_client: self.client_expects.load(Relaxed),
            to_server: self.server_expects.load(Relaxed),
        })
    }

    /// The next `count` datagrams of the client are to carry its address.
    pub fn introduce(&self, count: u8) {
        self.introductions.store(count, Relaxed);
    }

    /// Whether the next datagram is to carry it.
    #[inline]
    pub fn introduces(&self) -> bool {
        self.introductions.load(Relaxed) != 0
    }

    /// A datagram has carried it. Two CPUs may count two as one: the server hears it once more.
    pub fn introduced(&self) {
        let left = self.introductions.load(Relaxed);
        self.introductions.store(left.saturating_sub(1), Relaxed);
    }
}
