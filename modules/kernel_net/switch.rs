// SPDX-License-Identifier: GPL-2.0

//! What a namespace has only while it is switched on.
//!
//! Hooks cost every packet something, so they are there when somebody wants them. Process context.

use core::ptr::NonNull;
use kernel::prelude::*;
use kernel::sync::{new_mutex, Mutex};
use net_bindings as c;

use crate::net::Net;

/// A `T`, or none.
#[pin_data]
pub struct Switch<T> {
    net: NonNull<c::net>,
    #[pin]
    current: Mutex<Option<T>>,
}

// SAFETY: The value is behind a mutex; the namespace is one for any thread.
unsafe impl<T: Send> Send for Switch<T> {}
// SAFETY: As above.
unsafe impl<T: Send> Sync for Switch<T> {}

impl<T: Unpin> Switch<T> {
    /// Off.
    pub fn new(net: &Net) -> impl PinInit<Self> + use<T> {
        let net = NonNull::from(net).cast();
        pin_init!(Self {
            net,
            current <- new_mutex!(None),
        })
    }

    /// Makes the value, unless it is there.
    ///
    /// # Safety
    ///
    /// The namespace is there.
    pub unsafe fn on(&self, make: impl FnOnce(&Net) -> Result<T>) -> Result {
        let mut current = self.current.lock();
        if current.is_none() {
            // SAFETY: By the contract.
            *current = Some(make(unsafe { Net::from_raw(self.net.as_ptr()) })?);
        }
        Ok(())
    }

    /// Drops the value.
    pub fn off(&self) {
        *self.current.lock() = None;
    }
}
