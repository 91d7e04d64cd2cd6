// SPDX-License-Identifier: GPL-2.0

//! A hash table that is read under RCU and written under bucket locks.
//!
//! Entries are linked through themselves, once for each key they are found by, and owned by the table
//! from [`Table::insert`] to [`Table::remove`]. Lookups take no lock, write no shared memory and make one dependent load per
//! entry of a chain. Sized once: chains grow with the number of entries, by design at most a few.
//!
//! Kernel counterpart: `include/linux/rculist.h` (`hlist`), without back links.

use core::marker::PhantomData;
use core::pin::Pin;
use core::ptr::{null_mut, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};
use kernel::alloc::{flags, KVVec};
use kernel::prelude::*;

use crate::lock::SpinLockBh;
use crate::rcu::{self, RcuBox};

/// Locks for all buckets; writers are connection set-up and tear-down, so a few are enough.
const LOCKS: usize = 64;

/// By which of its keys an entry is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The one that no two entries share.
    First,
    /// Another one.
    Second,
}

/// What a chain leads to: an entry, and the key it is in the chain by, which goes in the lowest bit.
///
/// # Invariants
///
/// The pointer without that bit is null, or what [`RcuBox::into_raw`] returned.
struct Step<T>(*mut T);

impl<T> Clone for Step<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Step<T> {}

impl<T> Step<T> {
    /// Entries start with a pointer at least.
    const ALIGNED: () = assert!(align_of::<T>() > 1);

    fn to(entry: NonNull<T>, key: Key) -> Self {
        let () = Self::ALIGNED;
        // INVARIANT: The bit is taken off again.
        Self(entry.as_ptr().map_addr(|address| match key {
            Key::First => address,
            Key::Second => address | 1,
        }))
    }

    #[inline]
    fn key(self) -> Key {
        match self.0.addr() & 1 {
            0 => Key::First,
            _ => Key::Second,
        }
    }

    #[inline]
    fn entry(self) -> *mut T {
        self.0.map_addr(|address| address & !1)
    }
}

/// Links an entry into a chain.
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
    /// Whether it is found by a second key, too.
    const HAS_SECOND: bool = false;

    /// The link the table uses for a key; an entry is in one table at most.
    fn link(&self, key: Key) -> &Link<Self>;
}

/// Hashes of the keys of an entry.
#[derive(Clone, Copy)]
pub struct Hashes {
    /// Of the first one.
    pub first: u32,
    /// Of the second one, if entries have one.
    pub second: u32,
}

impl From<u32> for Hashes {
    fn from(first: u32) -> Self {
        Self { first, second: 0 }
    }
}

