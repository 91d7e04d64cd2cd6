// SPDX-License-Identifier: GPL-2.0
//! Adding, changing and deleting real servers.
//!
//! Under FullNAT a server may be of another family than its service. The names that IPVS has for such
//! servers are made and found here; see [`crate::families`].

use std::net::IpAddr;

use ipvs_netlink::{Action, Dest, DestId, Error, Method, Object, Refusal, ServiceFlags, ServiceId};

use super::alias::{self, Acquired, Registry};
use super::session::{alias_of, changing, failure, Session};
use super::OPS_REASON;
use crate::failure::Failure;
use crate::families::nat64;
use crate::plan::server::{self, ServerOptions};

/// -a
pub(super) fn add(
    session: &mut Session,
    service: &ServiceId,
    id: &DestId,
    options: &ServerOptions,
) -> Result<(), Failure> {
    let mut config = options.create(*id);
    if config.method != Method::FullNat {
        let result = session.ipvs().add_dest(service, &config);
        return result.map_err(failure);
    }
    session.need_fullnat()?;
    fits(session, service, Action::Add, id)?;
    let alias = store(session, service, &mut config.id)?;
    match session.ipvs().add_dest(service, &config) {
        Ok(()) => confirm(session, id, alias),
        Err(error) => {
            if let Some(Acquired { alias, new: true }) = alias {
                // The refusal is what has to be said, not that an alias is left over.
                let _ = alias::release(session, [alias]);
            }
            Err(failure(named(error, service, id)))
        }
    }
}

/// -e
pub(super) fn edit(
    session: &mut Session,
    service: &ServiceId,
    id: &DestId,
    options: &ServerOptions,
) -> Result<(), Failure> {
    let old = existing(session, service, id, Action::Change)?;
    let mut config = options.overlay(old.config);
    let mut alias = None;
    if config.method == Method::FullNat {
        session.need_fullnat()?;
        fits(session, service, Action::Change, id)?;
        if let (IpAddr::V6(server), Some(addr)) = (id.addr, alias_of(&old)) {
            // The alias may have been lost with the module; naming the server brings it back.
            let new = !session.aliases()?.has(addr);
            if new && !session.make(addr, server)? {
                return Err(Failure::runtime(format!(
                    "cannot change server {id} of service {service}: its alias {addr} stands for another server by now"
                )));
            }
            alias = Some(Acquired { alias: addr, new });
        }
    } else if id.addr != old.config.id.addr {
        return Err(Failure::runtime(format!(
            "cannot change server {id} of service {service}: it is of another family than the service, \
             and only FullNAT (-b) can do that; delete it and add another"
        )));
    }
    config.id = old.config.id;
    match session.ipvs().change_dest(service, &config) {
        Ok(()) => confirm(session, id, alias),
        Err(error) => Err(failure(named(error, service, id))),
    }
}

/// -d
pub(super) fn delete(
    session: &mut Session,
    service: &ServiceId,
    id: &DestId,
) -> Result<(), Failure> {
    let old = existing(session, service, id, Action::Delete)?;
    let result = session.ipvs().delete_dest(service, &old.config.id);
    result.map_err(|error| failure(named(error, service, id)))?;
    alias::release(session, alias_of(&old))
}

/// The server of this name.
fn existing(
    session: &mut Session,
    service: &ServiceId,
    id: &DestId,
    action: Action,
) -> Result<Dest, Failure> {
    let dests = session.ipvs().dests(service).map_err(failure)?;
    if let Some(found) = server::find(&dests, id, &session.aliases()?) {
        return Ok(*found);
    }
    // Is it the server that is missing, or the service?
    let missing = match session.ipvs().service(service) {
        Ok(_) => libc::ENOENT,
        Err(error) if error.errno().is_some() => libc::ESRCH,
        Err(error) => return Err(failure(error)),
    };
    let refusal = Refusal {
        action,
        object: Object::Dest(*service, *id),
        errno: missing,
        text: None,
    };
    Err(failure(Error::Refused(refusal)))
}

/// Replaces the name of a FullNAT server by the one IPVS has, making an alias if it takes one.
fn store(
    session: &mut Session,
    service: &ServiceId,
    id: &mut DestId,
) -> Result<Option<Acquired>, Failure> {
    let ipv6 = i32::from(service.family()) == libc::AF_INET6;
    match id.addr {
        IpAddr::V4(addr) if ipv6 => id.addr = nat64(addr).into(),
        IpAddr::V6(addr) if !ipv6 => {
            let acquired = alias::acquire(session, addr)?;
            id.addr = acquired.alias.into();
            return Ok(Some(acquired));
        }
        _ => {}
    }
    Ok(None)
}

/// Makes sure that an alias is there now that a server has it: somebody else may have deleted the
/// last server before ours.
fn confirm(session: &mut Session, id: &DestId, acquired: Option<Acquired>) -> Result<(), Failure> {
    let (Some(Acquired { alias, .. }), IpAddr::V6(server)) = (acquired, id.addr) else {
        return Ok(());
    };
    if session.make(alias, server)? {
        return Ok(());
    }
    Err(Failure::runtime(format!(
        "server {id}: its alias {alias} was given to another server meanwhile: delete it and add it again"
    )))
}

/// The same error about the server's name that was typed.
fn named(error: Error, service: &ServiceId, id: &DestId) -> Error {
    match error {
        Error::Refused(refusal) => Error::Refused(Refusal {
            object: Object::Dest(*service, *id),
            ..refusal
        }),
        error => error,
    }
}

/// Refuses a FullNAT server where its packets would end in the director's own stack.
fn fits(
    session: &mut Session,
    service: &ServiceId,
    action: Action,
    id: &DestId,
) -> Result<(), Failure> {
    let found = session
        .ipvs()
        .service(service)
        .map_err(|error| match error {
            Error::Refused(refusal) => failure(named(
                Error::Refused(Refusal { action, ..refusal }),
                service,
                id,
            )),
            error => changing(error),
        })?;
    if found.config.flags.has(ServiceFlags::ONE_PACKET) {
        return Err(Failure::runtime(format!("service {service}: {OPS_REASON}")));
    }
    Ok(())
}
