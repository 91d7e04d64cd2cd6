// SPDX-License-Identifier: GPL-2.0

//! Connections: `conn-get`.

use flow_abi::{command, conn, top};
use kernel::prelude::*;
use kernel_ipvs::{Conn, Direction};
use kernel_net::genl::{Dump, Message, Request};
use kernel_net::rcu;
use nat::{Port, Protocol, Tuple};
use netlink::Attributes;

use super::{address, family_number, family_of, namespace, nest};
use crate::flows::BoundFlow;

/// `conn-get`.
pub(super) fn list(request: &Request<'_>, dump: &mut Dump<'_>) -> Result {
    let flows = namespace(request)?.flows();
    if let Some((tuple, direction)) = connection_of(request)? {
        if dump.position() == (0, 0) {
            let guard = rcu::read_lock();
            let found = flows.find(&tuple, &guard);
            if let Some((bound, _)) = found.filter(|(_, way)| *way == direction) {
                dump.message(command::CONN_GET, |message| {
                    put(message, bound, bound.conn.peek(&guard))
                });
            }
            dump.stop_at(usize::MAX, 0);
        }
        return Ok(());
    }
    let position = flows.visit_from(dump.position(), |bound, guard| {
        dump.message(command::CONN_GET, |message| {
            put(message, bound, bound.conn.peek(guard))
        })
    });
    dump.stop_at(position.0, position.1);
    Ok(())
}

fn put(message: &mut Message<'_>, bound: &BoundFlow, state: &Conn) -> Result {
    let (client, server) = (&bound.flow.client, bound.server());
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

/// The connection a request asks for, if it asks for one, by the tuple that its requests or its answers
/// arrive with: named are cip:cport to vip:vport, or lip:lport to rip:rport.
fn connection_of(request: &Request<'_>) -> Result<Option<(Tuple, Direction)>> {
    let Some(nest) = nest(request, top::CONN)? else {
        return Ok(None);
    };
    // CAST: A protocol number beyond 255 names no connection, nor does 255.
    let protocol = Protocol(
        number(request, &nest, conn::PROTOCOL, |nest| {
            nest.u16(conn::PROTOCOL)
        })?
        .try_into()
        .unwrap_or(255),
    );
    if nest.get(conn::CADDR).is_none() {
        let ids = [conn::LADDR, conn::LPORT, conn::RADDR, conn::RPORT];
        return tuple(request, &nest, ids, protocol)
            .map(|tuple| Some((tuple.reversed(), Direction::Reply)));
    }
    let ids = [conn::CADDR, conn::CPORT, conn::VADDR, conn::VPORT];
    let tuple = tuple(request, &nest, ids, protocol)?;
    if nest.get(conn::FAMILY).is_some()
        && family_of(request, nest.u16(conn::FAMILY))? != tuple.family
    {
        return Err(request.refuse(EINVAL, c"the address is not of that family"));
    }
    Ok(Some((tuple, Direction::Request)))
}

/// A tuple by its four attributes.
fn tuple(
    request: &Request<'_>,
    nest: &Attributes<'_>,
    [source, source_port, destination, destination_port]: [u16; 4],
    protocol: Protocol,
) -> Result<Tuple> {
    let needed = |id| nest.need(id).map_err(|refusal| request.fault(refusal));
    let (source, family) = address(request, needed(source)?)?;
    let (destination, other) = address(request, needed(destination)?)?;
    if family != other {
        return Err(request.refuse(EINVAL, c"the addresses are of two families"));
    }
    let port = |id| number(request, nest, id, |nest| nest.be16(id)).map(Port::new);
    Ok(Tuple {
        family,
        protocol,
        source,
        destination,
        source_port: port(source_port)?,
        destination_port: port(destination_port)?,
    })
}

/// A number that must be there.
fn number(
    request: &Request<'_>,
    nest: &Attributes<'_>,
    id: u16,
    read: impl FnOnce(&Attributes<'_>) -> Option<u16>,
) -> Result<u16> {
    nest.need(id).map_err(|refusal| request.fault(refusal))?;
    Ok(read(nest).unwrap_or(0))
}
