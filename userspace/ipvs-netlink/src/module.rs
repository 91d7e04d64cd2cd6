// SPDX-License-Identifier: GPL-2.0
//! Loading kernel modules, with the program the kernel itself would call.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const KERNELS_CHOICE: &str = "/proc/sys/kernel/modprobe";
const USUAL_PLACE: &str = "/sbin/modprobe";

/// Whether a module is loaded. Where sysfs cannot tell, the answer is yes: asking further can.
#[must_use]
pub fn is_loaded(name: &str) -> bool {
    let modules = Path::new("/sys/module");
    !modules.exists() || modules.join(name).exists()
}

/// Runs modprobe; whether it succeeded.
///
/// Nothing is printed and no reason given: the caller sees by trying again what is still missing,
/// and can name the cure better than modprobe can.
#[must_use]
pub fn load(name: &str) -> bool {
    let program = fs::read_to_string(KERNELS_CHOICE)
        .map(|path| path.trim().to_owned())
        .ok()
        .filter(|path| !path.is_empty())
        .unwrap_or_else(|| USUAL_PLACE.to_owned());
    Command::new(program)
        .args(["-q", "--", name])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
