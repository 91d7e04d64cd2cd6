// SPDX-License-Identifier: GPL-2.0
//! Collecting what a listing shows.

use ipvs_netlink::{LocalAddress, Options, Service, ServiceId};

use super::alias::Registry;
use super::session::{failure, Session};
use crate::failure::Failure;
use crate::names::{Naming, Numeric, System};
use crate::output::laddrs::ServiceLaddrs;
use crate::output::{self, fastpath, json, laddrs, rules, table, ServiceView, Snapshot};
use crate::plan::{Format, Listing};

/// The text of a listing.
pub(super) fn list(
    session: &mut Session,
    listing: &Listing,
    format: &Format,
) -> Result<String, Failure> {
    let names = naming(format.numeric);
    Ok(match listing {
        Listing::Services => {
            let snapshot = snapshot(session, None, !format.unsorted)?;
            if format.json {
                json::services(&snapshot)
            } else {
                table::services(&snapshot, format, names)
            }
        }
        Listing::Service(id) => {
            let snapshot = snapshot(session, Some(id), !format.unsorted)?;
            if format.json {
                return Ok(json::services(&snapshot));
            }
            let views = snapshot.services.iter();
            views
                .map(|view| table::one_service(view, format, names))
                .collect()
        }
        Listing::LocalAddresses(service) => {
            let found = service_laddrs(session, service.as_ref())?;
            if format.json {
                json::laddrs(&found)
            } else {
                laddrs::table(&found)
            }
        }
        Listing::Timeouts => {
            let timeouts = session.ipvs().timeouts().map_err(failure)?;
            if format.json {
                json::timeouts(&timeouts)
            } else {
                output::timeouts(&timeouts)
            }
        }
        Listing::Daemons => {
            let daemons = session.ipvs().daemons().map_err(failure)?;
            if format.json {
                json::daemons(&daemons)
            } else {
                output::daemons(&daemons)
            }
        }
        Listing::Connections(_) => {
            return Err(Failure::usage("connections are listed as they come"))
        }
        Listing::Counters => {
            let counters = session.flow()?.counters().map_err(failure)?;
            if format.json {
                json::counters(&counters)
            } else {
                output::counters(&counters)
            }
        }
    })
}

/// The rules that make the present state.
pub(super) fn save(session: &mut Session, numeric: bool) -> Result<String, Failure> {
    let snapshot = snapshot(session, None, true)?;
    let mut out = rules::rules(&snapshot.services, naming(numeric));
    if let Some(fast_paths) = session.fast_paths()? {
        out += &fastpath::rules(&fast_paths);
    }
    Ok(out)
}

pub(super) fn naming(numeric: bool) -> &'static dyn Naming {
    if numeric {
        &Numeric
    } else {
        &System
    }
}

/// One service or all, with servers and local addresses; warns of what makes servers useless.
fn snapshot(
    session: &mut Session,
    only: Option<&ServiceId>,
    sorted: bool,
) -> Result<Snapshot, Failure> {
    let mut snapshot = read(session, only)?;
    for remark in snapshot.name_servers(&session.aliases()?) {
        Failure::runtime(output::warning(&remark)).warn();
    }
    if sorted {
        snapshot.sort();
    }
    Ok(snapshot)
}

/// The same as IPVS has it.
fn read(session: &mut Session, only: Option<&ServiceId>) -> Result<Snapshot, Failure> {
    let info = session.ipvs().info().map_err(failure)?;
    let services = match only {
        Some(id) => vec![session.ipvs().service(id).map_err(failure)?],
        None => session.ipvs().services().map_err(failure)?,
    };
    let laddrs = session.laddrs()?;
    let options = session.options(only)?;
    let engine = session.flow_if_loaded()?.is_some();
    let mut views = Vec::new();
    for service in services {
        views.push(ServiceView {
            dests: session.ipvs().dests(&service.id).map_err(failure)?,
            laddrs: of_service(&laddrs, &service.id),
            options: engine.then(|| options_of(&options, &service.id)),
            service,
        });
    }
    Ok(Snapshot {
        info,
        services: views,
    })
}

/// One service with servers as people know them; nothing is remarked on.
pub(super) fn view(session: &mut Session, id: &ServiceId) -> Result<Option<ServiceView>, Failure> {
    let mut found = read(session, Some(id))?;
    let _ = found.name_servers(&session.aliases()?);
    found.sort();
    Ok(found.services.pop())
}

fn options_of(options: &[(ServiceId, Options)], id: &ServiceId) -> Options {
    let own = options.iter().find(|(service, _)| service == id);
    own.map(|(_, options)| *options).unwrap_or_default()
}

fn of_service(laddrs: &[(ServiceId, LocalAddress)], id: &ServiceId) -> Vec<LocalAddress> {
    let own = laddrs.iter().filter(|(service, _)| service == id);
    own.map(|(_, laddr)| *laddr).collect()
}

/// Local addresses by service: every service of IPVS, also one without, and then what is left.
fn service_laddrs(
    session: &mut Session,
    only: Option<&ServiceId>,
) -> Result<Vec<ServiceLaddrs>, Failure> {
    // Without the engine an empty table would look like a service that serves nobody.
    session.flow()?;
    let laddrs = session.laddrs()?;
    let mut ids: Vec<ServiceId> = match only {
        Some(id) => vec![session.ipvs().service(id).map_err(failure)?.id],
        None => {
            let services = session.ipvs().services().map_err(failure)?;
            services.iter().map(|Service { id, .. }| *id).collect()
        }
    };
    ids.sort_by_key(output::order);
    for (id, _) in &laddrs {
        if only.is_none() && !ids.contains(id) {
            ids.push(*id);
        }
    }
    Ok(ids
        .into_iter()
        .map(|id| (id, of_service(&laddrs, &id)))
        .collect())
}
