// SPDX-License-Identifier: GPL-2.0
//! Writes the man page and the completions below a folder; run by the build, never installed.

fn main() {}
