// SPDX-License-Identifier: GPL-2.0
//! Listing connections: FullNAT's from the engine, all others from IPVS's own table.

use std::io::{self, BufWriter};
use std::net::SocketAddr;
use std::ops::ControlFlow;

use ipvs_netlink::{proc, Connection, Method, Wanted};

use super::alias::Registry;
use super::list::naming;
use super::session::{failure, has_none, Session};
use super::written;
use crate::census::Census;
use crate::failure::Failure;
use crate::output::connections::{Listing, Row, Shape};
use crate::plan::endpoint::Pair;
use crate::plan::{Columns, Format};

/// What is written to standard output at once.
const BUFFER: usize = 64 * 1024;

/// Prints all connections, or the one that is asked for.
pub(super) fn list(
    session: &mut Session,
    pair: Option<&Pair>,
    format: &Format,
) -> Result<(), Failure> {
    let shape = if format.json {
        Shape::Json
    } else {
        Shape::Table {
            numeric: format.numeric,
            with_engine: format.columns == Columns::Persistent,
        }
    };
    let out = BufWriter::with_capacity(BUFFER, io::stdout().lock());
    let mut output = Output {
        result: Ok(()),
        listing: Listing::new(out, shape, naming(format.numeric)),
    };
    match pair {
        None => all(session, &mut output)?,
        Some(pair) => one(session, pair, &mut output)?,
    }
    output.end()
}

type Stdout = BufWriter<io::StdoutLock<'static>>;

/// Standard output, and whether it still takes anything.
struct Output {
    listing: Listing<Stdout>,
    result: io::Result<()>,
}

impl Output {
    /// Writes a row; there is no point in going on when that fails.
    fn row<'a>(&mut self, row: impl Into<Row<'a>>) -> ControlFlow<()> {
        self.result = self.listing.row(row);
        if self.result.is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    fn end(self) -> Result<(), Failure> {
        written(self.result.and_then(|()| self.listing.end().map(drop)))
    }
}

/// FullNAT connections, if the engine is there and serves what is asked about.
fn fullnat(
    session: &mut Session,
    wanted: &Wanted,
    reader: &mut dyn FnMut(&Connection) -> ControlFlow<()>,
) -> Result<(), Failure> {
    let Some(flow) = session.flow_if_loaded()? else {
        return Ok(());
    };
    match flow.connections(wanted, reader) {
        Err(error) if has_none(&error) => Ok(()),
        other => other.map_err(failure),
    }
}

fn all(session: &mut Session, output: &mut Output) -> Result<(), Failure> {
    let services = session.dests()?;
    let aliases = session.aliases()?;
    let servers = services.iter().map(|(id, dests)| (id, dests.as_slice()));
    let mut census = Census::new(servers, &aliases);
    let mut flow = ControlFlow::Continue(());
    fullnat(session, &Wanted::All, &mut |connection| {
        census.list(connection);
        flow = output.row(connection);
        flow
    })?;
    if flow.is_break() {
        return Ok(());
    }
    if census.is_in_doubt() {
        fullnat(session, &Wanted::All, &mut |connection| {
            census.list_again(connection);
            ControlFlow::Continue(())
        })?;
    }
    proc::connections(&mut |mut entry| {
        if census.has(&entry) {
            return ControlFlow::Continue(());
        }
        entry.raddr = aliases.shown(census.method(&entry), entry.raddr);
        output.row(&entry)
    })
    .map_err(failure)
}

fn one(session: &mut Session, pair: &Pair, output: &mut Output) -> Result<(), Failure> {
    let mut found = None;
    for wanted in pair.wanted() {
        fullnat(session, &wanted, &mut |connection| {
            found = Some(*connection);
            ControlFlow::Break(())
        })?;
        if let Some(connection) = &found {
            // Whether more can be written does not matter: there is no more.
            let _ = output.row(connection);
            return Ok(());
        }
    }
    let mut found = None;
    proc::connections(&mut |entry| {
        let server = SocketAddr::new(entry.raddr, entry.rport);
        if pair.names(&entry.key, server) {
            found = Some(entry);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })
    .map_err(failure)?;
    let Some(mut entry) = found else {
        return Err(Failure::runtime("connection specified not found"));
    };
    entry.raddr = session.aliases()?.shown(Method::FullNat, entry.raddr);
    let _ = output.row(&entry);
    Ok(())
}
