// SPDX-License-Identifier: GPL-2.0

//! Error numbers that the kernel crate has not had in all kernels this builds for.
//!
//! C header: `include/uapi/asm-generic/errno.h`.

use kernel::error::Error;
use net_bindings as c;

/// What was asked for is not supported.
pub fn not_supported() -> Error {
    // CAST: A small number.
    Error::from_errno(-(c::EOPNOTSUPP as i32))
}

/// The address family is not supported.
pub fn family_not_supported() -> Error {
    // CAST: A small number.
    Error::from_errno(-(c::EAFNOSUPPORT as i32))
}
