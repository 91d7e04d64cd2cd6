// SPDX-License-Identifier: GPL-2.0
//! What the kernel says about an interface: its number, what its driver can, which program is there.

use std::fmt;
use std::io;
use std::os::fd::AsFd;

use libbpf_rs::query::{ProgInfoIter, ProgramInfo};
use libbpf_rs::{Xdp, XdpFlags};
use nix::net::if_;

use crate::error::Error;
use crate::PROGRAM;

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By the driver.
    Native,
    /// By the stack.
    Generic,
    /// On the device itself.
    Offloaded,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Native => "native",
            Mode::Generic => "generic",
            Mode::Offloaded => "offloaded",
        })
    }
}

// Bits of `enum netdev_xdp_act`.
const BASIC: u64 = 1;
const REDIRECT: u64 = 2;

// Numbers of `XDP_ATTACHED_*`.
const ATTACHED_NONE: u8 = 0;
const ATTACHED_SKB: u8 = 2;
const ATTACHED_HW: u8 = 3;

/// An interface of this namespace.
#[derive(Clone, Debug)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) index: i32,
}

/// An XDP program somewhere.
#[derive(Clone, Debug)]
pub(crate) struct Attached {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) mode: Mode,
}

impl Attached {
    pub(crate) fn is_ours(&self) -> bool {
        self.name == PROGRAM
    }
}

/// What the kernel says about XDP on an interface.
#[derive(Clone, Debug)]
pub(crate) struct Xdpness {
    features: u64,
    pub(crate) program: Option<Attached>,
}

impl Xdpness {
    /// Whether the driver runs programs, and sends what they redirect.
    pub(crate) fn has_native(&self) -> bool {
        self.features & (BASIC | REDIRECT) == BASIC | REDIRECT
    }
}

impl Interface {
    pub(crate) fn named(name: &str) -> Result<Self, Error> {
        let index = if_::if_nametoindex(name)
            .ok()
            .and_then(|index| i32::try_from(index).ok())
            .ok_or_else(|| Error::NoInterface(name.to_owned()))?;
        Ok(Self {
            name: name.to_owned(),
            index,
        })
    }

    pub(crate) fn all() -> Vec<Self> {
        let Ok(list) = if_::if_nameindex() else {
            return Vec::new();
        };
        let interface = |found: &if_::Interface| {
            Some(Self {
                name: found.name().to_string_lossy().into_owned(),
                index: i32::try_from(found.index()).ok()?,
            })
        };
        list.iter().filter_map(interface).collect()
    }

    pub(crate) fn xdp(&self) -> Result<Xdpness, Error> {
        // To ask, any file will do.
        let file = io::stderr();
        let found = Xdp::new(file.as_fd())
            .query(self.index, XdpFlags::NONE)
            .map_err(|error| Error::from_bpf(&self.name, &error, Error::Query))?;
        let mode = match found.attach_mode {
            ATTACHED_NONE => None,
            ATTACHED_SKB => Some((Mode::Generic, found.skb_prog_id)),
            ATTACHED_HW => Some((Mode::Offloaded, found.hw_prog_id)),
            // Of several, the driver's sees a frame first.
            _ => Some((Mode::Native, found.drv_prog_id)),
        };
        Ok(Xdpness {
            features: found.feature_flags,
            program: mode.map(|(mode, id)| Attached {
                id,
                name: program_name(id),
                mode,
            }),
        })
    }
}

/// All XDP programs of ours.
pub(crate) fn programs() -> impl Iterator<Item = ProgramInfo> {
    ProgInfoIter::default().filter(|info| info.name.to_bytes() == PROGRAM.as_bytes())
}

fn program_name(id: u32) -> String {
    ProgInfoIter::default()
        .find(|info| info.id == id)
        .map(|info| info.name.to_string_lossy().into_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "without a name".to_owned())
}
