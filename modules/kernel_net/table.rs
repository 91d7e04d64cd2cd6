// SPDX-License-Identifier: GPL-2.0

//! A hash table that is read under RCU and written under bucket locks.
//!
//! Entries are linked through themselves and owned by the table from [`Table::insert`] to
//! [`Table::remove`]. Lookups take no lock, write no shared memory and make one dependent load per
//! entry of a chain. Sized once: chains grow with the number of entries, by design at most a few.
//!
//! Kernel counterpart: `include/linux/rculist.h` (`hlist`), without back links.

use core::pin::Pin;
use core::ptr::{null_mut, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};
use kernel::alloc::{flags, KVVec};
use kernel::prelude::*;
use kernel::sync::SetOnce;

use crate::lock::SpinLockBh;
use crate::rcu::{self, RcuBox};

/// Locks for all buckets; writers are connection set-up and tear-down, so a few are enough.
const LOCKS: usize = 64;

/// Links an entry into its chain.
pub struct Link<T> {
    next: AtomicPtr<T>,
}

impl<T> Link<T> {
    /// Of an entry that is in no table.
    pub const fn new() -> Self {
        Self {
            next: AtomicPtr::new(null_mut()),
        }
    }
}

impl<T> Default for Link<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// What can be put into a [`Table`].
pub trait Entry: Send + Sync + Sized + 'static {
    /// The link the table uses; an entry is in one table at most.
    fn link(&self) -> &Link<Self>;
}

/// The table. Until it is given its buckets, it is empty and takes nothing.
///
/// # Invariants
///
/// Every pointer in a chain comes from [`RcuBox::into_raw`]; the table owns it until it is unlinked
/// under the lock of its bucket.
pub struct Table<T: Entry> {
    storage: SetOnce<Storage<T>>,
}

/// # Invariants
///
/// The number of buckets is a power of two.
struct Storage<T: Entry> {
    buckets: KVVec<AtomicPtr<T>>,
    locks: KVVec<Pin<KBox<SpinLockBh<()>>>>,
}

impl<T: Entry> Storage<T> {
    fn new(bits: u32) -> Result<Self> {
        let size = 1usize.checked_shl(bits).ok_or(EINVAL)?;
        let mut buckets = KVVec::with_capacity(size, flags::GFP_KERNEL)?;
        // BOUND: The capacity just reserved.
        for _ in 0..size {
            buckets
                .push_within_capacity(AtomicPtr::new(null_mut()))
                .map_err(|_| ENOMEM)?;
        }
        let mut locks = KVVec::with_capacity(LOCKS, flags::GFP_KERNEL)?;
        for _ in 0..LOCKS {
            let lock = KBox::pin_init(SpinLockBh::new(()), flags::GFP_KERNEL)?;
            locks.push_within_capacity(lock).map_err(|_| ENOMEM)?;
        }
        // INVARIANT: One shifted left is a power of two.
        Ok(Self { buckets, locks })
    }
}

impl<T: Entry> Table<T> {
    /// A table without buckets.
    pub const fn empty() -> Self {
        Self {
            storage: SetOnce::new(),
        }
    }

    /// A table of 2^`bits` buckets. Process context.
    pub fn new(bits: u32) -> Result<Self> {
        let table = Self::empty();
        table.reserve(bits)?;
        Ok(table)
    }

    /// Gives the table 2^`bits` buckets, unless it has some. Process context.
    pub fn reserve(&self, bits: u32) -> Result {
        if self.storage.as_ref().is_none() {
            // Another thread may have been quicker: its buckets are as good.
            self.storage.populate(Storage::new(bits)?);
        }
        Ok(())
    }

    fn bucket(&self, hash: u32) -> Option<&AtomicPtr<T>> {
        self.storage.as_ref()?.buckets.get(self.bucket_of(hash))
    }

