// SPDX-License-Identifier: GPL-2.0
//! Doing what was planned.

mod alias;
mod capture;
mod connections;
mod explain;
mod fastpath;
mod list;
mod server;
mod service;
mod session;

use std::fs;
use std::io::{self, BufRead, Write};

use ipvs_netlink::address;

use crate::cli::{self, Parsed};
use crate::failure::Failure;
use crate::names;
use crate::plan::{Listing, Plan};
use session::Session;

pub use capture::capture;
pub use explain::explain;

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
        Plan::List(Listing::Connections(pair), format) => {
            connections::list(&mut Session::open()?, pair.as_ref(), format)
        }
        Plan::List(listing, format) => {
            let text = list::list(&mut Session::open()?, listing, format)?;
            print(&text)
        }
        Plan::ListFastPaths(display) => {
            let text = fastpath::list(&mut Session::open()?, display)?;
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
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// What a failed write to standard output means.
fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
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
    let plan = match cli::parse(arguments)? {
        Parsed::Text(_) | Parsed::Explain(_) | Parsed::Capture(_) => {
            return Err(Failure::usage("this is no rule"))
        }
        Parsed::Fastpath(args) => Plan::fastpath(&args)?,
        Parsed::Args(args) => Plan::new(&args, &names::System)?,
    };
    match plan {
        Plan::Restore | Plan::Save { .. } | Plan::List(..) | Plan::ListFastPaths(_) => Err(
            Failure::usage("only rules that change something can be restored"),
        ),
        plan => Ok(plan),
    }
}

/// Makes one change.
fn apply(session: &mut Session, plan: &Plan) -> Result<(), Failure> {
    match plan {
        Plan::AddService(id, options) => service::add(session, id, options),
        Plan::EditService(id, options) => service::edit(session, id, options),
        Plan::DeleteService(id) => service::delete(session, id),
        Plan::Clear => service::clear(session),
        Plan::AddServer(service, id, options) => server::add(session, service, id, options),
        Plan::EditServer(service, id, options) => server::edit(session, service, id, options),
        Plan::DeleteServer(service, id) => server::delete(session, service, id),
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
        Plan::SetFastPath(target, wish) => fastpath::set(session, target, *wish),
        Plan::Restore | Plan::Save { .. } | Plan::List(..) | Plan::ListFastPaths(_) => {
            Err(Failure::usage("a listing is no rule"))
        }
    }
}

/// A setting of IPVS or of the engine in the namespace of the caller.
fn sysctl(name: &str) -> Option<i64> {
    let text = fs::read_to_string(format!("/proc/sys/net/ipv4/vs/{name}")).ok()?;
    text.trim().parse().ok()
}
