// SPDX-License-Identifier: GPL-2.0

//! The netlink family IPVS_FLOW: what an operator sets and sees.
//!
//! `userspace/specs/ip_vs_flow.yaml` is the contract. Changes are made whole or not at all. Process
//! context.

use flow_abi::{command, conn, counter, laddr, service, top};
use flow_method::Counter;
use kernel::prelude::*;
use kernel_ipvs::{Conn, Ipvs, ServiceKey};
use kernel_net::errno;
use kernel_net::genl::{Action, Command, Dump, Family, Message, Request};
use kernel_net::net::PerNet;
use kernel_net::rcu;
use nat::{Address, Family as AddressFamily, Port, Protocol, Tuple};
use netlink::Attributes;

use crate::flows::BoundFlow;
use crate::local_address::{LocalAddress, Refusal, Service};
use crate::namespace::Namespace;

/// The family.
pub(crate) struct Control;

impl Family for Control {
    const NAME: &'static str = flow_abi::FAMILY_NAME;
    const VERSION: u8 = flow_abi::VERSION;
    const KINDS: &'static [flow_abi::Kind] = &top::KINDS;
    const COMMANDS: &'static [Command] = &[
        Command {
            id: command::LADDR_NEW,
            admin: true,
            action: Action::Do(add_local_address),
        },
        Command {
            id: command::LADDR_DEL,
            admin: true,
            action: Action::Do(remove_local_address),
        },
        Command {
            id: command::LADDR_GET,
            admin: false,
            action: Action::Dump(list_local_addresses),
        },
        Command {
            id: command::CONN_GET,
            admin: true,
            action: Action::Dump(list_connections),
        },
        Command {
            id: command::COUNTER_GET,
            admin: false,
            action: Action::Dump(list_counters),
        },
    ];
}

fn add_local_address(request: &Request<'_>) -> Result {
    let namespace = namespace(request)?;
    let key = needed_service(request)?;
    let address = address_of(request, key.family)?
        .ok_or_else(|| request.refuse(EINVAL, c"the local address is missing"))?;
    let ipvs = Ipvs::of(request.net);
    if !ipvs.is_some_and(|ipvs| ipvs.has_service(&key)) {
        return Err(request.refuse(ESRCH, c"there is no such virtual service"));
    }
    namespace.flows().prepare()?;
    namespace.ports.prepare()?;
    let _writer = namespace.writers.lock();
    namespace.ports.reap();
    namespace
        .local_addresses
        .add(key, address)
        .map_err(|why| explain(request, why))
}

fn remove_local_address(request: &Request<'_>) -> Result {
    let namespace = namespace(request)?;
    let key = service_of(request)?;
    let _writer = namespace.writers.lock();
    namespace.ports.reap();
    let Some(key) = key else {
        if request.attributes.get(top::LADDR).is_some() {
            return Err(request.refuse(EINVAL, c"a local address without its service"));
        }
        namespace.local_addresses.clear();
        return Ok(());
    };
    let address = address_of(request, key.family)?;
    if namespace
        .local_addresses
        .find(&key, &rcu::read_lock())
        .is_none()
        && !Ipvs::of(request.net).is_some_and(|ipvs| ipvs.has_service(&key))
    {
        return Err(request.refuse(ESRCH, c"there is no such virtual service"));
    }
    namespace
        .local_addresses
        .remove(key, address)
        .map_err(|why| explain(request, why))
}

fn explain(request: &Request<'_>, why: Refusal) -> Error {
    match why {
        Refusal::Exists => request.refuse(EEXIST, c"the service has this local address already"),
        Refusal::Absent => request.refuse(ENOENT, c"the service has no such local address"),
        Refusal::NoMemory => ENOMEM,
    }
}

