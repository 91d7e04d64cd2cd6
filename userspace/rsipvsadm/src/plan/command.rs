// SPDX-License-Identifier: GPL-2.0
//! Commands, and which options go with which.

use std::fmt;

use crate::cli::Args;
use crate::failure::Failure;

/// A command.
#[allow(missing_docs, reason = "the names say it")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    AddService,
    EditService,
    DeleteService,
    Clear,
    AddServer,
    EditServer,
    DeleteServer,
    AddLaddr,
    DeleteLaddr,
    GetLaddr,
    List,
    Counters,
    Zero,
    Set,
    Save,
    Restore,
    StartDaemon,
    StopDaemon,
}

impl Command {
    /// Whether it prints something that can be JSON.
    #[must_use]
    pub fn is_listing(self) -> bool {
        matches!(self, Command::List | Command::GetLaddr | Command::Counters)
    }

    fn row(self) -> Row {
        const SERVER: &[Opt] = &[
            Opt::Forward,
            Opt::Weight,
            Opt::Upper,
            Opt::Lower,
            Opt::Tunnel,
            Opt::Ipv6,
        ];
        const SERVICE: &[Opt] = &[
            Opt::Scheduler,
            Opt::SchedFlags,
            Opt::Persistent,
            Opt::Netmask,
            Opt::Engine,
            Opt::Ops,
            Opt::FullnatOption,
            Opt::Ipv6,
        ];
        match self {
            Command::AddService | Command::EditService => (&[Opt::Service], SERVICE),
            Command::DeleteService => (&[Opt::Service], &[Opt::Ipv6]),
            Command::Clear | Command::Restore | Command::Set => (&[], &[]),
            Command::AddServer | Command::EditServer => (&[Opt::Service, Opt::Server], SERVER),
            Command::DeleteServer => (&[Opt::Service, Opt::Server], &[Opt::Ipv6]),
            Command::AddLaddr | Command::DeleteLaddr => {
                (&[Opt::Service, Opt::Laddr], &[Opt::Interface, Opt::Ipv6])
            }
            Command::GetLaddr => (
                &[],
                &[Opt::Service, Opt::Ipv6, Opt::Numeric, Opt::Json, Opt::Ops],
            ),
            Command::Counters => (&[], &[Opt::Json, Opt::Ops]),
            Command::List => (
                &[],
                &[
                    Opt::Service,
                    Opt::Ipv6,
                    Opt::Numeric,
                    Opt::Connection,
                    Opt::Sockpair,
                    Opt::Timeout,
                    Opt::Daemon,
                    Opt::Stats,
                    Opt::Rate,
                    Opt::Thresholds,
                    Opt::PersistentConn,
                    Opt::TunInfo,
                    Opt::Sort,
                    Opt::Exact,
                    Opt::SyncId,
                    Opt::Json,
                    Opt::Ops,
                ],
            ),
            Command::Zero => (&[], &[Opt::Service, Opt::Ipv6]),
            Command::Save => (&[], &[Opt::Numeric]),
            Command::StartDaemon => (&[], &[Opt::SyncId, Opt::Multicast]),
            Command::StopDaemon => (&[], &[Opt::SyncId]),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Command::AddService => "-A",
            Command::EditService => "-E",
            Command::DeleteService => "-D",
            Command::Clear => "-C",
            Command::AddServer => "-a",
            Command::EditServer => "-e",
            Command::DeleteServer => "-d",
            Command::AddLaddr => "-P",
            Command::DeleteLaddr => "-Q",
            Command::GetLaddr => "-G",
            Command::List => "-L",
            Command::Counters => "--counters",
            Command::Zero => "-Z",
            Command::Set => "--set",
            Command::Save => "-S",
            Command::Restore => "-R",
            Command::StartDaemon => "--start-daemon",
            Command::StopDaemon => "--stop-daemon",
        })
    }
}

/// Options a command needs, and options it may have.
type Row = (&'static [Opt], &'static [Opt]);

