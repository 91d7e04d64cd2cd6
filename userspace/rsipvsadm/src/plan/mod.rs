// SPDX-License-Identifier: GPL-2.0
//! What a command line means: options in, a plan out, nothing touched.

pub mod command;
pub mod endpoint;
pub mod fastpath;
pub mod fullnat;
pub mod server;
pub mod service;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipvs_netlink::{Daemon, DaemonState, DestId, Method, Protocol, ServiceId, Timeouts, Wish};
use xdp_loader::Filter;

use crate::cli::{Args, CaptureArgs, ExplainArgs};
use crate::explain::Question;
use crate::failure::Failure;
use crate::names::Resolve;
use command::Command;
use endpoint::{number, Pair};
use server::ServerOptions;
use service::ServiceOptions;

/// Longest time-out, as the kernel has it: 31 days.
const MAX_TIMEOUT: u32 = 31 * 24 * 60 * 60;
/// Interface of a sync daemon that is told none.
const DAEMON_INTERFACE: &str = "eth0";

/// How a listing looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Format {
    /// No names.
    pub numeric: bool,
    /// The kernel's order.
    pub unsorted: bool,
    /// All digits.
    pub exact: bool,
    /// JSON.
    pub json: bool,
    /// Columns of the listing of services.
    pub columns: Columns,
}

/// Columns of the listing of services and servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Columns {
    /// Weights and connections.
    #[default]
    Plain,
    /// Totals.
    Stats,
    /// Rates.
    Rate,
    /// Thresholds.
    Thresholds,
    /// Persistent connections.
    Persistent,
    /// Tunnels.
    Tunnels,
}

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// All services with their servers.
    Services,
    /// One service with its servers.
    Service(ServiceId),
    /// Connections: all, or one.
    Connections(Option<Pair>),
    /// Local addresses of all services or of one.
    LocalAddresses(Option<ServiceId>),
    /// Time-outs.
    Timeouts,
    /// Sync daemons.
    Daemons,
    /// Counters of the engine.
    Counters,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// -A
    AddService(ServiceId, ServiceOptions),
    /// -E
    EditService(ServiceId, ServiceOptions),
    /// -D
    DeleteService(ServiceId),
    /// -C
    Clear,
    /// -a
    AddServer(ServiceId, DestId, ServerOptions),
    /// -e
    EditServer(ServiceId, DestId, ServerOptions),
    /// -d
    DeleteServer(ServiceId, DestId),
    /// -P, with the interface that gets the address
    AddLocalAddress(ServiceId, IpAddr, Option<String>),
    /// -Q, with the interface that loses the address
    DeleteLocalAddress(ServiceId, IpAddr, Option<String>),
    /// -L, -G and --counters
    List(Listing, Format),
    /// -Z
    Zero(Option<ServiceId>),
    /// --set
    SetTimeouts(Timeouts),
    /// -S
    Save {
        /// No names.
        numeric: bool,
    },
    /// -R
    Restore,
    /// --start-daemon
    StartDaemon(Daemon),
    /// --stop-daemon
    StopDaemon(DaemonState, u32),
    /// fastpath
    ListFastPaths(fastpath::Display),
    /// fastpath set
    SetFastPath(fastpath::Target, Wish),
}

impl Plan {
    /// Works out what a command line means.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] in one line that names the option.
    pub fn new(args: &Args, names: &dyn Resolve) -> Result<Self, Failure> {
        let command = command::check(args)?;
        let service = service::id(args, names)?;
        let format = format(args, command)?;
        // The table of commands has made sure that what a command needs is there.
        let needed = || service.ok_or_else(|| Failure::usage(format!("{command} needs a service")));
        Ok(match command {
            Command::AddService => {
                let (id, options) = (needed()?, ServiceOptions::new(args, service)?);
                options.check_new(&id)?;
                Plan::AddService(id, options)
            }
            Command::EditService => {
                let (id, options) = (needed()?, ServiceOptions::new(args, service)?);
                options.check(&id)?;
                Plan::EditService(id, options)
            }
            Command::DeleteService => Plan::DeleteService(needed()?),
            Command::Clear => Plan::Clear,
            Command::AddServer => {
                let mut options = ServerOptions::new(args)?;
                options.method = options.method.or(Some(Method::Route));
                let id = server::id(args, &needed()?, options.method, names)?;
                Plan::AddServer(needed()?, id, options)
            }
            Command::EditServer => {
                let options = ServerOptions::new(args)?;
                let id = server::id(args, &needed()?, options.method, names)?;
                Plan::EditServer(needed()?, id, options)
            }
            Command::DeleteServer => {
                Plan::DeleteServer(needed()?, server::id(args, &needed()?, None, names)?)
            }
            Command::AddLaddr => Plan::AddLocalAddress(needed()?, laddr(args)?, interface(args)?),
            Command::DeleteLaddr => {
                Plan::DeleteLocalAddress(needed()?, laddr(args)?, interface(args)?)
            }
            Command::GetLaddr => Plan::List(Listing::LocalAddresses(service), format),
            Command::Counters => Plan::List(Listing::Counters, format),
            Command::List => Plan::List(listing(args, service)?, format),
            Command::Zero => Plan::Zero(service),
            Command::Set => Plan::SetTimeouts(timeouts(args)?),
            Command::Save => Plan::Save {
                numeric: args.numeric,
            },
            Command::Restore => Plan::Restore,
            Command::StartDaemon => Plan::StartDaemon(daemon(args)?),
            Command::StopDaemon => {
                let state = daemon_state("--stop-daemon", args.stop_daemon.as_deref())?;
                Plan::StopDaemon(state, sync_id(args)?)
            }
        })
    }
}

