// SPDX-License-Identifier: GPL-2.0
//! Compiles the BPF programs with clang, against the headers of the libbpf that loads them.

use std::env;
use std::path::PathBuf;
use std::process::{exit, Command};

const PROGRAMS: [&str; 2] = ["forward", "capture"];

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let headers = env::var("DEP_BPF_INCLUDE").unwrap_or_default();
    let clang = env::var("CLANG").unwrap_or_else(|_| "clang".to_owned());
    println!("cargo:rerun-if-env-changed=CLANG");
    for program in PROGRAMS {
        let source = format!("bpf/{program}.bpf.c");
        println!("cargo:rerun-if-changed={source}");
        let status = Command::new(&clang)
            .args([
                "-O2", "-g", "-Wall", "-Werror", "-mcpu=v3", "-target", "bpf",
            ])
            .arg(format!("-D__TARGET_ARCH_{}", architecture()))
            .args(host_headers())
            .arg(format!("-I{headers}"))
            .args(["-c", &source, "-o"])
            .arg(out.join(format!("{program}.bpf.o")))
            .status();
        match status {
            Ok(status) if status.success() => {}
            Ok(_) => exit(1),
            Err(error) => {
                eprintln!("{clang}: {error}; clang compiles the BPF programs, install it or name it with CLANG=");
                exit(1);
            }
        }
    }
}

/// The processor that programs are traced on, as libbpf's headers call it.
fn architecture() -> &'static str {
    match env::var("CARGO_CFG_TARGET_ARCH").as_deref() {
        Ok("aarch64") => "arm64",
        _ => "x86",
    }
}

/// Debian keeps <asm/types.h> in a folder per architecture.
fn host_headers() -> Option<String> {
    let arch = env::var("CARGO_CFG_TARGET_ARCH").ok()?;
    Some(format!("-I/usr/include/{arch}-linux-gnu"))
}
