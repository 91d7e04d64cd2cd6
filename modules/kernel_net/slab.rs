// SPDX-License-Identifier: GPL-2.0

//! A cache for values of one type, of which there may be millions: no byte of a size class is wasted,
//! and /proc/slabinfo shows them by name.
//!
//! C header: `include/linux/slab.h`.

use core::marker::PhantomData;
use core::ptr::{null_mut, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};
use kernel::prelude::*;
use net_bindings as c;

/// A cache to be put into a `static`; there is memory in it from [`create`](Self::create) on.
///
/// # Invariants
///
/// `raw` is null, or a cache of objects with the layout of `T` that a [`Created`] owns.
pub struct Cache<T> {
    raw: AtomicPtr<c::kmem_cache>,
    _objects: PhantomData<fn() -> T>,
}

impl<T: 'static> Cache<T> {
    /// A cache without memory.
    pub const fn new() -> Self {
        // INVARIANT: Null is allowed.
        Self {
            raw: AtomicPtr::new(null_mut()),
            _objects: PhantomData,
        }
    }

    /// Makes the cache ready, under a name nobody else uses, until the result is dropped. Process
    /// context.
    pub fn create(&'static self, name: &'static CStr) -> Result<Created<T>> {
        // CAST: A type is far below 4 GiB.
        let (size, align) = (size_of::<T>() as u32, align_of::<T>() as u32);
        // SAFETY: The name is static; the cache has no constructor.
        let raw = unsafe { c::kn_kmem_cache_create(name.as_char_ptr(), size, align) };
        let raw = NonNull::new(raw).ok_or(ENOMEM)?;
        // ORDERING: Release pairs with the acquire in `allocate`.
        self.raw.store(raw.as_ptr(), Ordering::Release);
        Ok(Created(self))
    }

    /// Memory for a value while a packet waits ([`crate::GFP_PACKET`]); `kfree()` gives it back.
    pub(crate) fn allocate(&self) -> Result<NonNull<T>> {
        // ORDERING: Acquire pairs with the release in `create`.
        let raw = NonNull::new(self.raw.load(Ordering::Acquire)).ok_or(ENOMEM)?;
        // SAFETY: By the invariant the cache is valid, and its objects have the layout of `T`.
        let memory = unsafe { c::kn_kmem_cache_alloc_nowait(raw.as_ptr()) };
        NonNull::new(memory.cast()).ok_or(ENOMEM)
    }
}

impl<T: 'static> Default for Cache<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// A cache that is ready. Dropped when all its values are freed.
pub struct Created<T: 'static>(&'static Cache<T>);

impl<T> Drop for Created<T> {
    fn drop(&mut self) {
        let raw = self.0.raw.swap(null_mut(), Ordering::Relaxed);
        // SAFETY: By the invariant the cache is this value's own. Process context.
        unsafe { c::kmem_cache_destroy(raw) };
    }
}
