// SPDX-License-Identifier: GPL-2.0

//! Aliases of real servers: `alias-new`, `alias-del`, `alias-get`.

use flow_abi::{alias, command, top};
use kernel::prelude::*;
use kernel_net::genl::{Dump, Request};
use nat::{address_map, Address, Family};

use super::{explain, namespace, nest};
use crate::aliases::Alias;

/// `alias-new`.
pub(super) fn add(request: &Request<'_>) -> Result {
    let namespace = namespace(request)?;
    let name = name_of(request)?;
    let server = attribute(request, alias::SERVER)?;
    let server = server
        .try_into()
        .map(Address::from_octets)
        .ok()
        .filter(|server| server.is_unicast(Family::V6))
        .ok_or_else(|| request.refuse(EINVAL, c"a real server is the address of one host"))?;
    let _writer = namespace.writers.lock();
    namespace
        .aliases
        .add(Alias { name, server })
        .map_err(|why| explain(request, why, c"the alias stands for another server", c""))
}

/// `alias-del`.
pub(super) fn remove(request: &Request<'_>) -> Result {
    let namespace = namespace(request)?;
    let name = name_of(request)?;
    let _writer = namespace.writers.lock();
    namespace
        .aliases
        .remove(name)
        .map_err(|why| explain(request, why, c"", c"there is no such alias"))
}

/// `alias-get`.
pub(super) fn list(request: &Request<'_>, dump: &mut Dump<'_>) -> Result {
    let namespace = namespace(request)?;
    let (mut index, _) = dump.position();
    // BOUND: The number of aliases.
    while let Some(entry) = namespace.aliases.nth(index) {
        let fits = dump.message(command::ALIAS_GET, |message| {
            message.nest(top::ALIAS, |nest| {
                nest.bytes(alias::ADDR, &entry.name)?;
                nest.bytes(alias::SERVER, entry.server.octets())
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

fn attribute<'a>(request: &Request<'a>, id: u16) -> Result<&'a [u8]> {
    let nest = nest(request, top::ALIAS)?
        .ok_or_else(|| request.refuse(EINVAL, c"the alias is missing"))?;
    nest.need(id).map_err(|refusal| request.fault(refusal))
}

fn name_of(request: &Request<'_>) -> Result<[u8; 4]> {
    attribute(request, alias::ADDR)?
        .try_into()
        .ok()
        .filter(|name| address_map::is_alias(*name))
        .ok_or_else(|| request.refuse(EINVAL, c"an alias is an address in 240.0.0.0/4"))
}