/// An option, or several that are the same to the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opt {
    Service,
    Ipv6,
    Scheduler,
    SchedFlags,
    Persistent,
    Netmask,
    Engine,
    Ops,
    FullnatOption,
    Server,
    Forward,
    Weight,
    Upper,
    Lower,
    Tunnel,
    Laddr,
    Interface,
    Numeric,
    Connection,
    Sockpair,
    Timeout,
    Daemon,
    Stats,
    Rate,
    Thresholds,
    PersistentConn,
    TunInfo,
    Sort,
    Exact,
    Json,
    SyncId,
    Multicast,
}

/// What to say when an option that a command needs is missing.
fn missing(option: Opt) -> &'static str {
    match option {
        Opt::Service => "a service (-t, -u, --sctp-service or -f)",
        Opt::Server => "a real server (-r)",
        Opt::Laddr => "a local address (-z)",
        _ => "more options",
    }
}

/// The options that are there, each with the word it was given by.
fn given(args: &Args) -> Vec<(Opt, &'static str)> {
    let table = [
        (args.tcp_service.is_some(), Opt::Service, "-t"),
        (args.udp_service.is_some(), Opt::Service, "-u"),
        (args.sctp_service.is_some(), Opt::Service, "--sctp-service"),
        (args.fwmark_service.is_some(), Opt::Service, "-f"),
        (args.ipv6, Opt::Ipv6, "-6"),
        (args.scheduler.is_some(), Opt::Scheduler, "-s"),
        (args.sched_flags.is_some(), Opt::SchedFlags, "--sched-flags"),
        (args.persistent.is_some(), Opt::Persistent, "-p"),
        (args.netmask.is_some(), Opt::Netmask, "-M"),
        (args.pe.is_some(), Opt::Engine, "--pe"),
        (args.ops.is_some(), Opt::Ops, "-o"),
        (
            args.conn_timeout.is_some(),
            Opt::FullnatOption,
            "--conn-timeout",
        ),
        (args.toa.is_some(), Opt::FullnatOption, "--toa"),
        (args.toa_kind.is_some(), Opt::FullnatOption, "--toa-kind"),
        (args.uoa.is_some(), Opt::FullnatOption, "--uoa"),
        (args.real_server.is_some(), Opt::Server, "-r"),
        (args.fullnat, Opt::Forward, "-b"),
        (args.masquerading, Opt::Forward, "-m"),
        (args.gatewaying, Opt::Forward, "-g"),
        (args.ipip, Opt::Forward, "-i"),
        (args.weight.is_some(), Opt::Weight, "-w"),
        (args.u_threshold.is_some(), Opt::Upper, "-x"),
        (args.l_threshold.is_some(), Opt::Lower, "-y"),
        (args.tun_type.is_some(), Opt::Tunnel, "--tun-type"),
        (args.tun_port.is_some(), Opt::Tunnel, "--tun-port"),
        (args.tun_nocsum, Opt::Tunnel, "--tun-nocsum"),
        (args.tun_csum, Opt::Tunnel, "--tun-csum"),
        (args.tun_remcsum, Opt::Tunnel, "--tun-remcsum"),
        (args.laddr.is_some(), Opt::Laddr, "-z"),
        (args.ifname.is_some(), Opt::Interface, "-F"),
        (args.numeric, Opt::Numeric, "-n"),
        (args.connection, Opt::Connection, "-c"),
        (args.sockpair.is_some(), Opt::Sockpair, "--sockpair"),
        (args.timeout, Opt::Timeout, "--timeout"),
        (args.daemon, Opt::Daemon, "--daemon"),
        (args.stats, Opt::Stats, "--stats"),
        (args.rate, Opt::Rate, "--rate"),
        (args.thresholds, Opt::Thresholds, "--thresholds"),
        (
            args.persistent_conn,
            Opt::PersistentConn,
            "--persistent-conn",
        ),
        (args.tun_info, Opt::TunInfo, "--tun-info"),
        (args.nosort, Opt::Sort, "--nosort"),
        (args.sort, Opt::Sort, "--sort"),
        (args.exact, Opt::Exact, "-X"),
        (args.json, Opt::Json, "--json"),
        (args.output.is_some(), Opt::Json, "--output"),
        (args.syncid.is_some(), Opt::SyncId, "--syncid"),
        (args.sync_maxlen.is_some(), Opt::Multicast, "--sync-maxlen"),
        (
            args.mcast_interface.is_some(),
            Opt::Multicast,
            "--mcast-interface",
        ),
        (args.mcast_group.is_some(), Opt::Multicast, "--mcast-group"),
        (args.mcast_port.is_some(), Opt::Multicast, "--mcast-port"),
        (args.mcast_ttl.is_some(), Opt::Multicast, "--mcast-ttl"),
    ];
    let present = table.into_iter().filter(|(present, ..)| *present);
    present.map(|(_, option, word)| (option, word)).collect()
}

