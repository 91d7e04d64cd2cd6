// SPDX-License-Identifier: GPL-2.0

//! Interfaces and the way their packets take: `interface-get`, `interface-set`.

use flow_abi::{command, detour, interface, top};
use kernel::prelude::*;
use kernel_net::errno;
use kernel_net::genl::{Dump, Message, Request};
use nat::Detour;

use super::{namespace, nest};
use crate::fast_path::ingress::Interface;
use crate::fast_path::{Denied, Obstacle, View, Wish};
use crate::namespace::Namespace;

/// What [`interface::MODE`] says of an interface without a fast path.
const OFF: u8 = 0;
/// The same of one whose packets pass where its driver hands them to the stack.
const INGRESS: u8 = 1;

/// `interface-set`.
pub(super) fn set(request: &Request<'_>) -> Result {
    let namespace = namespace(request)?;
    let nest = nest(request, top::INTERFACE)?
        .ok_or_else(|| request.refuse(EINVAL, c"the interface is missing"))?;
    let missing = |error| request.fault(error);
    nest.need(interface::IFINDEX).map_err(missing)?;
    nest.need(interface::CONFIGURED).map_err(missing)?;
    let wish = match nest.u8(interface::CONFIGURED) {
        Some(0) => Wish::Automatic,
        Some(1) => Wish::Off,
        Some(2) => Wish::Ingress,
        Some(3) => Wish::Xdp,
        _ => return Err(request.refuse(EINVAL, c"there is no such fast path")),
    };
    let index = nest.u32(interface::IFINDEX).filter(|index| *index != 0);
    let result = namespace.fast_path.set(request.net, index, wish);
    result.map_err(|why| match why {
        Denied::NoDevice => request.refuse(ENODEV, c"there is no such interface"),
        Denied::NoMemory => ENOMEM,
        Denied::Hindered(Obstacle::Enslaved) => request.refuse(
            errno::not_supported(),
            c"another interface takes its packets: ask for the fast path of that one",
        ),
        Denied::Hindered(_) => request.refuse(
            errno::not_supported(),
            c"its packets come from this host and have no way to shorten",
        ),
    })
}

/// `interface-get`.
pub(super) fn list(request: &Request<'_>, dump: &mut Dump<'_>) -> Result {
    let namespace = namespace(request)?;
    let (all_done, skip) = dump.position();
    if all_done == 0 {
        // The first message of a part always fits.
        dump.message(command::INTERFACE_GET, |message| {
            put_all(message, namespace)
        });
    }
    let done = namespace.fast_path.visit_from(request.net, skip, |view| {
        dump.message(command::INTERFACE_GET, |message| {
            put(message, namespace, view)
        })
    });
    dump.stop_at(1, done);
    Ok(())
}

/// What holds for all interfaces.
fn put_all(message: &mut Message<'_>, namespace: &Namespace) -> Result {
    message.nest(top::INTERFACE, |nest| {
        nest.u32(interface::IFINDEX, 0)?;
        nest.u8(
            interface::CONFIGURED,
            namespace.fast_path.default_wish() as u8,
        )?;
        let flows = u32::try_from(namespace.flows().len());
        nest.u32(interface::FLOWS, flows.unwrap_or(u32::MAX))
    })
}

fn put(message: &mut Message<'_>, namespace: &Namespace, view: &View<'_>) -> Result {
    let switched_on = namespace.scene.tunables.takes_shortcuts();
    let mode = match view.obstacle {
        None if switched_on => INGRESS,
        _ => OFF,
    };
    message.nest(top::INTERFACE, |nest| {
        nest.u32(interface::IFINDEX, view.device.index())?;
        nest.text(interface::NAME, view.device.name(view.rtnl))?;
        nest.u8(interface::MODE, mode)?;
        // CAST: The enum has the numbers of the interface.
        nest.u8(interface::CONFIGURED, view.wish as u8)?;
        if view.device.has_native_xdp() {
            nest.flag(interface::NATIVE_XDP)?;
        }
        put_figures(nest, view)?;
        match view.obstacle {
            Some(obstacle) => put_reason(nest, view, obstacle),
            None if switched_on => Ok(()),
            None => nest.text(interface::REASON, c"switched off"),
        }
    })
}

/// How many packets took which way.
fn put_figures(nest: &mut Message<'_>, view: &View<'_>) -> Result {
    let Some(figures) = view.interface else {
        return Ok(());
    };
    let in_driver = view.frames.map_or(0, Interface::passed);
    nest.u64(interface::HITS, figures.passed().wrapping_add(in_driver))?;
    nest.u64(interface::MISSES, figures.took(Detour::NoFlow))?;
    put_detours(nest, interface::DETOUR, figures)?;
    let Some(frames) = view.frames else {
        return Ok(());
    };
    nest.u64(interface::XDP_HITS, in_driver)?;
    nest.u64(interface::XDP_MISSES, frames.took(Detour::NoFlow))?;
    put_detours(nest, interface::XDP_DETOUR, frames)
}

/// Why packets did not pass.
fn put_detours(nest: &mut Message<'_>, id: u16, figures: &Interface) -> Result {
    // BOUND: The number of reasons.
    for &why in Detour::ALL {
        let packets = figures.took(why);
        if why == Detour::NoFlow || packets == 0 {
            continue;
        }
        nest.nest(id, |nest| {
            nest.text(detour::NAME, why.name())?;
            nest.u64(detour::VALUE, packets)
        })?;
    }
    Ok(())
}

/// Why there is no fast path.
fn put_reason(nest: &mut Message<'_>, view: &View<'_>, obstacle: Obstacle) -> Result {
    let reason = match (obstacle, view.device.master(view.rtnl)) {
        (Obstacle::Enslaved, Some(master)) => {
            let name = master.name(view.rtnl).to_bytes_with_nul();
            return put_port(nest, name);
        }
        (Obstacle::Enslaved, None) => c"port",
        (Obstacle::Loopback, _) => c"loopback",
        (Obstacle::Idle, _) => c"no local address",
        (Obstacle::Unwanted, _) => c"as asked",
        (Obstacle::Failed, _) => c"out of memory",
    };
    nest.text(interface::REASON, reason)
}

/// That the interface is a port of another, whose name ends with a zero byte.
fn put_port(nest: &mut Message<'_>, master: &[u8]) -> Result {
    const START: &[u8] = b"port of ";
    // A name has 16 bytes at most.
    let mut text = [0; START.len() + 16];
    let mut len = 0usize;
    let mut room = text.iter_mut();
    for part in [START, master] {
        // BOUND: The length of the text.
        for (from, to) in part.iter().zip(room.by_ref()) {
            *to = *from;
            len = len.wrapping_add(1);
        }
    }
    nest.bytes(interface::REASON, text.get(..len).unwrap_or(START))
}
