// SPDX-License-Identifier: GPL-2.0
//! Showing and setting fast paths.
//!
//! The engine forwards at ingress wherever it may. XDP is a program in front of that, which is attached from here;
//! so a fast path is set in two steps, of which the engine's comes first: it knows best what cannot be.

use ipvs_netlink::{Action, FastPaths, Flow, Interface, Mode, Object, Refusal, Wish};
use xdp_loader::{Holder, Options};

use super::session::{failure, Session};
use super::sysctl;
use crate::failure::Failure;
use crate::output::{fastpath, json};
use crate::plan::fastpath::{Display, Target};

/// The switch over all of them.
const SWITCH: &str = "fullnat_fastpath";

/// The text of the listing.
pub(super) fn list(session: &mut Session, display: &Display) -> Result<String, Failure> {
    let mut found = session.flow()?.fast_paths().map_err(failure)?;
    if let Some(name) = &display.interface {
        let one = one(&found, name, Action::Read)?.clone();
        found.interfaces = vec![one];
    }
    let interfaces = found.interfaces.iter_mut();
    for interface in interfaces.filter(|one| one.mode == Mode::Ingress) {
        // Whose XDP cannot be asked for has none.
        if let Ok(Some(_)) = xdp_loader::status(&interface.name) {
            interface.mode = Mode::Xdp;
        }
    }
    let holders = match display.interface {
        Some(_) => Vec::<Holder>::new(),
        None => xdp_loader::holders(),
    };
    let enabled = sysctl(SWITCH).map(|value| value != 0);
    Ok(if display.json {
        json::fast_paths(&found, enabled, &holders)
    } else {
        fastpath::table(&found, enabled, &holders, display.detours)
    })
}

/// Asks for a fast path.
pub(super) fn set(session: &mut Session, target: &Target, wish: Wish) -> Result<(), Failure> {
    let flow = session.flow()?;
    let found = flow.fast_paths().map_err(failure)?;
    match target {
        Target::All => set_all(flow, wish),
        Target::One(name) => set_one(flow, one(&found, name, Action::Change)?, wish),
    }
}

fn set_one(flow: &mut Flow, interface: &Interface, wish: Wish) -> Result<(), Failure> {
    let (index, name) = (interface.index, interface.name.as_str());
    let wish = match wish {
        Wish::Automatic if is_for_xdp(interface) => Wish::Xdp,
        other => other,
    };
    flow.set_fast_path(index, name, wish).map_err(failure)?;
    let result = match wish {
        Wish::Xdp => xdp_loader::attach(name, Options::default()),
        _ => xdp_loader::detach(name),
    };
    result.map_err(|error| {
        // Half of it is nothing, and the first error is the one to tell.
        let _ = flow.set_fast_path(index, name, interface.wish);
        Failure::runtime(error.to_string())
    })
}

/// Does what can be done: what one interface does not take is told, and the others get it.
fn set_all(flow: &mut Flow, wish: Wish) -> Result<(), Failure> {
    flow.set_fast_paths(wish).map_err(failure)?;
    let found = flow.fast_paths().map_err(failure)?;
    let mut result = Ok(());
    for interface in &found.interfaces {
        let name = interface.name.as_str();
        let done = match wish {
            // Elsewhere there is ingress.
            Wish::Xdp if interface.native_xdp && interface.reason.is_none() => {
                let attached = xdp_loader::attach(name, Options::default());
                attached.map_err(|error| Failure::runtime(error.to_string()))
            }
            Wish::Automatic if is_for_xdp(interface) => set_one(flow, interface, Wish::Xdp),
            _ => xdp_loader::detach(name).map_err(|error| Failure::runtime(error.to_string())),
        };
        if let Err(failure) = done {
            failure.print();
            result = Err(Failure::Reported);
        }
    }
    result
}

/// Whether XDP costs packets less than what comes behind it.
fn is_for_xdp(interface: &Interface) -> bool {
    interface.native_xdp && xdp_loader::is_nic(&interface.name)
}

/// The interface of that name.
fn one<'a>(found: &'a FastPaths, name: &str, action: Action) -> Result<&'a Interface, Failure> {
    let interfaces = &found.interfaces;
    let interface = interfaces.iter().find(|interface| interface.name == name);
    interface.ok_or_else(|| {
        let refusal = Refusal {
            action,
            object: Object::FastPath(name.to_owned()),
            errno: libc::ENODEV,
            text: None,
        };
        let there: Vec<_> = interfaces.iter().map(|one| one.name.as_str()).collect();
        Failure::runtime(format!("{refusal}; there are {}", there.join(", ")))
    })
}
