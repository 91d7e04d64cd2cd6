// SPDX-License-Identifier: GPL-2.0

//! A spinlock that keeps softirqs out.
//!
//! The kernel crate's `SpinLock` leaves softirqs on. What the data path locks is touched from
//! softirq (received packets, timers) and from process context (local clients, netlink), so every
//! critical section here runs with bottom halves off. Critical sections never nest: one lock class
//! serves all locks of this type.
//!
//! C header: `include/linux/spinlock.h`, `spin_lock_bh()`.

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use kernel::prelude::*;
use kernel::types::{NotThreadSafe, Opaque};
use net_bindings as c;

/// Data behind `spin_lock_bh()`.
#[pin_data]
pub struct SpinLockBh<T> {
    #[pin]
    lock: Opaque<c::spinlock_t>,
    data: UnsafeCell<T>,
}

// SAFETY: The data is only reached through the lock, one thread or CPU at a time.
unsafe impl<T: Send> Send for SpinLockBh<T> {}
// SAFETY: As above.
unsafe impl<T: Send> Sync for SpinLockBh<T> {}

impl<T> SpinLockBh<T> {
    /// An unlocked lock around `data`.
    pub fn new(data: T) -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: The slot is memory for a `spinlock_t`, which the call initialises in place.
            lock <- Opaque::ffi_init(|slot| unsafe { c::kn_spin_lock_init(slot) }),
            data: UnsafeCell::new(data),
        })
    }

    /// Spins until the lock is held. Any context but hard interrupts.
    pub fn lock(&self) -> Guard<'_, T> {
        // SAFETY: The lock was initialised by `new`, the only constructor.
        unsafe { c::kn_spin_lock_bh(self.lock.get()) };
        Guard {
            lock: self,
            _not_send: NotThreadSafe,
        }
    }
}

/// Evidence that the lock is held; releases it when dropped.
pub struct Guard<'a, T> {
    lock: &'a SpinLockBh<T>,
    _not_send: NotThreadSafe,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: The guard is evidence that this CPU holds the lock.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: The guard is evidence that this CPU holds the lock, and it is borrowed mutably.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: This CPU took the lock in `lock()`.
        unsafe { c::kn_spin_unlock_bh(self.lock.lock.get()) };
    }
}
