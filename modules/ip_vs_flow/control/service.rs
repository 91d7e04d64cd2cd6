// SPDX-License-Identifier: GPL-2.0

//! Virtual services by name, and what is set for them: `service-set`, `service-get`.

use flow_abi::{command, options, service, top};
use flow_method::{ToaMode, UoaMode};
use kernel::prelude::*;
use kernel_ipvs::{Ipvs, ServiceKey};
use kernel_net::errno;
use kernel_net::genl::{Dump, Message, Request};
use nat::{Address, Family, Port, Protocol};
use wire::toa;

use super::local_addresses::forget_deleted;
use super::{address, explain, family_number, family_of, namespace, nest};
use crate::services::Options;

/// Seconds a time-out may be long: 24 days, as much as ticks can count.
const MAX_TIMEOUT: u32 = 2_147_483;

/// `service-set`.
pub(super) fn set(request: &Request<'_>) -> Result {
    let namespace = namespace(request)?;
    let key = needed_service(request)?;
    if !Ipvs::of(request.net).is_some_and(|ipvs| ipvs.has_service(&key)) {
        return Err(request.refuse(ESRCH, c"there is no such virtual service"));
    }
    let change = changes(request)?;
    let _writer = namespace.writers.lock();
    namespace
        .services
        .change(key, |service| {
            change(&mut service.options);
            Ok(())
        })
        .map_err(|why| explain(request, why, c"", c""))
}

/// What a request changes, and nothing else.
fn changes<'a>(request: &Request<'a>) -> Result<impl FnOnce(&mut Options) + 'a> {
    let nest = nest(request, top::OPTIONS)?
        .ok_or_else(|| request.refuse(EINVAL, c"the options are missing"))?;
    let refuse = |sentence| request.refuse(EINVAL, sentence);
    let toa = match nest.u8(options::TOA).map(ToaMode::of) {
        Some(None) => return Err(refuse(c"there is no such way to send TOA")),
        mode => mode.flatten(),
    };
    let uoa = match nest.u8(options::UOA).map(UoaMode::of) {
        Some(None) => return Err(refuse(c"there is no such way to send UOA")),
        mode => mode.flatten(),
    };
    let kind = nest.u8(options::TOA_KIND);
    if kind.is_some_and(|kind| !toa::is_sendable(kind)) {
        return Err(refuse(c"the kind of a TOA option is 254, 253 or 200"));
    }
    let timeout = nest.u32(options::CONN_TIMEOUT);
    if timeout.is_some_and(|seconds| seconds > MAX_TIMEOUT) {
        return Err(refuse(c"a connection time-out is at most 2147483 seconds"));
    }
    Ok(move |options: &mut Options| {
        let introduction = &mut options.introduction;
        introduction.toa = toa.unwrap_or(introduction.toa);
        introduction.toa_kind = kind.unwrap_or(introduction.toa_kind);
        introduction.uoa = uoa.unwrap_or(introduction.uoa);
        options.timeout = timeout.unwrap_or(options.timeout);
    })
}

/// `service-get`.
pub(super) fn list(request: &Request<'_>, dump: &mut Dump<'_>) -> Result {
    let namespace = namespace(request)?;
    let wanted = service_of(request)?;
    let (mut index, _) = dump.position();
    if index == 0 {
        forget_deleted(request, namespace)?;
    }
    // BOUND: The number of services that something is known of.
    while let Some(entry) = namespace.services.nth(index) {
        if wanted.is_none_or(|key| key == entry.key) {
            let fits = dump.message(command::SERVICE_GET, |message| {
                put_service(message, &entry.key)?;
                put_options(message, &entry.options)
            });
            if !fits {
                break;
            }
        }
        index = index.wrapping_add(1);
    }
    dump.stop_at(index, 0);
    Ok(())
}

fn put_options(message: &mut Message<'_>, current: &Options) -> Result {
    let introduction = &current.introduction;
    message.nest(top::OPTIONS, |nest| {
        // CAST: The numbers of the modes.
        nest.u8(options::TOA, introduction.toa as u8)?;
        nest.u8(options::TOA_KIND, introduction.toa_kind)?;
        nest.u8(options::UOA, introduction.uoa as u8)?;
        nest.u32(options::CONN_TIMEOUT, current.timeout)
    })
}

/// Names a service.
pub(super) fn put_service(message: &mut Message<'_>, key: &ServiceKey) -> Result {
    message.nest(top::SERVICE, |nest| {
        nest.u16(service::FAMILY, family_number(key.family))?;
        if key.fwmark != 0 {
            return nest.u32(service::FWMARK, key.fwmark);
        }
        nest.u16(service::PROTOCOL, u16::from(key.protocol.0))?;
        nest.bytes(service::ADDR, key.vip.bytes(key.family))?;
        nest.bytes(service::PORT, &key.vport.to_be_bytes())
    })
}

/// The service a request must name.
pub(super) fn needed_service(request: &Request<'_>) -> Result<ServiceKey> {
    service_of(request)?.ok_or_else(|| request.refuse(EINVAL, c"the service is missing"))
}

/// The service a request names, if it names one.
pub(super) fn service_of(request: &Request<'_>) -> Result<Option<ServiceKey>> {
    let Some(nest) = nest(request, top::SERVICE)? else {
        return Ok(None);
    };
    let family = family_of(request, nest.u16(service::FAMILY))?;
    if let Some(fwmark) = nest.u32(service::FWMARK) {
        let others = [service::PROTOCOL, service::ADDR, service::PORT];
        if fwmark == 0 || others.iter().any(|&id| nest.get(id).is_some()) {
            return Err(request.refuse(EINVAL, c"a service has a firewall mark or an address"));
        }
        return Ok(Some(ServiceKey::of_fwmark(family, fwmark)));
    }
    let needed = |id| nest.need(id).map_err(|refusal| request.fault(refusal));
    let protocol = Protocol(match nest.u16(service::PROTOCOL).map(u8::try_from) {
        Some(Ok(protocol)) => protocol,
        _ => return Err(request.refuse(EINVAL, c"the service's protocol is missing or unknown")),
    });
    if ![Protocol::TCP, Protocol::UDP, Protocol::SCTP].contains(&protocol) {
        return Err(request.refuse(errno::not_supported(), c"FullNAT serves TCP, UDP and SCTP"));
    }
    needed(service::PORT)?;
    Ok(Some(ServiceKey {
        fwmark: 0,
        protocol,
        family,
        vip: vip(request, needed(service::ADDR)?, family)?,
        vport: Port::new(nest.be16(service::PORT).unwrap_or(0)),
    }))
}

fn vip(request: &Request<'_>, bytes: &[u8], family: Family) -> Result<Address> {
    let (vip, length) = address(request, bytes)?;
    match length == family {
        true => Ok(vip),
        false => Err(request.refuse(EINVAL, c"the address is not of the service's family")),
    }
}
