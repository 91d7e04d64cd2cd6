// SPDX-License-Identifier: GPL-2.0

//! A chore that is done again and again, for as long as there is something to do.
//!
//! It runs in softirq. An idle processor is not woken up for it.
//!
//! C header: `include/linux/timer.h`.

use core::ops::Deref;
use kernel::prelude::*;
use kernel::types::Opaque;
use net_bindings as c;

/// What is to be done from time to time.
pub trait Chore: Send + Sync + 'static {
    /// Ticks from one time to the next.
    const PERIOD: usize;

    /// Does a part of it; whether there is more to do.
    fn run(&self) -> bool;
}

/// A timer and the chore that it is for.
#[repr(C)]
#[pin_data]
struct Timed<T> {
    #[pin]
    timer: Opaque<c::timer_list>,
    chore: T,
}

/// A chore with a timer, which rests until it is [started](Timer::start).
///
/// # Invariants
///
/// The timer is set up for [`tick`].
pub struct Timer<T: Chore> {
    timed: Pin<KBox<Timed<T>>>,
}

// SAFETY: The timer's functions may be called by any thread; the chore is `Send`.
unsafe impl<T: Chore> Send for Timer<T> {}
// SAFETY: The timer's functions take a lock of their own; the chore is `Sync`.
unsafe impl<T: Chore> Sync for Timer<T> {}

impl<T: Chore> Timer<T> {
    /// Takes over a chore. Process context.
    pub fn new(chore: T) -> Result<Self> {
        let timed = KBox::pin_init(
            pin_init!(Timed {
                // SAFETY: The slot is memory for a timer, which the call sets up in place.
                timer <- Opaque::ffi_init(|slot| unsafe {
                    c::kn_timer_setup(slot, Some(tick::<T>))
                }),
                chore,
            }),
            GFP_KERNEL,
        )?;
        // INVARIANT: Set up just now.
        Ok(Self { timed })
    }

    /// Has the chore done, from one period on, unless it is being done. Any context.
    #[inline]
    pub fn start(&self) {
        // SAFETY: By the invariant.
        unsafe { c::kn_timer_start(self.timed.timer.get(), T::PERIOD) };
    }
}

impl<T: Chore> Deref for Timer<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.timed.chore
    }
}

impl<T: Chore> Drop for Timer<T> {
    fn drop(&mut self) {
        // SAFETY: By the invariant. Process context; nobody can start the timer any more, and the chore
        // is not being done when the call returns.
        unsafe { c::timer_shutdown_sync(self.timed.timer.get()) };
    }
}

/// Called when the timer goes off.
///
/// # Safety
///
/// `timer` is that of a [`Timed`], which lives until [`Timer::drop`] has waited for this.
unsafe extern "C" fn tick<T: Chore>(timer: *mut c::timer_list) {
    // SAFETY: By the contract; the timer is the first field.
    let timed = unsafe { &*timer.cast::<Timed<T>>() };
    if timed.chore.run() {
        // SAFETY: As above. A timer that is being shut down does not start.
        unsafe { c::kn_timer_start(timer, T::PERIOD) };
    }
}
