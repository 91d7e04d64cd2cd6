// SPDX-License-Identifier: GPL-2.0

//! The sysctls of a namespace, under net.ipv4.vs beside IPVS's own.

use core::ptr::NonNull;
use flow_method::Tunables;
use kernel::prelude::*;
use kernel_net::net::Net;
use kernel_net::sysctl::{Setting, Settings};

const PORT_MIN: i32 = 1;
const PORT_MAX: i32 = 65535;
const OFF: i32 = 0;
const ON: i32 = 1;

/// Shows the settings.
///
/// # Safety
///
/// `tunables` stay where they are, and the namespace exists, until the result is dropped.
pub(crate) unsafe fn register(net: &Net, tunables: &Tunables) -> Result<Settings> {
    let port = |name, value| Setting {
        name,
        value: NonNull::from(value),
        min: &PORT_MIN,
        max: &PORT_MAX,
    };
    let flag = |name, value| Setting {
        name,
        value: NonNull::from(value),
        min: &OFF,
        max: &ON,
    };
    let settings = [
        port(c"fullnat_lport_min", &tunables.lport_min),
        port(c"fullnat_lport_max", &tunables.lport_max),
        flag(c"fullnat_mss_adjust_entry", &tunables.mss_adjust),
        flag(
            c"fullnat_timestamp_remove_entry",
            &tunables.timestamp_remove,
        ),
        flag(c"fullnat_toa_entry", &tunables.toa),
    ];
    // SAFETY: The contract of this function.
    unsafe { Settings::register(net, c"net/ipv4/vs", settings) }
}
