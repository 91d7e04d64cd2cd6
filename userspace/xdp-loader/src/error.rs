// SPDX-License-Identifier: GPL-2.0
//! What may be in the way, each in one line: what it is about, what is wrong, what helps.

use std::io;
use std::path::PathBuf;

use crate::interface::Mode;
use crate::{MODULE, PINS};

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such interface.
    #[error("{0}: there is no such interface here; ip link lists those there are")]
    NoInterface(String),
    /// The driver cannot.
    #[error("{0}: its driver has no native XDP; use ingress, which costs less than generic XDP")]
    NoNative(String),
    /// Another program is attached.
    #[error(
        "{interface}: XDP program {id} ({name}) is attached already, {mode}; detach it there, or use ingress"
    )]
    Taken {
        /// Where.
        interface: String,
        /// The program's number.
        id: u32,
        /// Its name.
        name: String,
        /// How it is attached.
        mode: Mode,
    },
    /// The module is not there.
    #[error("{MODULE}: the module is not loaded; modprobe ip_vs_fullnat loads it")]
    NoModule,
    /// The module says nothing about its functions.
    #[error("{MODULE}: the module has no BTF, so no XDP program can call it; install one that was built with the kernel's vmlinux")]
    NoBtf,
    /// Not allowed.
    #[error("{0}: not permitted; run it as root")]
    NotPermitted(String),
    /// The kernel refuses the program.
    #[error("{0}: the kernel does not take the XDP program: {1}; install module and rsipvsadm of one version")]
    Load(String, String),
    /// The driver refuses the program.
    #[error("{0}: the driver does not take the XDP program: {1}; the kernel's log may say why, or use ingress")]
    Attach(String, String),
    /// The link would not outlive the command.
    #[error("{path}: cannot be {what}: {error}; the BPF file system has to be there and writable (mount -t bpf bpf /sys/fs/bpf)")]
    Pin {
        /// Which file.
        path: PathBuf,
        /// What was to be done with it.
        what: &'static str,
        /// What the system says.
        error: String,
    },
    /// There is no program of ours.
    #[error("{0}: FullNAT's XDP program is not attached, tcpdump shows all packets; rsipvsadm fastpath set {0} xdp attaches it")]
    NotAttached(String),
    /// The program is ours, but no link of ours holds it.
    #[error("{0}: XDP program {1} is FullNAT's, but its link is not below {PINS}; whoever attached it must detach it")]
    NotOurs(String, u32),
    /// The kernel does not answer.
    #[error("{0}: the kernel does not say what XDP program is there: {1}; it may be too old for this rsipvsadm")]
    Query(String, String),
    /// The program cannot be watched.
    #[error(
        "{0}: the XDP program cannot be watched: {1}; install module and rsipvsadm of one version"
    )]
    Watch(String, String),
}

impl Error {
    /// What libbpf says, in one line; a lack of privileges by its name.
    pub(crate) fn from_bpf(
        interface: &str,
        error: &libbpf_rs::Error,
        other: fn(String, String) -> Self,
    ) -> Self {
        match error.kind() {
            libbpf_rs::ErrorKind::PermissionDenied if !is_root() => {
                Error::NotPermitted(interface.to_owned())
            }
            _ => other(interface.to_owned(), one_line(error)),
        }
    }
}

/// The innermost reason: what is around it repeats what was tried.
pub(crate) fn one_line(error: &libbpf_rs::Error) -> String {
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    let text = reason.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Turns a failure about a file below [`PINS`] into an error.
pub(crate) fn pin(path: PathBuf, what: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |error| Error::Pin {
        path,
        what,
        error: error.to_string(),
    }
}