/// The command, if there is exactly one.
fn command(args: &Args) -> Result<Command, Failure> {
    let table = [
        (args.add_service, Command::AddService),
        (args.edit_service, Command::EditService),
        (args.delete_service, Command::DeleteService),
        (args.clear, Command::Clear),
        (args.add_server, Command::AddServer),
        (args.edit_server, Command::EditServer),
        (args.delete_server, Command::DeleteServer),
        (args.add_laddr, Command::AddLaddr),
        (args.del_laddr, Command::DeleteLaddr),
        (args.get_laddr, Command::GetLaddr),
        (args.list, Command::List),
        (args.counters, Command::Counters),
        (args.zero, Command::Zero),
        (args.set.is_some(), Command::Set),
        (args.save, Command::Save),
        (args.restore, Command::Restore),
        (args.start_daemon.is_some(), Command::StartDaemon),
        (args.stop_daemon.is_some(), Command::StopDaemon),
    ];
    let mut present = table.into_iter().filter(|(present, _)| *present);
    match (present.next(), present.next()) {
        (None, _) => Err(Failure::usage("no command; see rsipvsadm --help")),
        (Some((_, one)), None) => Ok(one),
        (Some((_, one)), Some((_, two))) => {
            Err(Failure::usage(format!("{one} and {two} are two commands")))
        }
    }
}

/// Finds the command and checks that the options go with it and with each other.
///
/// # Errors
///
/// [`Failure::Usage`] naming the option that is too much or missing.
pub fn check(args: &Args) -> Result<Command, Failure> {
    let command = command(args)?;
    let given = given(args);
    let (needed, allowed) = command.row();
    for (option, word) in &given {
        if !needed.contains(option) && !allowed.contains(option) {
            return Err(Failure::usage(format!("{word} does not go with {command}")));
        }
    }
    for option in needed {
        if !given.iter().any(|(present, _)| present == option) {
            return Err(Failure::usage(format!(
                "{command} needs {}",
                missing(*option)
            )));
        }
    }
    // At most one service, one forwarding method, and one thing to list.
    const TOPICS: &[Opt] = &[Opt::Service, Opt::Connection, Opt::Timeout, Opt::Daemon];
    const COLUMNS: &[Opt] = &[Opt::Stats, Opt::Rate, Opt::Thresholds, Opt::TunInfo];
    at_most_one(&given, &[Opt::Service])?;
    at_most_one(&given, &[Opt::Forward])?;
    at_most_one(&given, TOPICS)?;
    at_most_one(&given, &[Opt::Sockpair, Opt::Service])?;
    let of = |options: &[Opt]| given.iter().find(|(option, _)| options.contains(option));
    for (topics, columns) in [
        (&TOPICS[1..], COLUMNS),
        (&[Opt::Sockpair][..], COLUMNS),
        (&TOPICS[2..], &[Opt::PersistentConn, Opt::Sockpair][..]),
    ] {
        if let (Some((_, one)), Some((_, two))) = (of(topics), of(columns)) {
            return Err(Failure::usage(format!(
                "{one} and {two} exclude each other"
            )));
        }
    }
    if args.ipv6 && args.fwmark_service.is_none() {
        return Err(Failure::usage("-6 goes only with -f"));
    }
    Ok(command)
}

fn at_most_one(given: &[(Opt, &str)], options: &[Opt]) -> Result<(), Failure> {
    let mut found = given.iter().filter(|(option, _)| options.contains(option));
    match (found.next(), found.next()) {
        (Some((_, one)), Some((_, two))) => Err(Failure::usage(format!(
            "{one} and {two} exclude each other"
        ))),
        _ => Ok(()),
    }
}
