// SPDX-License-Identifier: GPL-2.0

//! Counters that no two CPUs share a cache line for.
//!
//! Counting is one add to this CPU's own word, from any context; reading sums over all CPUs and may
//! miss what is being added meanwhile.
//!
//! C header: `include/linux/percpu.h`.

use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::cpu::{nr_cpu_ids, CpuId};
use kernel::ffi;
use kernel::prelude::*;
use net_bindings as c;

/// `N` counters for every possible CPU, zero at first.
///
/// # Invariants
///
/// `block` is a per-CPU allocation of `[u64; N]` that this value owns.
pub struct Counters<const N: usize> {
    block: NonNull<ffi::c_void>,
}

// SAFETY: Counting is an interrupt-safe add to the own CPU's word; reading tolerates races.
unsafe impl<const N: usize> Send for Counters<N> {}
// SAFETY: As above.
unsafe impl<const N: usize> Sync for Counters<N> {}

impl<const N: usize> Counters<N> {
    /// Allocates the counters. Process context.
    pub fn new() -> Result<Self> {
        let (size, align) = (size_of::<[u64; N]>(), align_of::<u64>());
        // SAFETY: An allocation without further requirements.
        let block = NonNull::new(unsafe { c::kn_alloc_percpu(size, align) }).ok_or(ENOMEM)?;
        // INVARIANT: The allocation has just succeeded.
        Ok(Self { block })
    }

    /// Adds one to the counter `index` on this CPU; an index beyond `N` is ignored.
    #[inline]
    pub fn add(&self, index: usize) {
        if index < N {
            // SAFETY: By the invariant the block holds `N` words on each CPU, and `index` is below.
            unsafe { c::kn_this_cpu_inc(self.block.as_ptr().cast::<u64>().add(index)) };
        }
    }

    /// The counter `index`, for who counts more than this.
    #[inline(always)]
    pub fn counter(&self, index: usize) -> Option<Counter<'_>> {
        // SAFETY: As in `add`: the result is in the block.
        let raw = || unsafe { self.block.as_ptr().cast::<u64>().add(index) };
        // INVARIANT: By that of the block.
        (index < N).then(|| Counter {
            raw: raw(),
            _block: PhantomData,
        })
    }

    /// The sum of the counter `index` over all CPUs.
    pub fn sum(&self, index: usize) -> u64 {
        if index >= N {
            return 0;
        }
        // SAFETY: By the invariant the block holds `N` words on each CPU, and `index` is below.
        unsafe { c::kn_percpu_sum(self.block.as_ptr().cast::<u64>().add(index)) }
    }

    /// The counter `index` of one CPU.
    pub fn on(&self, cpu: CpuId, index: usize) -> u64 {
        if index >= N {
            return 0;
        }
        // SAFETY: By the invariant the block holds `N` words on each CPU, and `index` is below.
        let counter = unsafe {
            c::kn_per_cpu_ptr(self.block.as_ptr(), cpu.as_u32())
                .cast::<u64>()
                .add(index)
        };
        // SAFETY: As above; a word is read at once.
        unsafe { counter.read_volatile() }
    }
}

/// One of them.
///
/// # Invariants
///
/// `raw` is a per-CPU word for `'a`.
#[derive(Clone, Copy)]
pub struct Counter<'a> {
    raw: *mut u64,
    _block: PhantomData<&'a u64>,
}

impl Counter<'_> {
    /// The word, as C's per-CPU operations take it.
    #[inline(always)]
    pub fn as_ptr(self) -> *mut u64 {
        self.raw
    }
}

impl<const N: usize> Drop for Counters<N> {
    fn drop(&mut self) {
        // SAFETY: By the invariant the block is a per-CPU allocation of ours.
        unsafe { c::free_percpu(self.block.as_ptr()) };
    }
}

/// The CPUs that run now.
pub fn online_cpus() -> impl Iterator<Item = CpuId> {
    (0..nr_cpu_ids())
        // SAFETY: A number below `nr_cpu_ids`.
        .filter(|cpu| unsafe { c::kn_cpu_online(*cpu) })
        .filter_map(CpuId::from_u32)
}
