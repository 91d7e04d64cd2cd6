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

/// Ends a list, and is the `next` of a port that is in none. Port zero is never handed out.
const NONE: u16 = 0;

/// The `end_seq` of a port that is in use.
const IN_USE: u32 = 1;

/// What is known of a port.
///
/// # Invariants
///
/// - New, the state of zeroed memory: all fields are zero.
/// - In use: `next` is [`NONE`] and `end_seq` is [`IN_USE`].
/// - Resting: `next` is the port that came back after this one, or this one if none has; `end_seq` is
///   what the server may remember, or zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    end_seq: u32,
    /// In seconds of the caller's clock.
    freed_at: u16,
    next: u16,
}

impl Record {
    const NEW: Record = Record {
        end_seq: 0,
        freed_at: 0,
        next: NONE,
    };
    const USED: Record = Record {
        end_seq: IN_USE,
        freed_at: 0,
        next: NONE,
    };

    /// The last of the list.
    #[inline]
    fn resting(port: u16, last: Option<LastUse>, now: u16) -> Self {
        // A server that expects number zero next is as well described by number one.
        Self {
            end_seq: last.map_or(0, |last| last.end_seq.max(1)),
            freed_at: now,
            next: port,
        }
    }

    #[inline]
    fn last_use(&self) -> Option<LastUse> {
        (self.end_seq != 0).then_some(LastUse {
            end_seq: self.end_seq,
        })
    }

    /// Whether the port has rested long enough. The clock wraps after 18 hours: for a minute after
    /// each of its rounds an old port looks like a young one, and may be passed over, or cost its
    /// connection a shift that was not needed.
    fn has_rested(&self, now: u16) -> bool {
        now.wrapping_sub(self.freed_at) >= REST
    }
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
/// - A port of the range is new, in use, or in the list from `oldest` to `newest`, once. A port out of
///   the range may be in use or in the list, from a time when the range was another; it leaves them
///   and is new then.
/// - `fresh` ports have been looked at in the round through the range; none of them is new.
/// - `used` is the number of ports in use.
#[derive(Clone, Copy, Debug)]
pub struct PortPool {
    min: u16,
    max: u16,
    fresh: u32,
    /// Where the round begins, as a distance from `min`, modulo the size of the range.
    seed: u16,
    oldest: u16,
    newest: u16,
    used: u32,
}

fn record(records: &mut impl Records, port: u16) -> Option<&mut Record> {
    // CAST: Lossless.
    let (chunk, at) = (usize::from(port) / CHUNK, usize::from(port) % CHUNK);
    records.chunk(chunk)?.get_mut(at)
}

/// A range without port zero, with one port at least.
fn range(min: u16, max: u16) -> (u16, u16) {
    let min = min.max(1);
    (min, max.max(min))
}

impl PortPool {
    /// All ports from `min` to `max`, not zero; `seed` chooses where to begin.
    pub fn new(min: u16, max: u16, seed: u16) -> Self {
        let (min, max) = range(min, max);
        Self {
            min,
            max,
            fresh: 0,
            seed,
            oldest: NONE,
            newest: NONE,
            used: 0,
        }
    }

    /// Changes the range. Ports in use stay so until they come back; ports out of the new range are
    /// not handed out any more.
    pub fn set_range(&mut self, min: u16, max: u16) {
        let (min, max) = range(min, max);
        if (min, max) != (self.min, self.max) {
            // All ports of the new range are looked at again; those with a record keep it.
            (self.min, self.max, self.fresh) = (min, max, 0);
        }
    }

    /// The number of ports of the range.
    #[inline]
    pub fn size(&self) -> u32 {
        u32::from(self.max)
            .saturating_sub(u32::from(self.min))
            .saturating_add(1)
    }

    /// The number of ports in use, those included that a change of the range has put out of it.
    pub fn in_use(&self) -> u32 {
        self.used
    }

    /// Whether no port is in use, and no server remembers one.
    pub fn is_at_rest(&self, records: &mut impl Records, now: u16) -> bool {
        self.used == 0
            && (self.newest == NONE
                || record(records, self.newest).is_none_or(|newest| newest.has_rested(now)))
    }

    #[inline]
    fn is_in_range(&self, port: u16) -> bool {
        (self.min..=self.max).contains(&port)
    }

    /// Takes the port that has rested longest. `now` is in seconds and wraps.
    ///
    /// Without memory for a new port's record, a port that has one is taken, if one is free.
    pub fn allocate(
        &mut self,
        records: &mut impl Records,
        now: u16,
    ) -> Result<Allocation, PortError> {
        if let Some(Allocation { port, .. }) =
            self.take_oldest(records, |record| record.has_rested(now))
        {
            return Ok(Allocation { port, last: None });
        }
        match self.take_fresh(records) {
            Ok(port) => Ok(Allocation { port, last: None }),
            Err(reason) => self.take_oldest(records, |_| true).ok_or(reason),
        }
    }

    /// Takes the port at the head of the list, if it is there and `ready`.
    fn take_oldest(
        &mut self,
        records: &mut impl Records,
        ready: impl Fn(&Record) -> bool,
    ) -> Option<Allocation> {
        // BOUND: A second round only for a port that a change of the range has put out of it; such
        // ports leave the list for good, each once per change.
        while self.oldest != NONE {
            let port = self.oldest;
            let is_in_range = self.is_in_range(port);
            let record = record(records, port)?;
            if is_in_range && !ready(record) {
                return None;
            }
            let (last, next) = (record.last_use(), record.next);
            *record = if is_in_range {
                Record::USED
            } else {
                Record::NEW
            };
            if next == port {
                (self.oldest, self.newest) = (NONE, NONE);
            } else {
                self.oldest = next;
            }
            if is_in_range {
                self.used = self.used.saturating_add(1);
                return Some(Allocation {
                    port: Port::new(port),
                    last,
                });
            }
        }
        None
    }

    /// Takes a port that was never used.
    fn take_fresh(&mut self, records: &mut impl Records) -> Result<Port, PortError> {
        // BOUND: A second round only for a port that has a record from an earlier range; each port of
        // the range is looked at once per change of it.
        while self.fresh < self.size() {
            let port = self.fresh_port();
            let record = record(records, port).ok_or(PortError::NoMemory)?;
            self.fresh = self.fresh.saturating_add(1);
            if *record == Record::NEW {
                *record = Record::USED;
                self.used = self.used.saturating_add(1);
                return Ok(Port::new(port));
            }
        }
        Err(PortError::Exhausted)
    }

    /// The next port in the round through the range.
    #[inline]
    fn fresh_port(&self) -> u16 {
        let from_min = u32::from(self.seed)
            .saturating_add(self.fresh)
            .checked_rem(self.size());
        // CAST: Less than the size of the range, so that the sum is a port of it.
        self.min.saturating_add(from_min.unwrap_or(0) as u16)
    }

    /// Gives a port back. `last` is what the server may remember of it.
    pub fn release(
        &mut self,
        records: &mut impl Records,
        port: Port,
        last: Option<LastUse>,
        now: u16,
    ) -> Result<(), NotAllocated> {
        let port = port.number();
        let is_in_range = self.is_in_range(port);
        let freed = record(records, port)
            .filter(|r| **r == Record::USED)
            .ok_or(NotAllocated)?;
        *freed = if is_in_range {
            Record::resting(port, last, now)
        } else {
            Record::NEW
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
