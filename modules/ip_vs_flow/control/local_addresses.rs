// SPDX-License-Identifier: GPL-2.0

//! Local addresses: `laddr-new`, `laddr-del`, `laddr-get`.

use flow_abi::{command, laddr, top};
use kernel::prelude::*;
use kernel_ipvs::Ipvs;
use kernel_net::genl::{Dump, Message, Request};
use kernel_net::rcu;
use nat::{Address, Family};

use super::service::{needed_service, put_service, service_of};
use super::{explain, namespace, nest};
use crate::local_address::LocalAddress;
use crate::namespace::Namespace;
use crate::services::Service;

/// `laddr-new`.
pub(super) fn add(request: &Request<'_>) -> Result {
    let namespace = namespace(request)?;
    let key = needed_service(request)?;
    let address = address_of(request)?
        .ok_or_else(|| request.refuse(EINVAL, c"the local address is missing"))?;
    let ipvs = Ipvs::of(request.net);
    if !ipvs.is_some_and(|ipvs| ipvs.has_service(&key)) {
        return Err(request.refuse(ESRCH, c"there is no such virtual service"));
    }
    namespace.flows().prepare()?;
    namespace.ports.prepare()?;
    namespace.next_hops.prepare()?;
    namespace.fast_path.activate(request.net);
    if address.1 == Family::V6 {
        namespace.defragment_v6(request.net)?;
    }
    let _writer = namespace.writers.lock();
    namespace.ports.reap();
    namespace.local_filter.add(&address.0, address.1);
    namespace
        .services
        .change(key, |service| service.add(address))
        .map_err(|why| {
            explain(
                request,
                why,
                c"the service has this local address already",
                c"",
            )
        })
}

/// `laddr-del`.
pub(super) fn remove(request: &Request<'_>) -> Result {
    let namespace = namespace(request)?;
    let key = service_of(request)?;
    let _writer = namespace.writers.lock();
    namespace.ports.reap();
    let absent = |why| explain(request, why, c"", c"the service has no such local address");
    let Some(key) = key else {
        if request.attributes.get(top::LADDR).is_some() {
            return Err(request.refuse(EINVAL, c"a local address without its service"));
        }
        namespace.services.clear();
        return Ok(());
    };
    let address = address_of(request)?;
    let is_known = namespace.services.find(&key, &rcu::read_lock()).is_some();
    if !is_known && !Ipvs::of(request.net).is_some_and(|ipvs| ipvs.has_service(&key)) {
        return Err(request.refuse(ESRCH, c"there is no such virtual service"));
    }
    match address {
        Some(address) => namespace
            .services
            .change(key, |service| service.remove(address)),
        // With the last address goes everything that is set for the service.
        None => namespace.services.forget(key),
    }
    .map_err(absent)
}

/// `laddr-get`.
pub(super) fn list(request: &Request<'_>, dump: &mut Dump<'_>) -> Result {
    let namespace = namespace(request)?;
    let wanted = service_of(request)?;
    let (mut index, mut skip) = dump.position();
    if (index, skip) == (0, 0) {
        forget_deleted(request, namespace)?;
    }
    // BOUND: The number of services that something is known of.
    while let Some(entry) = namespace.services.nth(index) {
        if wanted.is_none_or(|key| key == entry.key) {
            // BOUND: The addresses of the service.
            while let Some(address) = entry.addresses.get(skip) {
                let fits = dump.message(command::LADDR_GET, |message| {
                    put(message, namespace, &entry, address)
                });
                if !fits {
                    dump.stop_at(index, skip);
                    return Ok(());
                }
                skip = skip.wrapping_add(1);
            }
        }
        (index, skip) = (index.wrapping_add(1), 0);
    }
    dump.stop_at(index, 0);
    Ok(())
}

/// Other tools than ours delete services without a word about what is set for them here.
pub(super) fn forget_deleted(request: &Request<'_>, namespace: &Namespace) -> Result {
    let _writer = namespace.writers.lock();
    namespace
        .services
        .keep(|seen| {
            if let Some(ipvs) = Ipvs::of(request.net) {
                ipvs.visit_services(seen);
            }
        })
        .map_err(|why| explain(request, why, c"", c""))
}

fn put(
    message: &mut Message<'_>,
    namespace: &Namespace,
    entry: &Service,
    address: &LocalAddress,
) -> Result {
    let (connections, conflicts, failed) = address.figures();
    let range @ (min, max) = namespace.scene.tunables.ports();
    put_service(message, &entry.key)?;
    message.nest(top::LADDR, |nest| {
        nest.bytes(laddr::ADDR, address.address.bytes(address.family))?;
        nest.u32(laddr::CONNS, connections)?;
        nest.u64(laddr::CONFLICTS, conflicts)?;
        nest.u64(laddr::FAILED, failed)?;
        nest.u16(laddr::PORT_MIN, min)?;
        nest.u16(laddr::PORT_MAX, max)?;
        nest.u32(laddr::FREE, namespace.ports.left(address, range))
    })
}

/// The local address a request names, if it names one.
fn address_of(request: &Request<'_>) -> Result<Option<(Address, Family)>> {
    let Some(nest) = nest(request, top::LADDR)? else {
        return Ok(None);
    };
    let bytes = nest
        .need(laddr::ADDR)
        .map_err(|refusal| request.fault(refusal))?;
    let address = Address::of_bytes(bytes)
        .ok_or_else(|| request.refuse(EINVAL, c"a local address has 4 or 16 bytes"))?;
    if !address.0.is_unicast(address.1) {
        return Err(request.refuse(EINVAL, c"a local address is the address of one host"));
    }
    Ok(Some(address))
}
