// SPDX-License-Identifier: GPL-2.0

//! The sysctls of a namespace, under net.ipv4.vs beside IPVS's own.

use core::ptr::NonNull;
use flow_method::Tunables;
use kernel::prelude::*;
use kernel_net::net::Net;
use kernel_net::sysctl::{Setting, Settings};

/// Shows the settings.
///
/// # Safety
///
/// `tunables` stay where they are, and the namespace exists, until the result is dropped.
pub(crate) unsafe fn register(net: &Net, tunables: &Tunables) -> Result<Settings> {
    let settings = tunables.all().map(|(name, value, [min, max])| Setting {
        name,
        value: NonNull::from(value),
        min,
        max,
    });
    // SAFETY: The contract of this function.
    unsafe { Settings::register(net, c"net/ipv4/vs", settings) }
}