fn list_local_addresses(request: &Request<'_>, dump: &mut Dump<'_>) -> Result {
    let namespace = namespace(request)?;
    let wanted = service_of(request)?;
    let values = namespace.scene.tunables.now();
    let range = (values.lport_min, values.lport_max);
    let (mut index, mut skip) = dump.position();
    if (index, skip) == (0, 0) {
        forget_deleted(request, namespace)?;
    }
    // BOUND: The number of services with local addresses.
    while let Some(entry) = namespace.local_addresses.nth(index) {
        if wanted.is_none_or(|key| key == entry.key) {
            // BOUND: The addresses of the service.
            while let Some(address) = entry.addresses.get(skip) {
                let fits = dump.message(command::LADDR_GET, |message| {
                    put_local_address(message, &entry, address, range)
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

/// Other tools than ours delete services without a word about their local addresses.
fn forget_deleted(request: &Request<'_>, namespace: &Namespace) -> Result {
    let _writer = namespace.writers.lock();
    let addresses = &namespace.local_addresses;
    addresses
        .keep(|seen| {
            if let Some(ipvs) = Ipvs::of(request.net) {
                ipvs.visit_services(seen);
            }
        })
        .map_err(|why| explain(request, why))
}

fn put_local_address(
    message: &mut Message<'_>,
    entry: &Service,
    address: &LocalAddress,
    (min, max): (u16, u16),
) -> Result {
    let key = &entry.key;
    let (connections, conflicts, failed) = address.figures();
    message.nest(top::SERVICE, |nest| {
        nest.u16(service::FAMILY, family_number(key.family))?;
        if key.fwmark != 0 {
            return nest.u32(service::FWMARK, key.fwmark);
        }
        nest.u16(service::PROTOCOL, u16::from(key.protocol.0))?;
        nest.bytes(service::ADDR, key.vip.bytes(key.family))?;
        nest.bytes(service::PORT, &key.vport.to_be_bytes())
    })?;
    message.nest(top::LADDR, |nest| {
        nest.bytes(laddr::ADDR, address.address.bytes(key.family))?;
        nest.u32(laddr::CONNS, connections)?;
        nest.u64(laddr::CONFLICTS, conflicts)?;
        nest.u64(laddr::FAILED, failed)?;
        nest.u16(laddr::PORT_MIN, min)?;
        nest.u16(laddr::PORT_MAX, max)
    })
}

fn list_connections(request: &Request<'_>, dump: &mut Dump<'_>) -> Result {
    let namespace = namespace(request)?;
    let wanted = connection_of(request)?;
    let position = namespace
        .flows()
        .visit_from(dump.position(), |bound, guard| {
            if wanted.is_some_and(|tuple| tuple != bound.flow.client) {
                return true;
            }
            dump.message(command::CONN_GET, |message| {
                put_connection(message, bound, bound.conn.peek(guard))
            })
        });
    dump.stop_at(position.0, position.1);
    Ok(())
}

fn put_connection(message: &mut Message<'_>, bound: &BoundFlow, state: &Conn) -> Result {
    let (client, server) = (&bound.flow.client, &bound.flow.server);
    message.nest(top::CONN, |nest| {
        nest.u16(conn::FAMILY, family_number(client.family))?;
        nest.u16(conn::PROTOCOL, u16::from(client.protocol.0))?;
        nest.bytes(conn::CADDR, client.source.bytes(client.family))?;
        nest.bytes(conn::CPORT, &client.source_port.to_be_bytes())?;
        nest.bytes(conn::VADDR, client.destination.bytes(client.family))?;
        nest.bytes(conn::VPORT, &client.destination_port.to_be_bytes())?;
        nest.bytes(conn::LADDR, server.source.bytes(server.family))?;
        nest.bytes(conn::LPORT, &server.source_port.to_be_bytes())?;
        nest.bytes(conn::RADDR, server.destination.bytes(server.family))?;
        nest.bytes(conn::RPORT, &server.destination_port.to_be_bytes())?;
        nest.u16(conn::STATE, state.state())?;
        nest.u32(conn::EXPIRES, state.expires_in())?;
        nest.u32(conn::FLAGS, state.flags())
    })
}

fn list_counters(request: &Request<'_>, dump: &mut Dump<'_>) -> Result {
    let namespace = namespace(request)?;
    let (mut index, _) = dump.position();
    // BOUND: The number of counters.
    while let Some(&which) = Counter::ALL.get(index) {
        let fits = dump.message(command::COUNTER_GET, |message| {
            message.nest(top::COUNTER, |nest| {
                nest.text(counter::NAME, which.name())?;
                nest.u64(counter::VALUE, namespace.scene.sum(which))
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

fn needed_service(request: &Request<'_>) -> Result<ServiceKey> {
    service_of(request)?.ok_or_else(|| request.refuse(EINVAL, c"the service is missing"))
}

/// The service a request names, if it names one.
fn service_of(request: &Request<'_>) -> Result<Option<ServiceKey>> {
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
    if protocol != Protocol::TCP && protocol != Protocol::UDP {
        return Err(request.refuse(errno::not_supported(), c"local addresses serve TCP and UDP"));
    }
    needed(service::PORT)?;
    Ok(Some(ServiceKey {
        fwmark: 0,
        protocol,
        family,
        vip: address(request, needed(service::ADDR)?, family)?,
        vport: Port(nest.be16(service::PORT).unwrap_or(0)),
    }))
}

/// The local address a request names, if it names one.
fn address_of(request: &Request<'_>, family: AddressFamily) -> Result<Option<Address>> {
    let Some(nest) = nest(request, top::LADDR)? else {
        return Ok(None);
    };
    let bytes = nest
        .need(laddr::ADDR)
        .map_err(|refusal| request.fault(refusal))?;
    let address = address(request, bytes, family)?;
    if !address.is_unicast(family) {
        return Err(request.refuse(EINVAL, c"a local address is the address of one host"));
    }
    Ok(Some(address))
}

/// The connection a request asks for, if it asks for one.
fn connection_of(request: &Request<'_>) -> Result<Option<Tuple>> {
    let Some(nest) = nest(request, top::CONN)? else {
        return Ok(None);
    };
    let needed = |id| nest.need(id).map_err(|refusal| request.fault(refusal));
    let family = family_of(request, nest.u16(conn::FAMILY))?;
    let (caddr, vaddr) = (needed(conn::CADDR)?, needed(conn::VADDR)?);
    for id in [conn::PROTOCOL, conn::CPORT, conn::VPORT] {
        needed(id)?;
    }
    Ok(Some(Tuple {
        family,
        // CAST: A protocol number beyond 255 names no connection, nor does 255.
        protocol: Protocol(
            nest.u16(conn::PROTOCOL)
                .and_then(|p| p.try_into().ok())
                .unwrap_or(255),
        ),
        source: address(request, caddr, family)?,
        destination: address(request, vaddr, family)?,
        source_port: Port(nest.be16(conn::CPORT).unwrap_or(0)),
        destination_port: Port(nest.be16(conn::VPORT).unwrap_or(0)),
    }))
}

fn family_of(request: &Request<'_>, number: Option<u16>) -> Result<AddressFamily> {
    match number.map(u32::from) {
        Some(kernel_net::AF_INET) => Ok(AddressFamily::V4),
        Some(kernel_net::AF_INET6) => Err(request.refuse(
            errno::family_not_supported(),
            c"local addresses are IPv4 only so far",
        )),
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

fn address(request: &Request<'_>, bytes: &[u8], family: AddressFamily) -> Result<Address> {
    Address::of_bytes(bytes)
        .filter(|(_, length)| *length == family)
        .map(|(address, _)| address)
        .ok_or_else(|| request.refuse(EINVAL, c"the address is not of the service's family"))
}