/// The table. Until it is given its buckets, it is empty and takes nothing.
///
/// # Invariants
///
/// Every pointer in a chain comes from [`RcuBox::into_raw`]; the table owns it until it is unlinked
/// under the lock of its bucket. `storage` is null or comes from a `KBox`, and stays once it is there.
pub struct Table<T: Entry> {
    storage: AtomicPtr<Storage<T>>,
    _owned: PhantomData<KBox<Storage<T>>>,
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
            storage: AtomicPtr::new(null_mut()),
            _owned: PhantomData,
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
        if self.storage().is_none() {
            let new = KBox::into_raw(KBox::new(Storage::new(bits)?, flags::GFP_KERNEL)?);
            // ORDERING: Release pairs with the acquire in `storage`: the buckets are seen initialised.
            let swapped = self.storage.compare_exchange(
                null_mut(),
                new,
                Ordering::Release,
                Ordering::Relaxed,
            );
            if swapped.is_err() {
                // Another thread was quicker: its buckets are as good.
                // SAFETY: It comes from `into_raw`, and nobody has seen it.
                drop(unsafe { KBox::from_raw(new) });
            }
        }
        Ok(())
    }

    #[inline]
    fn storage(&self) -> Option<&Storage<T>> {
        // SAFETY: By the invariant it is null, or there as long as the table.
        unsafe { self.storage.load(Ordering::Acquire).as_ref() }
    }

    #[inline]
    fn bucket(&self, hash: u32) -> Option<&AtomicPtr<T>> {
        let buckets = &self.storage()?.buckets;
        // CAST: As in `lock`.
        buckets.get(hash as usize & buckets.len().wrapping_sub(1))
    }

    fn lock(&self, hash: u32) -> Option<crate::lock::Guard<'_, ()>> {
        // CAST: A hash has 32 bits, `usize` at least as many on every kernel Rust supports.
        let lock = self.storage()?.locks.get(hash as usize % LOCKS);
        lock.map(|lock| lock.lock())
    }

    /// The entries that a hash leads to, each with the key it is there by; entries of other hashes may be
    /// among them.
    #[inline(always)]
    pub fn entries<'a>(&'a self, hash: u32, _guard: &'a rcu::Guard) -> Entries<'a, T> {
        // INVARIANT: By that of the table; the guard is borrowed as long.
        Entries {
            place: self.bucket(hash),
        }
    }

    /// The entry of that hash for which `is_it` holds by one of its keys.
    pub fn find<'a>(
        &'a self,
        hash: u32,
        guard: &'a rcu::Guard,
        mut is_it: impl FnMut(&T, Key) -> bool,
    ) -> Option<(&'a T, Key)> {
        self.entries(hash, guard)
            .find(|(entry, key)| is_it(entry, *key))
    }

    /// Calls `visitor` for each entry of the chain a hash leads to, and the key it is there by.
    pub fn each(&self, hash: u32, guard: &rcu::Guard, mut visitor: impl FnMut(&T, Key)) {
        self.find(hash, guard, |entry, key| {
            visitor(entry, key);
            false
        });
    }

    /// Links an entry under the hashes of its keys, unless `same` says that another one has its first
    /// key already; then it comes back.
    pub fn insert(
        &self,
        hashes: impl Into<Hashes>,
        entry: RcuBox<T>,
        same: impl Fn(&T) -> bool,
    ) -> Result<&T, RcuBox<T>> {
        let Hashes { first, second } = hashes.into();
        let entry = self.insert_first(first, entry, same)?;
        if T::HAS_SECOND {
            if let (Some(bucket), Some(_lock)) = (self.bucket(second), self.lock(second)) {
                Self::link(bucket, entry, Key::Second);
            }
        }
        Ok(entry)
    }

    fn insert_first(
        &self,
        hash: u32,
        entry: RcuBox<T>,
        same: impl Fn(&T) -> bool,
    ) -> Result<&T, RcuBox<T>> {
        let (Some(bucket), Some(_lock)) = (self.bucket(hash), self.lock(hash)) else {
            return Err(entry);
        };
        let mut step = Step(bucket.load(Ordering::Relaxed));
        // BOUND: The length of the chain.
        // SAFETY: By the invariant, and under the lock nothing is unlinked.
        while let Some(other) = unsafe { step.entry().as_ref() } {
            let key = step.key();
            if key == Key::First && same(other) {
                return Err(entry);
            }
            step = Step(other.link(key).next.load(Ordering::Relaxed));
        }
        let raw = entry.into_raw();
        // SAFETY: The table owns the entry; the caller knows how long it stays in.
        let entry = unsafe { &*raw.as_ptr() };
        Self::link(bucket, entry, Key::First);
        Ok(entry)
    }

    /// Makes an entry the first of a chain, under the lock of its bucket.
    fn link(bucket: &AtomicPtr<T>, entry: &T, key: Key) {
        let head = bucket.load(Ordering::Relaxed);
        entry.link(key).next.store(head, Ordering::Relaxed);
        let step = Step::to(NonNull::from(entry), key);
        // INVARIANT: The pointer comes from `into_raw`.
        // ORDERING: Release pairs with the acquire in `find`: the entry is seen initialised.
        bucket.store(step.0, Ordering::Release);
    }

    /// Unlinks an entry, given the hashes it was linked under; what comes back is dropped after a grace
    /// period.
    pub fn remove(&self, hashes: impl Into<Hashes>, entry: &T) -> Option<RcuBox<T>> {
        let Hashes { first, second } = hashes.into();
        let raw = self.unlink(first, entry, Key::First)?;
        if T::HAS_SECOND {
            // While it is in a chain it must not be freed.
            self.unlink(second, entry, Key::Second)?;
        }
        // SAFETY: By the invariant it comes from `into_raw`, and no chain leads to it any more.
        Some(unsafe { RcuBox::from_raw(raw) })
    }

    fn unlink(&self, hash: u32, entry: &T, key: Key) -> Option<NonNull<T>> {
        let (bucket, _lock) = (self.bucket(hash)?, self.lock(hash)?);
        let mut place = bucket;
        // BOUND: The length of the chain.
        loop {
            let step = Step(place.load(Ordering::Relaxed));
            let here = NonNull::new(step.entry())?;
            // SAFETY: By the invariant, and under the lock nothing is unlinked.
            let link = unsafe { &(*here.as_ptr()).link(step.key()).next };
            if core::ptr::eq(here.as_ptr(), entry) && step.key() == key {
                // ORDERING: Release pairs with `find`: a reader on this entry goes on to the rest.
                place.store(link.load(Ordering::Relaxed), Ordering::Release);
                return Some(here);
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
        self.storage().map_or(0, |storage| storage.buckets.len())
    }

    /// Calls `visitor` for each entry that has its first key in one bucket.
    pub fn visit(&self, bucket: usize, _guard: &rcu::Guard, mut visitor: impl FnMut(&T)) {
        let Some(head) = self.storage().and_then(|s| s.buckets.get(bucket)) else {
            return;
        };
        let mut step = Step(head.load(Ordering::Acquire));
        // BOUND: The length of the chain. An entry that is unlinked meanwhile still leads on.
        // SAFETY: As in `find`.
        while let Some(entry) = unsafe { step.entry().as_ref() } {
            let key = step.key();
            step = Step(entry.link(key).next.load(Ordering::Acquire));
            if key == Key::First {
                visitor(entry);
            }
        }
    }
}

/// What [`Table::entries`] goes through.
///
/// # Invariants
///
/// `place` is in a chain of a table, or was when RCU was taken, which is held for `'a`.
pub struct Entries<'a, T> {
    place: Option<&'a AtomicPtr<T>>,
}

