// SPDX-License-Identifier: GPL-2.0
//! Doing what was planned.

mod list;
mod session;

use std::io::{self, BufRead, Write};

use ipvs_netlink::{address, Method, Protocol, ServiceFlags, ServiceId};

use crate::cli::{self, Parsed};
use crate::failure::Failure;
use crate::names;
use crate::plan::{server, Plan};
use session::Session;

/// Why FullNAT and one-packet scheduling exclude each other.
const OPS_REASON: &str = "FullNAT cannot serve one-packet scheduling (-o): \
    IPVS keeps no connection that a reply could be matched with";

/// Carries out a plan.
///
/// # Errors
///
/// [`Failure::Runtime`] if something is refused or missing.
pub fn run(plan: &Plan) -> Result<(), Failure> {
    match plan {
        Plan::Restore => restore(io::stdin().lock()),
        Plan::List(listing, format) => {
            let text = list::list(&mut Session::open()?, listing, format)?;
            print(&text)
        }
        Plan::Save { numeric } => {
            let text = list::save(&mut Session::open()?, *numeric)?;
            print(&text)
        }
        change => apply(&mut Session::open()?, change),
    }
}

/// Prints; that nobody reads to the end is no failure.
///
/// # Errors
///
/// [`Failure::Runtime`] if standard output cannot be written to.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::runtime(format!(
            "cannot write the output: {error}"
        ))),
        _ => Ok(()),
    }
}

/// Reads all rules before the first is carried out, so that a typing error changes nothing.
fn restore(input: impl BufRead) -> Result<(), Failure> {
    let mut plans = Vec::new();
    for (number, line) in input.lines().enumerate() {
        let place = format!("line {}", number + 1);
        let line = line.map_err(|error| {
            Failure::runtime(format!("{place}: cannot read the rules: {error}"))
        })?;
        let words = line.split_whitespace().collect::<Vec<_>>();
        if words.first().is_none_or(|word| word.starts_with('#')) {
            continue;
        }
        plans.push((rule(&words).map_err(|failure| failure.at(&place))?, place));
    }
    if plans.is_empty() {
        return Ok(());
    }
    let mut session = Session::open()?;
    let mut result = Ok(());
    for (plan, place) in &plans {
        if let Err(failure) = apply(&mut session, plan) {
            failure.at(place).print();
            result = Err(Failure::Reported);
        }
    }
    result
}

fn rule(words: &[&str]) -> Result<Plan, Failure> {
    let program = std::iter::once(&"rsipvsadm");
    let arguments = program.chain(words).map(|word| (*word).into());
    match cli::parse(arguments)? {
        Parsed::Text(_) => Err(Failure::usage("this is no rule")),
        Parsed::Args(args) => match Plan::new(&args, &names::System)? {
            Plan::Restore | Plan::Save { .. } | Plan::List(..) => Err(Failure::usage(
                "only rules that change something can be restored",
            )),
            plan => Ok(plan),
        },
    }
}

