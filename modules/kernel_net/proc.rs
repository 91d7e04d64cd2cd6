// SPDX-License-Identifier: GPL-2.0

//! Files in `/proc/net`, one for each network namespace.
//!
//! A file shows what its namespace is about when it is read. Process context.
//!
//! C header: `include/linux/proc_fs.h`.

use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering};
use kernel::ffi;
use kernel::prelude::*;
use net_bindings as c;

use crate::net::Net;

pub use kernel::seq_file::SeqFile;

/// What a file shows.
pub trait Show: 'static {
    /// The file's name.
    const NAME: &'static CStr;

    /// Prints the file for `net`.
    fn show(net: &Net, file: &SeqFile);
}

/// A read-only file of one namespace.
///
/// # Invariants
///
/// `entry` is null or comes from `proc_create_net_single()` and was not removed.
pub struct NetFile {
    entry: AtomicPtr<c::proc_dir_entry>,
}

impl NetFile {
    /// Makes the file. It must be removed before the namespace goes away.
    pub fn new<S: Show>(net: &Net) -> Result<Self> {
        let name = S::NAME.as_char_ptr();
        // SAFETY: The name is static, and `show` is what the kernel calls it with a file of `net`.
        let entry = unsafe { c::kn_proc_create_net_single(net.as_ptr(), name, Some(show::<S>)) };
        if entry.is_null() {
            return Err(ENOMEM);
        }
        // INVARIANT: Made just now.
        Ok(Self {
            entry: AtomicPtr::new(entry),
        })
    }

    /// Removes the file; returns when nobody reads it any more.
    pub fn remove(&self) {
        // ORDERING: None is needed; the swap only sees to it that one call removes.
        let entry = self.entry.swap(null_mut(), Ordering::Relaxed);
        // SAFETY: By the invariant; null is ignored.
        unsafe { c::proc_remove(entry) };
    }
}

impl Drop for NetFile {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Called by seq_file to fill the file.
///
/// # Safety
///
/// `file` was opened through a [`NetFile`] of `S`.
unsafe extern "C" fn show<S: Show>(
    file: *mut kernel::bindings::seq_file,
    _: *mut ffi::c_void,
) -> ffi::c_int {
    // SAFETY: The kernel holds the namespace of an open file.
    let net = unsafe { Net::from_raw(c::kn_seq_file_single_net(file)) };
    // SAFETY: The kernel passes a valid file that no other thread uses meanwhile.
    S::show(net, unsafe { SeqFile::from_raw(file) });
    0
}