    fn lock(&self, hash: u32) -> Option<crate::lock::Guard<'_, ()>> {
        // CAST: A hash has 32 bits, `usize` at least as many on every kernel Rust supports.
        let lock = self.storage.as_ref()?.locks.get(hash as usize % LOCKS);
        lock.map(|lock| lock.lock())
    }

    /// The entry of that hash for which `is_it` holds.
    #[inline]
    pub fn find<'a>(
        &'a self,
        hash: u32,
        _guard: &'a rcu::Guard,
        is_it: impl Fn(&T) -> bool,
    ) -> Option<&'a T> {
        // ORDERING: Acquire pairs with the release in `insert`.
        let mut next = self.bucket(hash)?.load(Ordering::Acquire);
        // BOUND: The length of the chain: `insert` only adds at the head, so none is met twice.
        // SAFETY: By the invariant the pointers are valid; unlinked entries live until a grace
        // period has passed, which the guard holds off.
        while let Some(entry) = unsafe { next.as_ref() } {
            if is_it(entry) {
                return Some(entry);
            }
            next = entry.link().next.load(Ordering::Acquire);
        }
        None
    }

    /// Links an entry under the hash of its key, unless `same` says that one like it is there already;
    /// then it comes back.
    pub fn insert(
        &self,
        hash: u32,
        entry: RcuBox<T>,
        same: impl Fn(&T) -> bool,
    ) -> Result<&T, RcuBox<T>> {
        let (Some(bucket), Some(_lock)) = (self.bucket(hash), self.lock(hash)) else {
            return Err(entry);
        };
        let head = bucket.load(Ordering::Relaxed);
        let mut next = head;
        // BOUND: The length of the chain.
        // SAFETY: By the invariant, and under the lock nothing is unlinked.
        while let Some(other) = unsafe { next.as_ref() } {
            if same(other) {
                return Err(entry);
            }
            next = other.link().next.load(Ordering::Relaxed);
        }
        entry.link().next.store(head, Ordering::Relaxed);
        let raw = entry.into_raw();
        // INVARIANT: The pointer comes from `into_raw`.
        // ORDERING: Release pairs with the acquire in `find`: the entry is seen initialised.
        bucket.store(raw.as_ptr(), Ordering::Release);
        // SAFETY: The table owns the entry; the caller knows how long it stays in.
        Ok(unsafe { &*raw.as_ptr() })
    }

    /// Unlinks an entry, given the hash it was linked under; what comes back is dropped after a grace
    /// period.
    pub fn remove(&self, hash: u32, entry: &T) -> Option<RcuBox<T>> {
        let (bucket, _lock) = (self.bucket(hash)?, self.lock(hash)?);
        let mut place = bucket;
        // BOUND: The length of the chain.
        loop {
            let here = NonNull::new(place.load(Ordering::Relaxed))?;
            // SAFETY: By the invariant, and under the lock nothing is unlinked.
            let link = unsafe { &(*here.as_ptr()).link().next };
            if core::ptr::eq(here.as_ptr(), entry) {
                // ORDERING: Release pairs with `find`: a reader on this entry goes on to the rest.
                place.store(link.load(Ordering::Relaxed), Ordering::Release);
                // SAFETY: By the invariant it comes from `into_raw`, and it is unlinked now.
                return Some(unsafe { RcuBox::from_raw(here) });
            }
            place = link;
        }
    }

    /// The bucket of a hash, for [`visit`](Self::visit).
    pub fn bucket_of(&self, hash: u32) -> usize {
        // CAST: As in `lock`.
        hash as usize & self.size().wrapping_sub(1)
    }

    /// The number of buckets, for [`visit`](Self::visit).
    pub fn size(&self) -> usize {
        self.storage
            .as_ref()
            .map_or(0, |storage| storage.buckets.len())
    }

    /// Calls `visitor` for each entry of one bucket.
    pub fn visit(&self, bucket: usize, _guard: &rcu::Guard, mut visitor: impl FnMut(&T)) {
        let Some(head) = self.storage.as_ref().and_then(|s| s.buckets.get(bucket)) else {
            return;
        };
        let mut next = head.load(Ordering::Acquire);
        // BOUND: The length of the chain. An entry that is unlinked meanwhile still leads on.
        // SAFETY: As in `find`.
        while let Some(entry) = unsafe { next.as_ref() } {
            next = entry.link().next.load(Ordering::Acquire);
            visitor(entry);
        }
    }
}

impl<T: Entry> Drop for Table<T> {
    fn drop(&mut self) {
        // BOUND: The number of entries.
        let Some(storage) = self.storage.as_ref() else {
            return;
        };
        for bucket in &storage.buckets {
            let mut next = bucket.swap(null_mut(), Ordering::Acquire);
            while let Some(entry) = NonNull::new(next) {
                // SAFETY: By the invariant the table owns the entry; nobody looks any more.
                let entry = unsafe { RcuBox::from_raw(entry) };
                next = entry.link().next.load(Ordering::Relaxed);
            }
        }
    }
}