impl<'a, T: Entry> Iterator for Entries<'a, T> {
    type Item = (&'a T, Key);

    // BOUND: The length of the chain: `link` only adds at the head, so none is met twice.
    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        // ORDERING: Acquire pairs with the release in `link`.
        let step = Step(self.place?.load(Ordering::Acquire));
        // SAFETY: By the invariant; unlinked entries live until a grace period has passed.
        let entry = unsafe { step.entry().as_ref() }?;
        let key = step.key();
        self.place = Some(&entry.link(key).next);
        Some((entry, key))
    }
}

impl<T: Entry> Drop for Table<T> {
    fn drop(&mut self) {
        let Some(storage) = NonNull::new(*self.storage.get_mut()) else {
            return;
        };
        // SAFETY: By the invariant it comes from a `KBox`, and nobody looks any more.
        let storage = unsafe { KBox::from_raw(storage.as_ptr()) };
        let _guard = rcu::read_lock();
        // BOUND: The number of entries, by each key.
        for bucket in &storage.buckets {
            let mut step = Step(bucket.load(Ordering::Acquire));
            while let Some(entry) = NonNull::new(step.entry()) {
                let key = step.key();
                // SAFETY: By the invariant the table owns the entry, and nobody looks any more. It is
                // freed a grace period later, which is held off until all chains have been walked.
                let link = unsafe { entry.as_ref() }.link(key);
                step = Step(link.next.load(Ordering::Relaxed));
                if key == Key::First {
                    // SAFETY: As above; by its first key an entry is met once.
                    drop(unsafe { RcuBox::from_raw(entry) });
                }
            }
        }
    }
}
