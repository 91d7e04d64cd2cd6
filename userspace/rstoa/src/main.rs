// SPDX-License-Identifier: GPL-2.0
//! The program rstoa; see the library for how it is made.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    rstoa::main(std::env::args_os())
}