/// What is to be captured, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Interface that packets come in by.
    pub interface: String,
    /// Which of them.
    pub filter: Filter,
    /// How many; all, until somebody ends it.
    pub count: Option<u64>,
    /// File that they go to; standard output.
    pub file: Option<PathBuf>,
}

/// Reads the wish of `capture`.
///
/// # Errors
///
/// [`Failure::Usage`] naming the word that makes no sense.
pub fn capture(args: &CaptureArgs) -> Result<Capture, Failure> {
    let filter = Filter::parse(&args.filter);
    let count = args.count.as_deref();
    Ok(Capture {
        interface: args.interface.clone(),
        filter: filter.map_err(|error| Failure::usage(format!("FILTER: {error}")))?,
        count: count.map_or(Ok(None), |text| {
            number("--count", text, 1..=u64::MAX).map(Some)
        })?,
        file: args.write.clone(),
    })
}

/// Reads the question of `explain`, and whether the answer is JSON.
///
/// # Errors
///
/// [`Failure::Usage`] naming the word that makes no sense.
pub fn question(args: &ExplainArgs, names: &dyn Resolve) -> Result<(Question, bool), Failure> {
    let protocol = endpoint::protocol(&args.protocol).ok_or_else(|| {
        Failure::usage(format!(
            "PROTO: {} is none of tcp, udp, sctp",
            args.protocol
        ))
    })?;
    let end = |name, text: &str| {
        let (addr, port) = endpoint::endpoint(name, text, protocol, names)?;
        let port = port
            .ok_or_else(|| Failure::usage(format!("{name}: {text} has no port (address:port)")))?;
        Ok(SocketAddr::new(addr, port))
    };
    let (from, to) = (end("SRC", &args.source)?, end("DST", &args.destination)?);
    if from.is_ipv4() != to.is_ipv4() {
        return Err(Failure::usage(format!(
            "{from} and {to} are of different families; a packet is of one, as it arrives"
        )));
    }
    let mark = args.mark.as_deref();
    let mark = mark.map_or(Ok(0), |text| number("--mark", text, 0..=u32::MAX))?;
    let json = match args.output.as_deref() {
        None | Some("text") => args.json,
        Some("json") => true,
        Some(other) => {
            return Err(Failure::usage(format!(
                "--output: {other} is neither text nor json"
            )))
        }
    };
    let question = Question {
        protocol,
        from,
        to,
        mark,
    };
    Ok((question, json))
}

fn format(args: &Args, command: Command) -> Result<Format, Failure> {
    let json = match (args.ops.as_deref(), args.output.as_deref()) {
        (Some("json"), _) | (_, Some("json")) => true,
        (_, None | Some("table")) => args.json,
        (_, Some(other)) => {
            return Err(Failure::usage(format!(
                "--output: {other} is neither table nor json"
            )))
        }
    };
    match args.ops.as_deref() {
        None => {}
        Some("json") if command.is_listing() => {}
        Some("json") => return Err(Failure::usage(format!("{command} prints no JSON"))),
        Some("") if command.is_listing() => {
            return Err(Failure::usage(format!(
                "-o goes with {command} only as \"-o json\""
            )))
        }
        Some("") => {}
        Some(other) => return Err(Failure::usage(format!("-o: {other} belongs to no option"))),
    }
    let columns = if args.stats {
        Columns::Stats
    } else if args.rate {
        Columns::Rate
    } else if args.thresholds {
        Columns::Thresholds
    } else if args.persistent_conn {
        Columns::Persistent
    } else if args.tun_info {
        Columns::Tunnels
    } else {
        Columns::Plain
    };
    Ok(Format {
        numeric: args.numeric,
        unsorted: args.nosort,
        exact: args.exact,
        json,
        columns,
    })
}

