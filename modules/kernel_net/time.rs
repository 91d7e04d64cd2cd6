// SPDX-License-Identifier: GPL-2.0

//! Coarse time.
//!
//! C header: `include/linux/jiffies.h`.

use net_bindings as c;

/// The tick counter; wraps.
#[inline]
pub fn jiffies() -> usize {
    // SAFETY: A read of a word that interrupts change.
    unsafe { (&raw const c::jiffies).read_volatile() }
}

/// Ticks in a second.
pub const TICKS_PER_SECOND: u32 = c::CONFIG_HZ;

/// The same in 32 bits, for ages below 49 days.
#[inline]
pub fn ticks() -> u32 {
    // CAST: The wrap is the point.
    jiffies() as u32
}

/// Seconds of a clock that wraps after 18 hours, for ages well below that.
pub fn seconds() -> u16 {
    // CAST: The wrap is the point.
    (jiffies() / c::CONFIG_HZ as usize) as u16
}

/// Milliseconds of a clock that wraps after 49 days and is never behind: the tick that is running
/// counts whole.
pub fn milliseconds() -> u32 {
    let ticks = jiffies().wrapping_add(1);
    // CAST: The wrap is the point.
    ticks.wrapping_mul(1000 / c::CONFIG_HZ as usize) as u32
}

/// Sleeps for at least so long. Process context.
pub fn sleep_milliseconds(duration: u32) {
    // SAFETY: Process context, by the contract of every caller.
    unsafe { c::msleep(duration) };
}
