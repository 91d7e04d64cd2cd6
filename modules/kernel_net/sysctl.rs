// SPDX-License-Identifier: GPL-2.0

//! Settings of one namespace under /proc/sys.
//!
//! A setting is a number the kernel reads and writes in place, within bounds. Process context; the
//! data path reads the numbers without a lock.
//!
//! C header: `include/linux/sysctl.h`.

use core::ptr::NonNull;
use core::sync::atomic::AtomicI32;
use kernel::alloc::{flags, KVec};
use kernel::prelude::*;
use net_bindings as c;

use crate::net::Net;

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
        // SAFETY: The table and the values outlive the registration, by the invariant and the
        // contract.
        let header = NonNull::new(unsafe {
            c::register_net_sysctl_sz(net.as_ptr(), path.as_char_ptr(), table.as_mut_ptr(), N)
        });
        // INVARIANT: Registered just now.
        Ok(Self {
            header: header.ok_or(ENOMEM)?,
            _table: table,
        })
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        // SAFETY: By the invariant. Returns when nobody reads or writes the files any more.
        unsafe { c::unregister_net_sysctl_table(self.header.as_ptr()) };
    }
}
