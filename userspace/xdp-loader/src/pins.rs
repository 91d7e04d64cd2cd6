// SPDX-License-Identifier: GPL-2.0
//! The links that hold attached programs: files of the BPF file system.
//!
//! A link is named by its interface, as that was called then, and by its program's number, which no two
//! programs share: interfaces are renamed, and may have the same name in two namespaces.
//!
//! The BPF file system is that of process 1, whatever mounts the caller sees: `ip netns exec` gives a command a
//! /sys of its own, and what is pinned in there ends with the command.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libbpf_rs::Link;

use crate::error::{self, Error};
use crate::interface::Interface;

/// The folder of the links.
pub const PINS: &str = "/sys/fs/bpf/rsipvs";

/// The root of process 1.
const ROOT: &str = "/proc/1/root";

const BPF_FILE_SYSTEM: &str = "/sys/fs/bpf";

/// A link that is pinned.
pub(crate) struct Pin {
    path: PathBuf,
    link: Link,
    pub(crate) program: u32,
    /// Whether its interface is still there.
    pub(crate) is_attached: bool,
}

impl Pin {
    /// Where an operator finds it.
    pub(crate) fn shown(&self) -> PathBuf {
        shown(&self.path)
    }

    /// Detaches the program, if it still is attached, and lets go of it.
    pub(crate) fn remove(self) -> Result<(), Error> {
        if self.is_attached {
            self.link.detach().map_err(|error| Error::Pin {
                path: self.shown(),
                what: "detached",
                error: error::one_line(&error),
            })?;
        }
        match fs::remove_file(&self.path) {
            // Somebody else was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.map_err(error::pin(shown(&self.path), "removed")),
        }
    }
}

/// All links that are pinned.
pub(crate) fn all() -> Vec<Pin> {
    let Ok(entries) = fs::read_dir(folder()) else {
        return Vec::new();
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter_map(open).collect()
}

/// Pins the link of a program on an interface.
pub(crate) fn pin(mut link: Link, interface: &Interface, program: u32) -> Result<(), Error> {
    let folder = folder();
    fs::create_dir_all(&folder).map_err(error::pin(PINS.into(), "made"))?;
    // The file system reserves names with dots, which interfaces may have.
    let path = folder.join(format!("{}-{program}", interface.name.replace('.', "_")));
    link.pin(&path).map_err(|error| Error::Pin {
        path: shown(&path),
        what: "made",
        error: error::one_line(&error),
    })
}

/// Mounts the BPF file system, if it is not there.
pub(crate) fn mount() -> Result<(), Error> {
    let mounts = fs::read_to_string("/proc/1/mounts").unwrap_or_default();
    let is_there = |line: &str| {
        let mut words = line.split(' ').skip(1);
        words.next() == Some(BPF_FILE_SYSTEM) && words.next() == Some("bpf")
    };
    if mounts.lines().any(is_there) {
        return Ok(());
    }
    let status = Command::new("mount")
        .args(["--namespace", "1", "-t", "bpf", "bpf", BPF_FILE_SYSTEM])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(io::Error::other(format!("mount ends with {status}"))),
        Err(error) => Err(error),
    }
    .map_err(error::pin(BPF_FILE_SYSTEM.into(), "mounted"))
}

fn folder() -> PathBuf {
    PathBuf::from(format!("{ROOT}{PINS}"))
}

fn shown(path: &Path) -> PathBuf {
    path.strip_prefix(ROOT)
        .map_or_else(|_| path.to_owned(), |rest| Path::new("/").join(rest))
}

fn open(path: PathBuf) -> Option<Pin> {
    let link = Link::open(&path).ok()?;
    // The kernel tells what a link is by the file that stands for it.
    let about = format!("/proc/self/fdinfo/{}", link.as_fd().as_raw_fd());
    let about = fs::read_to_string(about).ok()?;
    let field = |name: &str| {
        let mut lines = about.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        value.trim().parse::<u32>().ok()
    };
    Some(Pin {
        program: field("prog_id")?,
        is_attached: field("ifindex")? != 0,
        path,
        link,
    })
}
