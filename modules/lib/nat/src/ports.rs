// SPDX-License-Identifier: GPL-2.0

//! The ports of one local address towards one server.
//!
//! Handed out so that a port comes back as late as possible: first those that have rested for longer
//! than a TIME_WAIT lasts, in the order in which they came back; then those that were never used; and
//! only when there are none, those that rest. Every port of the range can be had, to the last one, and
//! each call does a fixed amount of work.
//!
//! The records of the ports, eight bytes each, come in chunks from the caller's memory, as ports are
//! touched: a server that sees few connections costs one chunk.
//!
//! Counterpart: `sa_pool` of DPVS, which splits the range among cores and servers.

use crate::{LastUse, Port};

/// Records in a chunk.
pub const CHUNK: usize = 1024;

/// Seconds a port rests before it is preferred to a new one: longer than Linux's TIME_WAIT (60 s).
pub const REST: u16 = 64;

/// Ends a list, and marks a port that is in use. Port zero is never handed out.
const NONE: u16 = 0;

/// What is known of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    end_seq: u32,
    freed_at: u16,
    next: u16,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
enum State {
    #[default]
    New,
    Used,
    /// Resting; the server remembers nothing of it.
    Free,
    /// Resting; the server may remember `end_seq`.
    Remembered,
}

/// Memory for records.
pub trait Records {
    /// The chunk with this number, 0 to 63, zeroed when it is new; `None` if there is no memory.
    fn chunk(&mut self, index: usize) -> Option<&mut [Record; CHUNK]>;
}

/// Why there is no port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortError {
    /// All are in use.
    Exhausted,
    /// There is no memory for the record of the port.
    NoMemory,
}

/// The port that was to be given back is not in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAllocated;

/// A port and its past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// The port.
    pub port: Port,
    /// What the server may remember of it.
    pub last: Option<LastUse>,
}

/// The ports of a range.
///
/// # Invariants
///
/// - A port of the range is new (`fresh` has not come to it), in use, or in the list from `oldest` to
///   `newest`, once.
/// - `used` is the number of those in use.
#[derive(Clone, Copy, Debug)]
pub struct PortPool {
    min: u16,
    max: u16,
    /// Ports handed out for the first time so far, from `start` on, around the range.
    fresh: u32,
    start: u16,
    oldest: u16,
    newest: u16,
    used: u32,
}

fn record(records: &mut impl Records, port: u16) -> Option<&mut Record> {
    // CAST: Lossless.
    let (chunk, at) = (usize::from(port) / CHUNK, usize::from(port) % CHUNK);
    records.chunk(chunk)?.get_mut(at)
}

impl PortPool {
    /// All ports from `min` to `max`, not zero; `seed` chooses where to begin.
    pub fn new(min: u16, max: u16, seed: u16) -> Self {
        let (min, max) = (min.max(1), max.max(min).max(1));
        let size = u32::from(max).saturating_sub(u32::from(min)).saturating_add(1);
        // CAST: Less than the size of the range, so that the sum is a port.
        let offset = u32::from(seed).checked_rem(size).unwrap_or(0) as u16;
        Self {
            min,
            max,
            fresh: 0,
            start: min.saturating_add(offset),
            oldest: NONE,
            newest: NONE,
            used: 0,
        }
    }

    /// Changes the range. Ports in use stay so until they come back.
    pub fn set_range(&mut self, min: u16, max: u16) {
        let (min, max) = (min.max(1), max.max(min).max(1));
        if (min, max) != (self.min, self.max) {
            // All ports of the new range are looked at again; those with a record keep it.
            (self.min, self.max, self.fresh, self.start) = (min, max, 0, min);
        }
    }

    /// The number of ports of the range.
    pub fn size(&self) -> u32 {
        u32::from(self.max).saturating_sub(u32::from(self.min)).saturating_add(1)
    }

    /// The number of ports in use.
    pub fn in_use(&self) -> u32 {
        self.used
    }

    /// Whether no port is in use, and no server remembers one.
    pub fn is_at_rest(&self, records: &mut impl Records, now: u16) -> bool {
        self.used == 0
            && (self.newest == NONE
                || record(records, self.newest)
                    .is_none_or(|newest| now.wrapping_sub(newest.freed_at) >= REST))
    }

