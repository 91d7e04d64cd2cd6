// SPDX-License-Identifier: GPL-2.0

//! The netlink family IPVS_FLOW: what an operator sets and sees.
//!
//! `userspace/specs/ip_vs_flow.yaml` is the contract. Changes are made whole or not at all. Process
//! context.

mod aliases;
mod connections;
mod interfaces;
mod local_addresses;
mod service;

use flow_abi::{command, counter, top};
use flow_method::Counter;
use kernel::prelude::*;
use kernel_net::errno;
use kernel_net::genl::{Action, Command, Dump, Family, Request};
use kernel_net::net::PerNet;
use nat::{Address, Family as AddressFamily};
use netlink::Attributes;

use crate::namespace::Namespace;
use crate::services::Refusal;

/// The family.
pub(crate) struct Control;

const fn change(id: u8, act: fn(&Request<'_>) -> Result) -> Command {
    Command {
        id,
        admin: true,
        action: Action::Do(act),
    }
}

const fn listing(id: u8, admin: bool, list: fn(&Request<'_>, &mut Dump<'_>) -> Result) -> Command {
    Command {
        id,
        admin,
        action: Action::Dump(list),
    }
}

impl Family for Control {
    const NAME: &'static str = flow_abi::FAMILY_NAME;
    const VERSION: u8 = flow_abi::VERSION;
    const KINDS: &'static [flow_abi::Kind] = &top::KINDS;
    const COMMANDS: &'static [Command] = &[
        change(command::LADDR_NEW, local_addresses::add),
        change(command::LADDR_DEL, local_addresses::remove),
        listing(command::LADDR_GET, false, local_addresses::list),
        listing(command::CONN_GET, true, connections::list),
        listing(command::COUNTER_GET, false, list_counters),
        change(command::SERVICE_SET, service::set),
        listing(command::SERVICE_GET, false, service::list),
        change(command::ALIAS_NEW, aliases::add),
        change(command::ALIAS_DEL, aliases::remove),
        listing(command::ALIAS_GET, false, aliases::list),
        listing(command::INTERFACE_GET, false, interfaces::list),
        change(command::INTERFACE_SET, interfaces::set),
    ];
}

/// `counter-get`.
fn list_counters(request: &Request<'_>, dump: &mut Dump<'_>) -> Result {
    let namespace = namespace(request)?;
    let (mut index, _) = dump.position();
    // BOUND: The number of counters.
    while let Some(&which) = Counter::ALL.get(index) {
        let fits = dump.message(command::COUNTER_GET, |message| {
            message.nest(top::COUNTER, |nest| {
                nest.text(counter::NAME, which.name())?;
                nest.u64(counter::VALUE, namespace.scene.sum(which))?;
                match which.is_drop() {
                    true => nest.flag(counter::DROP),
                    false => Ok(()),
                }
            })
        });
        if !fits {
            break;
        }
        index = index.wrapping_add(1);
    }
    dump.stop_at(index, 0);
    Ok(())
}

fn namespace<'a>(request: &Request<'a>) -> Result<&'a Namespace> {
    Namespace::of(request.net).ok_or(ENODEV)
}

fn nest<'a>(request: &Request<'a>, id: u16) -> Result<Option<Attributes<'a>>> {
    request
        .attributes
        .nest(id)
        .map_err(|refusal| request.fault(refusal))
}

/// Why a change was refused, in words where there are any.
fn explain(
    request: &Request<'_>,
    why: Refusal,
    exists: &'static CStr,
    absent: &'static CStr,
) -> Error {
    match why {
        Refusal::Exists => request.refuse(EEXIST, exists),
        Refusal::Absent => request.refuse(ENOENT, absent),
        Refusal::NoMemory => ENOMEM,
    }
}

fn family_of(request: &Request<'_>, number: Option<u16>) -> Result<AddressFamily> {
    match number.map(u32::from) {
        Some(kernel_net::AF_INET) => Ok(AddressFamily::V4),
        Some(kernel_net::AF_INET6) => Ok(AddressFamily::V6),
        Some(_) => Err(request.refuse(
            errno::family_not_supported(),
            c"the address family is unknown",
        )),
        None => Err(request.refuse(EINVAL, c"the address family is missing")),
    }
}

fn family_number(family: AddressFamily) -> u16 {
    // CAST: Two and ten.
    match family {
        AddressFamily::V4 => kernel_net::AF_INET as u16,
        AddressFamily::V6 => kernel_net::AF_INET6 as u16,
    }
}

/// An address of either family.
fn address(request: &Request<'_>, bytes: &[u8]) -> Result<(Address, AddressFamily)> {
    Address::of_bytes(bytes).ok_or_else(|| request.refuse(EINVAL, c"an address has 4 or 16 bytes"))
}
