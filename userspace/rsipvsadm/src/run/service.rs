// SPDX-License-Identifier: GPL-2.0
//! Adding, changing and deleting virtual services.

use ipvs_netlink::{Method, OptionChanges, Options, ServiceConfig, ServiceFlags, ServiceId};

use super::alias::{self, Registry};
use super::session::{alias_of, changing, failure, Session};
use super::OPS_REASON;
use crate::failure::Failure;
use crate::plan::service::ServiceOptions;

/// -A
pub(super) fn add(
    session: &mut Session,
    id: &ServiceId,
    options: &ServiceOptions,
) -> Result<(), Failure> {
    let config = options.create(*id);
    if !options.fullnat.is_empty() {
        session.flow()?;
    }
    let result = session.ipvs().add_service(&config);
    result.map_err(|error| match error.errno() {
        Some(libc::ENOENT) if config.engine.is_none() => Failure::runtime(format!(
            "cannot add service {id}: the kernel has no scheduler {}",
            config.scheduler
        )),
        _ => failure(error),
    })?;
    forget(session, id)
        .and_then(|()| set_options(session, id, &options.fullnat))
        .inspect_err(|_| {
            // What went wrong is said; a service that does half of what was asked must not stay.
            let _ = session.ipvs().delete_service(id);
        })
}

/// Drops the local addresses and options of a service: all of it, before it goes, and before one is
/// added, because who deletes services with another tool leaves them behind.
fn forget(session: &mut Session, id: &ServiceId) -> Result<(), Failure> {
    session.forget_laddrs(Some(id))?;
    forget_options(session, Some(id))
}

/// Sets options back, those of one service or of all.
fn forget_options(session: &mut Session, only: Option<&ServiceId>) -> Result<(), Failure> {
    let usual = Options::default();
    for (id, options) in session.options(only)? {
        if options != usual {
            set_options(session, &id, &OptionChanges::all(usual))?;
        }
    }
    Ok(())
}

/// -E
pub(super) fn edit(
    session: &mut Session,
    id: &ServiceId,
    options: &ServiceOptions,
) -> Result<(), Failure> {
    let old = session.ipvs().service(id).map_err(changing)?.config;
    let config = options.overlay(old.clone());
    options_fit(session, &config)?;
    if !options.fullnat.is_empty() {
        session.flow()?;
    }
    if options.concern_ipvs() {
        session.ipvs().change_service(&config).map_err(failure)?;
    }
    set_options(session, id, &options.fullnat).inspect_err(|_| {
        if options.concern_ipvs() {
            let _ = session.ipvs().change_service(&old);
        }
    })
}

/// -D
pub(super) fn delete(session: &mut Session, id: &ServiceId) -> Result<(), Failure> {
    let dests = session.ipvs().dests(id).map_err(failure)?;
    // In this order the engine still knows the service whose addresses go.
    forget(session, id)?;
    session.ipvs().delete_service(id).map_err(failure)?;
    alias::release(session, dests.iter().filter_map(alias_of))
}

/// -C
pub(super) fn clear(session: &mut Session) -> Result<(), Failure> {
    session.forget_laddrs(None)?;
    forget_options(session, None)?;
    session.ipvs().flush().map_err(failure)?;
    let aliases = session.aliases()?;
    alias::release(session, aliases.addrs())
}

fn set_options(
    session: &mut Session,
    id: &ServiceId,
    changes: &OptionChanges,
) -> Result<(), Failure> {
    if changes.is_empty() {
        return Ok(());
    }
    session.flow()?.set_options(id, changes).map_err(failure)
}

/// Checks a changed service against the servers it has.
fn options_fit(session: &mut Session, config: &ServiceConfig) -> Result<(), Failure> {
    if !config.flags.has(ServiceFlags::ONE_PACKET) {
        return Ok(());
    }
    let dests = session.ipvs().dests(&config.id).map_err(failure)?;
    let mut methods = dests.iter().map(|dest| dest.config.method);
    if methods.any(|method| method == Method::FullNat) {
        return Err(Failure::runtime(format!(
            "service {}: {OPS_REASON}",
            config.id
        )));
    }
    Ok(())
}