/// Makes one change.
fn apply(session: &mut Session, plan: &Plan) -> Result<(), Failure> {
    match plan {
        Plan::AddService(id, options) => {
            let config = options.create(*id);
            session
                .ipvs()
                .add_service(&config)
                .map_err(|error| match error.errno() {
                    Some(libc::ENOENT) if config.engine.is_none() => Failure::runtime(format!(
                        "cannot add service {id}: the kernel has no scheduler {}",
                        config.scheduler
                    )),
                    _ => session::failure(error),
                })?;
            // Whoever deleted a service of that name with another tool left its addresses behind.
            session.forget_laddrs(Some(id))
        }
        Plan::EditService(id, options) => {
            let old = session.ipvs().service(id).map_err(session::changing)?;
            let config = options.overlay(old.config);
            options_fit(session, &config)?;
            session
                .ipvs()
                .change_service(&config)
                .map_err(session::failure)
        }
        Plan::DeleteService(id) => {
            // In this order the engine still knows the service whose addresses go.
            session.forget_laddrs(Some(id))?;
            let result = session.ipvs().delete_service(id);
            result.map_err(session::failure)
        }
        Plan::Clear => {
            session.forget_laddrs(None)?;
            session.ipvs().flush().map_err(session::failure)
        }
        Plan::AddServer(service, id, options) => {
            let config = options.create(*id);
            if config.method == Method::FullNat {
                session.need_fullnat()?;
                fullnat_fits(session, service)?;
            }
            let result = session.ipvs().add_dest(service, &config);
            result.map_err(session::failure)
        }
        Plan::EditServer(service, id, options) => {
            let dests = session.ipvs().dests(service).map_err(session::failure)?;
            let Some(old) = server::find(&dests, id) else {
                // The kernel knows best whether it is the service or the server that is missing.
                let result = session.ipvs().change_dest(service, &options.create(*id));
                return result.map_err(session::failure);
            };
            let config = options.overlay(old.config);
            if config.method == Method::FullNat {
                session.need_fullnat()?;
                fullnat_fits(session, service)?;
            }
            let result = session.ipvs().change_dest(service, &config);
            result.map_err(session::failure)
        }
        Plan::DeleteServer(service, id) => {
            let dests = session.ipvs().dests(service).map_err(session::failure)?;
            let id = server::find(&dests, id).map_or(*id, |dest| dest.config.id);
            let result = session.ipvs().delete_dest(service, &id);
            result.map_err(session::failure)
        }
        Plan::AddLocalAddress(service, addr, interface) => {
            let flow = session.flow()?;
            flow.add_laddr(service, addr).map_err(session::failure)?;
            let Some(interface) = interface else {
                return Ok(());
            };
            address::add(addr, interface).map_err(|error| {
                // Half of it is nothing: the address would not answer.
                let _ = flow.delete_laddr(service, addr);
                session::failure(error)
            })
        }
        Plan::DeleteLocalAddress(service, addr, interface) => {
            let flow = session.flow()?;
            flow.delete_laddr(service, addr).map_err(session::failure)?;
            match interface {
                Some(interface) => address::delete(addr, interface).map_err(session::failure),
                None => Ok(()),
            }
        }
        Plan::Zero(service) => {
            let result = session.ipvs().zero(service.as_ref());
            result.map_err(session::failure)
        }
        Plan::SetTimeouts(timeouts) => {
            let result = session.ipvs().set_timeouts(timeouts);
            result.map_err(session::failure)
        }
        Plan::StartDaemon(daemon) => {
            let result = session.ipvs().start_daemon(daemon);
            result.map_err(session::failure)
        }
        Plan::StopDaemon(state, sync_id) => {
            let result = session.ipvs().stop_daemon(*state, *sync_id);
            result.map_err(session::failure)
        }
        Plan::Restore | Plan::Save { .. } | Plan::List(..) => {
            Err(Failure::usage("a listing is no rule"))
        }
    }
}

/// Refuses a FullNAT server where its packets would end in the director's own stack.
fn fullnat_fits(session: &mut Session, service: &ServiceId) -> Result<(), Failure> {
    let served = match service {
        ServiceId::Address { protocol, addr, .. } => {
            addr.is_ipv4() && [Protocol::TCP, Protocol::UDP].contains(protocol)
        }
        ServiceId::Fwmark { ipv6, .. } => !ipv6,
    };
    if !served {
        return Err(Failure::runtime(format!(
            "service {service}: FullNAT (-b) serves TCP and UDP over IPv4 so far"
        )));
    }
    let found = session.ipvs().service(service).map_err(session::failure)?;
    if found.config.flags.has(ServiceFlags::ONE_PACKET) {
        return Err(Failure::runtime(format!("service {service}: {OPS_REASON}")));
    }
    Ok(())
}

/// Checks a changed service against the servers it has.
fn options_fit(session: &mut Session, config: &ipvs_netlink::ServiceConfig) -> Result<(), Failure> {
    if !config.flags.has(ServiceFlags::ONE_PACKET) {
        return Ok(());
    }
    let dests = session.ipvs().dests(&config.id).map_err(session::failure)?;
    if dests
        .iter()
        .any(|dest| dest.config.method == Method::FullNat)
    {
        return Err(Failure::runtime(format!(
            "service {}: {OPS_REASON}",
            config.id
        )));
    }
    Ok(())
}
