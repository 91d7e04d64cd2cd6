// SPDX-License-Identifier: GPL-2.0

//! Values with several owners, which readers under RCU may still hold when the last one lets go.
//!
//! [`RcuArc`] is an owner; [`RcuSlot`] is a place that has one, or none, and is read without a write
//! to shared memory. Owners come and go in any context but hard interrupts.
//!
//! An owner that is itself freed by RCU lets go in a callback, which then starts another one: whoever
//! unloads a module waits by [`rcu::barrier`](crate::rcu::barrier) as often as values nest.
//!
//! C header: `include/linux/rcupdate.h`, `include/linux/refcount.h`.

use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::ptr::{null_mut, NonNull};
use core::sync::atomic::{fence, AtomicPtr, AtomicUsize, Ordering};
use kernel::alloc::Flags;
use kernel::prelude::*;

use crate::rcu::{Guard, RcuBox};

/// What owners share.
struct Shared<T> {
    owners: AtomicUsize,
    value: T,
}

/// One owner of a value that is dropped a grace period after the last owner has let go.
///
/// # Invariants
///
/// `shared` comes from [`RcuBox::into_raw`], and its count includes this owner.
pub struct RcuArc<T: Send + Sync + 'static> {
    shared: NonNull<Shared<T>>,
}

// SAFETY: Owners share the value by reference, and any of them may drop it.
unsafe impl<T: Send + Sync> Send for RcuArc<T> {}
// SAFETY: As above.
unsafe impl<T: Send + Sync> Sync for RcuArc<T> {}

impl<T: Send + Sync> RcuArc<T> {
    /// Moves `value` to the heap; the result is its only owner.
    pub fn new(value: T, flags: Flags) -> Result<Self> {
        let shared = Shared {
            owners: AtomicUsize::new(1),
            value,
        };
        // INVARIANT: The count is of this owner.
        Ok(Self {
            shared: RcuBox::new(shared, flags)?.into_raw(),
        })
    }

    fn shared(&self) -> &Shared<T> {
        // SAFETY: By the invariant the value is there as long as this owner.
        unsafe { self.shared.as_ref() }
    }

    /// Whether there was no other owner just now.
    pub fn is_unique(&self) -> bool {
        self.shared().owners.load(Ordering::Relaxed) == 1
    }

    fn into_raw(self) -> *mut Shared<T> {
        ManuallyDrop::new(self).shared.as_ptr()
    }
}

impl<T: Send + Sync> Clone for RcuArc<T> {
    fn clone(&self) -> Self {
        // Relaxed: this owner keeps the value; every owner is in memory, so the count does not wrap.
        self.shared().owners.fetch_add(1, Ordering::Relaxed);
        // INVARIANT: Counted just now.
        Self {
            shared: self.shared,
        }
    }
}

impl<T: Send + Sync> Deref for RcuArc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.shared().value
    }
}

impl<T: Send + Sync> Drop for RcuArc<T> {
    fn drop(&mut self) {
        // ORDERING: Release pairs with the fence: what other owners did comes before the drop.
        if self.shared().owners.fetch_sub(1, Ordering::Release) == 1 {
            fence(Ordering::Acquire);
            // SAFETY: By the invariant it comes from `into_raw`, and nobody is left to take it.
            drop(unsafe { RcuBox::from_raw(self.shared) });
        }
    }
}

/// A place for one owner; as large as a pointer.
///
/// # Invariants
///
/// `owner` is null, or comes from [`RcuArc::into_raw`] and is this place's own.
pub struct RcuSlot<T: Send + Sync + 'static> {
    owner: AtomicPtr<Shared<T>>,
}

impl<T: Send + Sync> RcuSlot<T> {
    /// A place with none.
    pub const fn empty() -> Self {
        // INVARIANT: Null is allowed.
        Self {
            owner: AtomicPtr::new(null_mut()),
        }
    }

    /// The value of this moment.
    #[inline]
    pub fn read<'a>(&self, _guard: &'a Guard) -> Option<&'a T> {
        // ORDERING: Acquire pairs with the release in `replace`: the value is seen initialised.
        let shared = self.owner.load(Ordering::Acquire);
        // SAFETY: By the invariant the pointer is null or valid; when the last owner lets go, the
        // value lives until a grace period has passed, and the guard holds that off.
        unsafe { shared.as_ref() }.map(|shared| &shared.value)
    }

    /// Puts another owner here, or none.
    pub fn replace(&self, owner: Option<RcuArc<T>>) {
        let new = owner.map_or(null_mut(), RcuArc::into_raw);
        // INVARIANT: The new owner is this place's own now.
        // ORDERING: Release pairs with the acquire in `read`.
        let old = self.owner.swap(new, Ordering::AcqRel);
        // INVARIANT of `RcuArc`: The old owner was this place's own, and the swap took it out once.
        drop(NonNull::new(old).map(|shared| RcuArc { shared }));
    }
}

impl<T: Send + Sync> Default for RcuSlot<T> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<T: Send + Sync> Drop for RcuSlot<T> {
    fn drop(&mut self) {
        self.replace(None);
    }
}
