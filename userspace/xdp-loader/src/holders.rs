// SPDX-License-Identifier: GPL-2.0
//! Who keeps the module from being unloaded.
//!
//! A loaded program holds the module whose functions it calls, until nothing holds the program any more: neither
//! a link nor a pin nor an open file.

use std::fmt;
use std::path::PathBuf;

use libbpf_rs::query::{LinkInfoIter, LinkTypeInfo};

use crate::interface::{programs, Interface};
use crate::pins;

/// A program of ours that is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub program: u32,
    /// The interface it is attached to, if it is one of this namespace.
    pub interface: Option<String>,
    /// Whether it is attached to one at all.
    pub is_attached: bool,
    /// The link that holds it.
    pub pin: Option<PathBuf>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "XDP program {}", self.program)?;
        match (&self.interface, self.is_attached) {
            (Some(name), _) => write!(f, " on {name}")?,
            (None, true) => write!(f, " on an interface of another network namespace")?,
            (None, false) => write!(f, ", which no interface uses")?,
        }
        match &self.pin {
            Some(path) => write!(f, ", held by {}", path.display()),
            None => write!(f, ", held by a program that still runs or a pin elsewhere"),
        }
    }
}

/// All programs that hold the module, in any namespace.
#[must_use]
pub fn holders() -> Vec<Holder> {
    let pins = pins::all();
    let attached: Vec<u32> = LinkInfoIter::default()
        .filter_map(|link| match link.info {
            LinkTypeInfo::Xdp(xdp) if xdp.ifindex != 0 => Some(link.prog_id),
            _ => None,
        })
        .collect();
    let here: Vec<(String, u32)> = Interface::all()
        .into_iter()
        .filter_map(|interface| {
            let program = interface.xdp().ok()?.program?;
            Some((interface.name, program.id))
        })
        .collect();
    programs()
        .map(|program| {
            let interface = here.iter().find(|(_, id)| *id == program.id);
            Holder {
                program: program.id,
                is_attached: interface.is_some() || attached.contains(&program.id),
                interface: interface.map(|(name, _)| name.clone()),
                pin: pins
                    .iter()
                    .find(|pin| pin.program == program.id)
                    .map(pins::Pin::shown),
            }
        })
        .collect()
}