    fn is_in_range(&self, port: u16) -> bool {
        (self.min..=self.max).contains(&port)
    }

    /// Takes the port that has rested longest. `now` is in seconds, and may wrap: a port that has
    /// rested for a multiple of 18 hours looks as if it had not, which costs it a turn.
    pub fn allocate(
        &mut self,
        records: &mut impl Records,
        now: u16,
    ) -> Result<Allocation, PortError> {
        if let Some(found) = self.take_oldest(records, |record| {
            now.wrapping_sub(record.freed_at) >= REST
        }) {
            return Ok(Allocation { port: found.port, last: None });
        }
        match self.take_fresh(records) {
            Ok(port) => return Ok(Allocation { port, last: None }),
            Err(PortError::Exhausted) => {}
            Err(PortError::NoMemory) => {
                return self.take_oldest(records, |_| true).ok_or(PortError::NoMemory);
            }
        }
        self.take_oldest(records, |_| true).ok_or(PortError::Exhausted)
    }

    /// Takes the port at the head of the list, if it is there and `ready`.
    fn take_oldest(
        &mut self,
        records: &mut impl Records,
        ready: impl Fn(&Record) -> bool,
    ) -> Option<Allocation> {
        // BOUND: Ports that a change of the range has put out of it leave the list for good; the
        // list is walked for them once per change.
        while self.oldest != NONE {
            let port = self.oldest;
            let is_in_range = self.is_in_range(port);
            let record = record(records, port)?;
            if is_in_range && !ready(record) {
                return None;
            }
            let last = (record.state == State::Remembered)
                .then_some(LastUse { end_seq: record.end_seq });
            self.oldest = record.next;
            record.next = NONE;
            record.state = if is_in_range { State::Used } else { State::New };
            if self.oldest == NONE {
                self.newest = NONE;
            }
            if is_in_range {
                self.used = self.used.saturating_add(1);
                return Some(Allocation { port: Port(port), last });
            }
        }
        None
    }

    /// Takes a port that was never used.
    fn take_fresh(&mut self, records: &mut impl Records) -> Result<Port, PortError> {
        let size = self.size();
        // BOUND: Ports that have a record from an earlier range are passed over; each port of the
        // range is looked at once per change of it.
        while self.fresh < size {
            let port = self.fresh_port();
            let record = record(records, port).ok_or(PortError::NoMemory)?;
            self.fresh = self.fresh.saturating_add(1);
            if record.state == State::New {
                record.state = State::Used;
                self.used = self.used.saturating_add(1);
                return Ok(Port(port));
            }
        }
        Err(PortError::Exhausted)
    }

    /// The next port in the round through the range.
    fn fresh_port(&self) -> u16 {
        let from_min = u32::from(self.start)
            .saturating_sub(u32::from(self.min))
            .saturating_add(self.fresh)
            .checked_rem(self.size())
            .unwrap_or(0);
        // CAST: Less than the size of the range.
        self.min.saturating_add(from_min as u16)
    }

    /// Gives a port back. `last` is what the server may remember of it.
    pub fn release(
        &mut self,
        records: &mut impl Records,
        port: Port,
        last: Option<LastUse>,
        now: u16,
    ) -> Result<(), NotAllocated> {
        let Port(port) = port;
        let is_in_range = self.is_in_range(port);
        let freed = record(records, port).filter(|r| r.state == State::Used).ok_or(NotAllocated)?;
        *freed = Record {
            end_seq: last.map_or(0, |last| last.end_seq),
            freed_at: now,
            next: NONE,
            state: match (is_in_range, last) {
                (false, _) => State::New,
                (true, None) => State::Free,
                (true, Some(_)) => State::Remembered,
            },
        };
        self.used = self.used.saturating_sub(1);
        if !is_in_range {
            return Ok(());
        }
        match self.newest {
            NONE => self.oldest = port,
            newest => {
                if let Some(newest) = record(records, newest) {
                    newest.next = port;
                }
            }
        }
        self.newest = port;
        Ok(())
    }
}
