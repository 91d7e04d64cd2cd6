// SPDX-License-Identifier: GPL-2.0

//! Random numbers for hash keys and starting points. Any context.
//!
//! C header: `include/linux/random.h`.

use net_bindings as c;

/// 64 random bits.
pub fn u64() -> u64 {
    // SAFETY: The call has no requirements.
    unsafe { c::get_random_u64() }
}
