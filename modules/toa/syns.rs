// SPDX-License-Identifier: GPL-2.0

//! What SYNs have said about clients, for senders that say it nowhere else.
//!
//! A socket is made from the handshake's last segment. If that names nobody, the SYN before it may have:
//! the one between the same ends, in the same namespace, with the sequence number the connection began
//! with. So a SYN that was missed, or belongs to another connection of the same ends, never counts.
//!
//! Room is bounded and taken from the oldest when there is none: a flood of SYNs costs those their
//! clients that are in the middle of a handshake, and nothing else. Softirq.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use kernel::alloc::KVVec;
use kernel::prelude::*;
use kernel_net::lock::SpinLockBh;
use kernel_net::random;
use kernel_net::sock::Endpoint;
use wire::toa_forms::Named;

/// Buckets, a power of two.
const BUCKETS: usize = 1024;
/// SYNs in a bucket.
const WAYS: usize = 4;

/// Which connection a SYN begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Beginning {
    /// Where its namespace lies in memory.
    pub(crate) net: usize,
    /// Who sends it.
    pub(crate) peer: Endpoint,
    /// Whom it is for.
    pub(crate) local: Endpoint,
    /// Its sequence number.
    pub(crate) sequence: u32,
}

impl Beginning {
    /// Whether both are of the same ends, perhaps one after the other.
    fn is_of_ends(&self, other: &Self) -> bool {
        self.net == other.net && self.peer == other.peer && self.local == other.local
    }
}

#[derive(Clone, Copy)]
struct Syn {
    beginning: Beginning,
    client: Named,
}

/// The oldest last.
type Bucket = [Option<Syn>; WAYS];

/// The SYNs of all namespaces.
pub(crate) struct Syns {
    buckets: KVVec<Pin<KBox<SpinLockBh<Bucket>>>>,
    seed: u64,
    /// Whether there has been any. Most hosts never get one.
    any: AtomicBool,
}

impl Syns {
    /// Room for SYNs. Process context.
    pub(crate) fn new() -> Result<Self> {
        let mut buckets = KVVec::with_capacity(BUCKETS, GFP_KERNEL)?;
        // BOUND: The capacity just reserved.
        for _ in 0..BUCKETS {
            let bucket = KBox::pin_init(SpinLockBh::new([None; WAYS]), GFP_KERNEL)?;
            buckets.push_within_capacity(bucket).map_err(|_| ENOMEM)?;
        }
        Ok(Self {
            buckets,
            seed: random::u64(),
            any: AtomicBool::new(false),
        })
    }

    /// Remembers what a SYN says; whether another one had to be forgotten for it.
    pub(crate) fn remember(&self, beginning: Beginning, client: Named) -> bool {
        let Some(bucket) = self.bucket(&beginning) else {
            return false;
        };
        let syn = Syn { beginning, client };
        let is_it = |old: &Syn| old.beginning.is_of_ends(&beginning);
        let mut syns = bucket.lock();
        let mut next = Some(syn);
        // Each moves one place on, up to a free one or that of an older SYN of the same ends.
        // BOUND: `WAYS`.
        for place in syns.iter_mut() {
            let old = core::mem::replace(place, next.take());
            if old.as_ref().is_none_or(is_it) {
                break;
            }
            next = old;
        }
        // ORDERING: None is needed. Who makes a socket of this connection runs after its SYN-ACK.
        self.any.store(true, Relaxed);
        next.is_some()
    }

    /// What the SYN of a connection has said, if it is known. It is forgotten.
    pub(crate) fn take(&self, beginning: impl FnOnce() -> Beginning) -> Option<Named> {
        // ORDERING: As in `remember`.
        if !self.any.load(Relaxed) {
            return None;
        }
        let beginning = beginning();
        let mut syns = self.bucket(&beginning)?.lock();
        // BOUND: `WAYS`.
        let place = syns
            .iter_mut()
            .find(|syn| syn.is_some_and(|syn| syn.beginning == beginning))?;
        place.take().map(|syn| syn.client)
    }

    fn bucket(&self, beginning: &Beginning) -> Option<&SpinLockBh<Bucket>> {
        let Beginning { peer, local, .. } = beginning;
        // Directors have few addresses and use all their ports: what differs is in the last 64 bits of
        // the peer and its port. Others may collide; there is room for a few.
        // CAST: The last 64 bits.
        let number = (u128::from(peer.address) as u64).rotate_left(32)
            ^ (u64::from(peer.port) << 16 | u64::from(local.port))
            ^ self.seed;
        // CAST: The upper half is what the multiplication has mixed best.
        let hash = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize;
        let bucket = self.buckets.get(hash & (BUCKETS - 1))?;
        Some(bucket)
    }
}
