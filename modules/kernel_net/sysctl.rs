// SPDX-License-Identifier: GPL-2.0

//! Settings of one namespace under /proc/sys.
//!
//! A setting is a number the kernel reads and writes in place, within bounds, or a [`Text`]. Process
//! context; the data path reads the numbers without a lock.
//!
//! C header: `include/linux/sysctl.h`.

use core::ptr::NonNull;
use core::sync::atomic::AtomicI32;
use kernel::alloc::{flags, KVec};
use kernel::error::from_result;
use kernel::ffi;
use kernel::prelude::*;
use net_bindings as c;

use crate::net::Net;
use crate::rcu::{self, Guard};

/// One setting.
pub struct Setting {
    /// Its file name.
    pub name: &'static CStr,
    /// Where its value lies.
    pub value: NonNull<AtomicI32>,
    /// The smallest value allowed.
    pub min: &'static i32,
    /// The largest value allowed.
    pub max: &'static i32,
}

/// A setting that is a text of one line.
pub trait Text: Send + Sync + 'static {
    /// Takes a new text in the old one's place, or refuses it.
    fn write(&self, text: &[u8]) -> Result;

    /// The text of this moment, without a line end.
    fn read<'a>(&'a self, guard: &'a Guard) -> &'a [u8];
}

/// The line that shows a list: its words, with one space between any two. They come from a text of `len`
/// bytes.
pub fn line<'a>(words: impl Iterator<Item = &'a [u8]>, len: usize) -> Result<KVec<u8>> {
    let mut line = KVec::with_capacity(len.wrapping_add(1), flags::GFP_KERNEL)?;
    // BOUND: The length of the text.
    for word in words {
        if !line.is_empty() {
            line.push_within_capacity(b' ').map_err(|_| ENOMEM)?;
        }
        // BOUND: The length of the word.
        for &byte in word {
            line.push_within_capacity(byte).map_err(|_| ENOMEM)?;
        }
    }
    Ok(line)
}

/// Settings that are shown as long as this value lives.
///
/// # Invariants
///
/// `header` is the registration of `table`.
pub struct Settings {
    header: NonNull<c::ctl_table_header>,
    _table: KVec<c::ctl_table>,
}

// SAFETY: Registration and unregistration may happen in any thread.
unsafe impl Send for Settings {}
// SAFETY: There is nothing to be done with a shared reference.
unsafe impl Sync for Settings {}

impl Settings {
    /// Shows the settings in the directory `path` of the namespace.
    ///
    /// # Safety
    ///
    /// The values outlive the registration, and the registration is dropped before the namespace.
    pub unsafe fn register<const N: usize>(
        net: &Net,
        path: &'static CStr,
        settings: [Setting; N],
    ) -> Result<Self> {
        let mut table = KVec::with_capacity(N, flags::GFP_KERNEL)?;
        for setting in settings {
            let entry = c::ctl_table {
                procname: setting.name.as_char_ptr(),
                data: setting.value.as_ptr().cast(),
                // CAST: Four; mode bits.
                maxlen: size_of::<i32>() as i32,
                mode: 0o644,
                proc_handler: Some(c::proc_dointvec_minmax),
                extra1: core::ptr::from_ref(setting.min).cast_mut().cast(),
                extra2: core::ptr::from_ref(setting.max).cast_mut().cast(),
                ..Default::default()
            };
            table.push_within_capacity(entry).map_err(|_| ENOMEM)?;
        }
        // SAFETY: By the contract the values outlive the registration.
        unsafe { Self::register_table(net, path, table) }
    }

    /// Shows a text in the directory `path` of the namespace.
    ///
    /// # Safety
    ///
    /// As for [`register`](Self::register).
    pub unsafe fn register_text<T: Text>(
        net: &Net,
        path: &'static CStr,
        name: &'static CStr,
        text: &T,
    ) -> Result<Self> {
        let mut table = KVec::with_capacity(1, flags::GFP_KERNEL)?;
        let entry = c::ctl_table {
            procname: name.as_char_ptr(),
            data: core::ptr::from_ref(text).cast_mut().cast(),
            mode: 0o644,
            proc_handler: Some(handle_text::<T>),
            ..Default::default()
        };
        table.push_within_capacity(entry).map_err(|_| ENOMEM)?;
        // SAFETY: By the contract the text outlives the registration.
        unsafe { Self::register_table(net, path, table) }
    }

    /// # Safety
    ///
    /// What the table points to outlives the registration, which is dropped before the namespace.
    unsafe fn register_table(
        net: &Net,
        path: &'static CStr,
        mut table: KVec<c::ctl_table>,
    ) -> Result<Self> {
        let len = table.len();
        // SAFETY: The table outlives the registration, by the invariant, and the rest by the contract.
        let header = NonNull::new(unsafe {
            c::register_net_sysctl_sz(net.as_ptr(), path.as_char_ptr(), table.as_mut_ptr(), len)
        });
        // INVARIANT: Registered just now.
        Ok(Self {
            header: header.ok_or(ENOMEM)?,
            _table: table,
        })
    }
}

/// A [`Text`] is read or written.
///
/// # Safety
///
/// `table` is that of a registered `T`; `buffer` has `*len` bytes, which are the kernel's.
unsafe extern "C" fn handle_text<T: Text>(
    table: *const c::ctl_table,
    write: ffi::c_int,
    buffer: *mut ffi::c_void,
    len: *mut usize,
    position: *mut c::loff_t,
) -> ffi::c_int {
    from_result(|| {
        // SAFETY: By the contract; the registration ends before the text does.
        let text = unsafe { &*(*table).data.cast::<T>() };
        // SAFETY: By the contract.
        let (room, at) = unsafe { (*len, usize::try_from(*position).map_err(|_| EINVAL)?) };
        let done = if write != 0 {
            if at != 0 {
                // What has been written before is in force already.
                return Err(EINVAL);
            }
            // SAFETY: By the contract.
            text.write(unsafe { core::slice::from_raw_parts(buffer.cast(), room) })?;
            room
        } else {
            let guard = rcu::read_lock();
            // By its full name: everything has a `chain()` of the kernel's initialisers, too.
            let line = Iterator::chain(text.read(&guard).iter(), b"\n");
            let line = line.skip(at).take(room);
            // SAFETY: By the contract, and nobody else has the buffer.
            let buffer = unsafe { core::slice::from_raw_parts_mut(buffer.cast::<u8>(), room) };
            // BOUND: The length of the buffer.
            buffer
                .iter_mut()
                .zip(line)
                .fold(0usize, |done, (to, from)| {
                    *to = *from;
                    done.wrapping_add(1)
                })
        };
        // SAFETY: By the contract. CAST: A sysctl's buffer is far smaller than the type's limit.
        unsafe {
            *len = done;
            *position = at.wrapping_add(done) as c::loff_t;
        }
        Ok(0)
    })
}

impl Drop for Settings {
    fn drop(&mut self) {
        // SAFETY: By the invariant. Returns when nobody reads or writes the files any more.
        unsafe { c::unregister_net_sysctl_table(self.header.as_ptr()) };
    }
}
