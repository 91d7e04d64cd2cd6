// SPDX-License-Identifier: GPL-2.0
//! Collecting what has to be known to say what would happen to a packet.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::process::ExitCode;

use ipvs_netlink::proc::{self, Entry};
use ipvs_netlink::route::{self, Query, Way};
use ipvs_netlink::{module, Connection, ConnectionKey, Protocol, ServerSide, ServiceId, Wanted};

use super::session::{failure, has_none, Session, FULLNAT_MODULE};
use super::{list, sysctl};
use crate::explain::{self, service_of, Facts, FullnatConnection, Question, Sysctls, Verdict};
use crate::failure::{Failure, EXIT_DROPPED, EXIT_UNTOUCHED};
use crate::output::{explanation, ServiceView};

/// Says what would happen to a packet; the exit code is the verdict.
///
/// # Errors
///
/// [`Failure::Runtime`] if the kernel does not say what has to be known.
pub fn explain(question: &Question, json: bool) -> Result<ExitCode, Failure> {
    let facts = facts(&mut Session::open()?, question)?;
    let explanation = explain::explain(question, &facts);
    super::print(&if json {
        explanation::json(question, &explanation)
    } else {
        explanation::text(&explanation)
    })?;
    Ok(match explanation.verdict {
        Verdict::Forwarded { .. } => ExitCode::SUCCESS,
        Verdict::Dropped { .. } => EXIT_DROPPED.into(),
        Verdict::Untouched { .. } => EXIT_UNTOUCHED.into(),
    })
}

fn facts(session: &mut Session, question: &Question) -> Result<Facts, Failure> {
    let engine = session.flow_if_loaded()?.is_some();
    let services = session.ipvs().services().map_err(failure)?;
    let ids: Vec<ServiceId> = services.iter().map(|service| service.id).collect();
    let laddrs = session.laddrs()?;
    let service = match service_of(question, &ids) {
        Some(id) => list::view(session, &id)?,
        None => None,
    };
    let marks = ids.iter().filter_map(|id| match id {
        ServiceId::Fwmark { ipv6, mark } if *ipv6 == question.to.is_ipv6() => Some(*mark),
        _ => None,
    });
    let mut guarded: Vec<Protocol> = laddrs
        .iter()
        .filter_map(|(id, _)| match id {
            ServiceId::Address { protocol, addr, .. } if *addr == question.to.ip() => {
                Some(*protocol)
            }
            _ => None,
        })
        .collect();
    guarded.sort();
    guarded.dedup();
    let local_address_of = laddrs
        .iter()
        .find(|(_, laddr)| laddr.addr == question.to.ip())
        .map(|(id, _)| *id);
    let connection = connection(session, question)?;
    let other = match connection {
        None => of_other_method(question)?,
        Some(_) => None,
    };
    let counters = match session.flow_if_loaded()? {
        Some(flow) => flow.counters().map_err(failure)?,
        None => Vec::new(),
    };
    let short = |view: &ServiceView| view.laddrs.iter().any(|laddr| laddr.free == Some(0));
    let used = if service.as_ref().is_some_and(short) {
        used_ports(session, question.protocol)?
    } else {
        BTreeMap::new()
    };
    Ok(Facts {
        engine,
        used,
        fullnat: engine && module::is_loaded(FULLNAT_MODULE),
        ways: ways(question, service.as_ref(), connection.as_ref())?,
        connection,
        other,
        service,
        marks: marks.collect(),
        local_address_of,
        guarded,
        sysctls: Sysctls {
            expire_nodest_conn: sysctl("expire_nodest_conn"),
            defence_tcp_drop: sysctl("defence_tcp_drop"),
            defence_udp_drop: sysctl("defence_udp_drop"),
            toa: sysctl("fullnat_toa_entry"),
            uoa_max_trail: sysctl("fullnat_uoa_max_trail"),
        },
        counters: counters.into_iter().map(|counter| counter.name).collect(),
    })
}

/// The FullNAT connection of a packet, as the client or as the server sees it.
fn connection(
    session: &mut Session,
    question: &Question,
) -> Result<Option<FullnatConnection>, Failure> {
    let (from, to) = (question.from, question.to);
    let request = Wanted::Client(ConnectionKey {
        protocol: question.protocol,
        caddr: from.ip(),
        cport: from.port(),
        vaddr: to.ip(),
        vport: to.port(),
    });
    if let Some(found) = one(session, &request)? {
        return Ok(Some(FullnatConnection::Request(found)));
    }
    let answer = Wanted::Server(ServerSide {
        protocol: question.protocol,
        laddr: to.ip(),
        lport: to.port(),
        raddr: from.ip(),
        rport: from.port(),
    });
    Ok(one(session, &answer)?.map(FullnatConnection::Answer))
}

fn one(session: &mut Session, wanted: &Wanted) -> Result<Option<Connection>, Failure> {
    match session
        .flow_if_loaded()?
        .map(|flow| flow.connection(wanted))
    {
        None => Ok(None),
        Some(Err(error)) if has_none(&error) => Ok(None),
        Some(other) => other.map_err(failure),
    }
}

/// How many connections there are from each local address to each server.
fn used_ports(
    session: &mut Session,
    protocol: Protocol,
) -> Result<BTreeMap<(IpAddr, SocketAddr), u32>, Failure> {
    let mut used = BTreeMap::new();
    let Some(flow) = session.flow_if_loaded()? else {
        return Ok(used);
    };
    flow.connections(&Wanted::All, &mut |found| {
        if found.key.protocol == protocol {
            let server = SocketAddr::new(found.raddr, found.rport);
            *used.entry((found.laddr, server)).or_insert(0) += 1;
        }
        ControlFlow::Continue(())
    })
    .map_err(failure)?;
    Ok(used)
}

/// The connection of another forwarding method that a packet belongs to.
fn of_other_method(question: &Question) -> Result<Option<Entry>, Failure> {
    let mut found = None;
    proc::connections(&mut |entry| {
        let key = &entry.key;
        if key.protocol == question.protocol
            && SocketAddr::new(key.caddr, key.cport) == question.from
            && SocketAddr::new(key.vaddr, key.vport) == question.to
        {
            found = Some(entry);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })
    .map_err(failure)?;
    Ok(found)
}

/// Where packets go to all addresses that matter.
fn ways(
    question: &Question,
    service: Option<&ServiceView>,
    connection: Option<&FullnatConnection>,
) -> Result<BTreeMap<IpAddr, Way>, Failure> {
    let mut addrs = Vec::new();
    if let Some(view) = service {
        addrs.extend(view.dests.iter().map(|dest| dest.config.id.addr));
        addrs.extend(view.laddrs.iter().map(|laddr| laddr.addr));
    }
    match connection {
        Some(FullnatConnection::Request(found)) => addrs.extend([found.laddr, found.raddr]),
        Some(FullnatConnection::Answer(found)) => addrs.extend([found.key.vaddr, found.key.caddr]),
        None => {}
    }
    let mut ways = BTreeMap::new();
    for to in addrs {
        let query = Query {
            to,
            from: None,
            mark: 0,
        };
        if let std::collections::btree_map::Entry::Vacant(place) = ways.entry(to) {
            place.insert(route::lookup(&query).map_err(failure)?);
        }
    }
    // Only the packet itself has the mark: what the engine sends is routed without.
    let query = Query {
        to: question.to.ip(),
        from: None,
        mark: question.mark,
    };
    ways.insert(query.to, route::lookup(&query).map_err(failure)?);
    Ok(ways)
}
