// SPDX-License-Identifier: GPL-2.0

//! Values that readers under RCU may still hold when their owner lets go of them.
//!
//! [`RcuBox`] owns a heap value whose destructor runs after a grace period; [`Snapshot`] is an
//! immutable value that writers replace as a whole. Every module that uses them must wait for the
//! pending destructors before its text goes away: [`barrier`].
//!
//! C header: `include/linux/rcupdate.h`.

use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::ptr::{null_mut, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};
use kernel::prelude::*;
use net_bindings as c;

pub use kernel::sync::rcu::{read_lock, Guard};

use crate::slab::Cache;

/// What an [`RcuBox`] points to. The head comes first, so that the callback finds the value.
#[repr(C)]
pub struct Node<T> {
    head: c::callback_head,
    value: T,
}

/// An owned heap value that is dropped after a grace period.
///
/// # Invariants
///
/// `node` is owned by this value, and `kfree()` is how its memory is given back.
pub struct RcuBox<T> {
    node: NonNull<Node<T>>,
}

// SAFETY: Ownership of a `T` moves with the box.
unsafe impl<T: Send> Send for RcuBox<T> {}
// SAFETY: A shared box gives shared access to the value only.
unsafe impl<T: Sync> Sync for RcuBox<T> {}

impl<T: 'static> RcuBox<T> {
    /// Moves `value` to the heap.
    pub fn new(value: T, flags: kernel::alloc::Flags) -> Result<Self> {
        let node = KBox::new(
            Node {
                head: Default::default(),
                value,
            },
            flags,
        )?;
        // INVARIANT: The pointer comes from `KBox::into_raw`, just now.
        Ok(Self {
            node: NonNull::from(KBox::leak(node)),
        })
    }

    /// Moves `value` into memory of a cache, while a packet waits.
    pub fn new_in(cache: &Cache<Node<T>>, value: T) -> Result<Self> {
        let node = cache.allocate()?;
        // SAFETY: The memory is there for a node.
        unsafe {
            node.write(Node {
                head: Default::default(),
                value,
            })
        };
        // INVARIANT: `kfree()` takes what comes from a cache as well as what `KBox` has allocated.
        Ok(Self { node })
    }

    /// Gives the value away as a pointer to it.
    pub fn into_raw(self) -> NonNull<T> {
        let this = ManuallyDrop::new(self);
        // SAFETY: By the invariant the node is valid.
        NonNull::from(unsafe { &this.node.as_ref().value })
    }

    /// Takes back what [`into_raw`](Self::into_raw) gave away.
    ///
    /// # Safety
    ///
    /// `value` comes from `into_raw`, and nobody else takes it back.
    pub unsafe fn from_raw(value: NonNull<T>) -> Self {
        // SAFETY: By the contract the value lies in a node, behind its head.
        let node = unsafe { value.byte_sub(core::mem::offset_of!(Node<T>, value)) }.cast();
        // INVARIANT: The node was made by `new` and its ownership given away by `into_raw`.
        Self { node }
    }
}

impl<T> Deref for RcuBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the invariant the node is valid as long as the box.
        unsafe { &self.node.as_ref().value }
    }
}

impl<T> Drop for RcuBox<T> {
    fn drop(&mut self) {
        /// Drops a node in softirq.
        ///
        /// # Safety
        ///
        /// Called by RCU when no reader can hold the node any more.
        unsafe extern "C" fn free<T>(head: *mut c::callback_head) {
            // SAFETY: The head is the first field of a node that was handed to RCU below.
            drop(unsafe { KBox::from_raw(head.cast::<Node<T>>()) });
        }
        // SAFETY: By the invariant the node is ours; readers may go on until the callback runs.
        unsafe { c::call_rcu(self.node.cast().as_ptr(), Some(free::<T>)) };
    }
}

/// An immutable value that is replaced as a whole; readers never wait.
///
/// # Invariants
///
/// `current` is null or comes from [`RcuBox::into_raw`]; the snapshot owns it.
pub struct Snapshot<T: 'static> {
    current: AtomicPtr<T>,
}

// SAFETY: Values are shared between threads by reference and dropped by any of them.
unsafe impl<T: Send + Sync> Send for Snapshot<T> {}
// SAFETY: As above.
unsafe impl<T: Send + Sync> Sync for Snapshot<T> {}

impl<T> Snapshot<T> {
    /// A snapshot that holds nothing yet.
    pub const fn empty() -> Self {
        // INVARIANT: Null is allowed.
        Self {
            current: AtomicPtr::new(null_mut()),
        }
    }

    /// The value of this moment.
    #[inline]
    pub fn read<'a>(&self, _guard: &'a Guard) -> Option<&'a T> {
        // ORDERING: Acquire pairs with the release in `replace`: the value is seen initialised.
        let value = self.current.load(Ordering::Acquire);
        // SAFETY: By the invariant the pointer is null or valid; what `replace` takes out lives
        // until a grace period has passed, and the guard holds that off.
        unsafe { value.as_ref() }
    }

    /// Puts a new value in the old one's place. Writers take turns by a lock of their own.
    pub fn replace(&self, value: Option<RcuBox<T>>) {
        let new = value.map_or(null_mut(), |v| v.into_raw().as_ptr());
        // ORDERING: Release pairs with the acquire in `read`; acquire, for the old value's drop.
        let old = self.current.swap(new, Ordering::AcqRel);
        if let Some(old) = NonNull::new(old) {
            // SAFETY: By the invariant it comes from `into_raw`, and the swap took it out once.
            drop(unsafe { RcuBox::from_raw(old) });
        }
    }
}

impl<T> Drop for Snapshot<T> {
    fn drop(&mut self) {
        self.replace(None);
    }
}

/// Evidence of RCU for code that the kernel calls under it: taking it once more costs more than a
/// lookup.
///
/// # Safety
///
/// RCU is held by the caller's caller as long as the result is used.
#[inline]
pub(crate) unsafe fn held<'a>() -> &'a Guard {
    // SAFETY: The type has no bytes, so that any place will do; and behind a reference it is not
    // dropped, so that nothing is released.
    unsafe { NonNull::dangling().as_ref() }
}

/// Waits until every reader that may hold what was unlinked before is done. Process context.
pub fn synchronize() {
    // SAFETY: Process context, by the contract of every caller: it sleeps.
    unsafe { c::synchronize_rcu() };
}

/// Waits until the destructors of all dropped [`RcuBox`]es have run. Process context.
pub fn barrier() {
    // SAFETY: Process context, by the contract of every caller: it sleeps.
    unsafe { c::rcu_barrier() };
}