fn listing(args: &Args, service: Option<ServiceId>) -> Result<Listing, Failure> {
    Ok(if let Some(text) = &args.sockpair {
        Listing::Connections(Some(endpoint::sockpair(text)?))
    } else if args.connection {
        Listing::Connections(None)
    } else if args.timeout {
        Listing::Timeouts
    } else if args.daemon {
        Listing::Daemons
    } else {
        service.map_or(Listing::Services, Listing::Service)
    })
}

fn laddr(args: &Args) -> Result<IpAddr, Failure> {
    let text = args.laddr.as_deref().unwrap_or_default();
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let addr: IpAddr = bare
        .unwrap_or(text)
        .parse()
        .map_err(|_| Failure::usage(format!("-z: {text} is not an address")))?;
    if addr.is_unspecified() || addr.is_multicast() {
        return Err(Failure::usage(format!(
            "-z: {addr} cannot be the address of a connection"
        )));
    }
    Ok(addr)
}

fn interface(args: &Args) -> Result<Option<String>, Failure> {
    let name = args.ifname.as_deref();
    let name = name.map(|name| interface_name("-F", name));
    Ok(name.transpose()?.map(str::to_owned))
}

/// Checks what is given by `option` as the name of an interface.
fn interface_name<'a>(option: &str, name: &'a str) -> Result<&'a str, Failure> {
    if name.is_empty() || name.len() > 15 || name.contains(['/', ' ']) {
        return Err(Failure::usage(format!(
            "{option}: {name:?} cannot be the name of an interface"
        )));
    }
    Ok(name)
}

fn timeouts(args: &Args) -> Result<Timeouts, Failure> {
    let values = args.set.as_deref().unwrap_or_default();
    let seconds = |place: usize| {
        let text = values.get(place).map_or("", String::as_str);
        number("--set", text, 0..=MAX_TIMEOUT)
    };
    Ok(Timeouts {
        tcp: seconds(0)?,
        tcp_fin: seconds(1)?,
        udp: seconds(2)?,
    })
}

fn daemon_state(option: &str, text: Option<&str>) -> Result<DaemonState, Failure> {
    match text {
        Some("master") => Ok(DaemonState::Master),
        Some("backup") => Ok(DaemonState::Backup),
        other => Err(Failure::usage(format!(
            "{option}: {} is neither master nor backup",
            other.unwrap_or_default()
        ))),
    }
}

fn sync_id(args: &Args) -> Result<u32, Failure> {
    args.syncid
        .as_deref()
        .map_or(Ok(0), |text| number("--syncid", text, 0..=255))
}

fn daemon(args: &Args) -> Result<Daemon, Failure> {
    let group = match args.mcast_group.as_deref() {
        None => None,
        Some(text) => match text.parse::<IpAddr>() {
            Ok(group) if group.is_multicast() => Some(group),
            _ => {
                return Err(Failure::usage(format!(
                    "--mcast-group: {text} is not a multicast address"
                )))
            }
        },
    };
    let optional = |option, text: &Option<String>, max: u32| {
        text.as_deref()
            .map_or(Ok(0), |text| number(option, text, 1..=max))
    };
    Ok(Daemon {
        state: daemon_state("--start-daemon", args.start_daemon.as_deref())?,
        interface: args
            .mcast_interface
            .clone()
            .unwrap_or_else(|| DAEMON_INTERFACE.to_owned()),
        sync_id: sync_id(args)?,
        // CAST: the ranges fit.
        max_length: optional("--sync-maxlen", &args.sync_maxlen, 65535 - 28)? as u16,
        group,
        port: optional("--mcast-port", &args.mcast_port, 65535)? as u16,
        ttl: optional("--mcast-ttl", &args.mcast_ttl, 255)? as u8,
    })
}

/// The protocol in which the ports of a service's servers are named; 0 under a firewall mark, which
/// says nothing about protocols.
#[must_use]
pub fn protocol_of(id: &ServiceId) -> Protocol {
    match id {
        ServiceId::Address { protocol, .. } => *protocol,
        ServiceId::Fwmark { .. } => Protocol(0),
    }
}
