// SPDX-License-Identifier: GPL-2.0

//! Files in `/proc/net`, one for each network namespace.
//!
//! A file shows what its namespace is about when it is read: all at once, or part by part where there
//! may be more than one buffer should hold. Process context.
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

/// What a file shows part by part.
pub trait List: 'static {
    /// The file's name.
    const NAME: &'static CStr;

    /// Whether there is a part of that number, counted from zero.
    fn has(net: &Net, part: usize) -> bool;

    /// Prints a part: a few lines, or none. It may be asked for again, into a larger buffer.
    fn show(net: &Net, part: usize, file: &SeqFile);
}

/// A read-only file of one namespace.
///
/// # Invariants
///
/// `entry` is null or comes from `proc_create_net_*()` and was not removed.
pub struct NetFile {
    entry: AtomicPtr<c::proc_dir_entry>,
}

impl NetFile {
    /// Makes the file. It must be removed before the namespace goes away.
    pub fn new<S: Show>(net: &Net) -> Result<Self> {
        let name = S::NAME.as_char_ptr();
        // SAFETY: The name is static, and `show` is what the kernel calls it with a file of `net`.
        let entry = unsafe { c::kn_proc_create_net_single(net.as_ptr(), name, Some(show::<S>)) };
        Self::of(entry)
    }

    /// Makes a file that is shown part by part. It must be removed before the namespace goes away.
    pub fn list<L: List>(net: &Net) -> Result<Self> {
        let name = L::NAME.as_char_ptr();
        let operations = &const {
            c::seq_operations {
                start: Some(start::<L>),
                stop: Some(stop),
                next: Some(next::<L>),
                show: Some(show_part::<L>),
            }
        };
        // SAFETY: The name and the operations are static, and the latter are what the kernel calls with
        // a file of `net`.
        let entry = unsafe { c::kn_proc_create_net(net.as_ptr(), name, operations) };
        Self::of(entry)
    }

    fn of(entry: *mut c::proc_dir_entry) -> Result<Self> {
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

/// The place of a part in the position that seq_file keeps; null where there is no such part.
///
/// # Safety
///
/// `file` was opened through a [`NetFile`] of `L`; `position` is valid.
unsafe fn place<L: List>(
    file: *mut kernel::bindings::seq_file,
    position: *mut c::loff_t,
) -> *mut ffi::c_void {
    // SAFETY: The kernel holds the namespace of an open file; by the contract.
    let (net, part) = unsafe { (Net::from_raw(c::kn_seq_file_net(file)), position.read()) };
    match usize::try_from(part) {
        Ok(part) if L::has(net, part) => position.cast(),
        _ => null_mut(),
    }
}

/// Called by seq_file where reading begins or goes on.
///
/// # Safety
///
/// As for [`place`].
unsafe extern "C" fn start<L: List>(
    file: *mut kernel::bindings::seq_file,
    position: *mut c::loff_t,
) -> *mut ffi::c_void {
    // SAFETY: The contract.
    unsafe { place::<L>(file, position) }
}

/// Called by seq_file behind each part.
///
/// # Safety
///
/// As for [`place`].
unsafe extern "C" fn next<L: List>(
    file: *mut kernel::bindings::seq_file,
    _: *mut ffi::c_void,
    position: *mut c::loff_t,
) -> *mut ffi::c_void {
    // SAFETY: By the contract; the number of parts is far below the largest.
    unsafe { *position = (*position).wrapping_add(1) };
    // SAFETY: The contract.
    unsafe { place::<L>(file, position) }
}

/// Called by seq_file when a buffer is full: nothing is held meanwhile.
extern "C" fn stop(_: *mut kernel::bindings::seq_file, _: *mut ffi::c_void) {}

/// Called by seq_file to print a part.
///
/// # Safety
///
/// `file` was opened through a [`NetFile`] of `L`; `part` is what [`place`] returned.
unsafe extern "C" fn show_part<L: List>(
    file: *mut kernel::bindings::seq_file,
    part: *mut ffi::c_void,
) -> ffi::c_int {
    // SAFETY: The kernel holds the namespace of an open file.
    let net = unsafe { Net::from_raw(c::kn_seq_file_net(file)) };
    // SAFETY: By the contract it points to the position, which was not negative.
    let part = unsafe { part.cast::<c::loff_t>().read() } as usize;
    // SAFETY: The kernel passes a valid file that no other thread uses meanwhile.
    L::show(net, part, unsafe { SeqFile::from_raw(file) });
    0
}
