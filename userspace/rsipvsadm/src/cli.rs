// SPDX-License-Identifier: GPL-2.0
//! The words of the command line: which options there are and which take a value.
//!
//! Nothing is decided here. Values stay text, because the plan can say better what is wrong with
//! them, and all options are optional, because what goes with what is a table of the plan.

mod capture;
mod explain;
mod fastpath;

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Command, CommandFactory, Parser};

use crate::failure::Failure;

pub use capture::CaptureArgs;
pub use explain::ExplainArgs;
pub use fastpath::{FastpathArgs, FastpathChange};

const EXAMPLES: &str = "\
Examples:
  FullNAT: clients talk to 10.0.96.204, servers see connections from 192.168.229.204
    rsipvsadm -A -t 10.0.96.204:80 -s rr
    rsipvsadm -P -t 10.0.96.204:80 -z 192.168.229.204
    rsipvsadm -a -t 10.0.96.204:80 -r 192.168.229.1 -b
    rsipvsadm -a -t 10.0.96.204:80 -r 192.168.229.2:8080 -b -w 3
  IPv6 clients and servers that know only IPv4; and the other way round
    rsipvsadm -A -t [2001:db8::204]:80
    rsipvsadm -P -t [2001:db8::204]:80 -z 192.168.229.204
    rsipvsadm -a -t [2001:db8::204]:80 -r 192.168.229.1 -b
    rsipvsadm -P -t 10.0.96.204:80 -z 2001:db8:229::204
    rsipvsadm -a -t 10.0.96.204:80 -r [2001:db8:229::1]:80 -b
  The client's address in the SYN, too; idle connections end after ten minutes
    rsipvsadm -E -t 10.0.96.204:80 --toa syn --conn-timeout 600
  See what is there, what is going on and who is connected
    rsipvsadm -Ln
    rsipvsadm -Ln --rate
    rsipvsadm -Lnc
    rsipvsadm -Ln --sockpair tcp:172.16.0.1:57090:10.0.96.204:80
    rsipvsadm -G
  Why does a packet not arrive?
    rsipvsadm explain tcp 172.16.0.1:57090 10.0.96.204:80
  Do packets pass the IP layer by? No fast path on one interface
    rsipvsadm fastpath
    rsipvsadm fastpath set eth0 off
  What does XDP forward, which tcpdump does not see?
    rsipvsadm capture eth0 | tcpdump -nr -
  Keep the rules over a reboot
    rsipvsadm -Sn > rules
    rsipvsadm -R < rules

Exit status: 0 done, 1 it did not work, 2 the command line is wrong.";

/// The word that asks what would happen to a packet.
const EXPLAIN: &str = "explain";
/// The word for the way that packets take.
const FASTPATH: &str = "fastpath";

/// The word that shows what XDP forwards.
const CAPTURE: &str = "capture";

/// All options as they were given.
#[derive(Clone, Debug, Default, Parser)]
#[command(
    name = "rsipvsadm",
    version,
    about = "Administer the kernel's IP Virtual Server, FullNAT included",
    after_long_help = EXAMPLES,
    disable_version_flag = true,
    override_usage = "rsipvsadm COMMAND [SERVICE] [OPTIONS]\n       rsipvsadm explain PROTO SRC DST\n       \
        rsipvsadm fastpath [INTERFACE]\n       rsipvsadm fastpath set INTERFACE|all MODE\n       \
        rsipvsadm capture INTERFACE [FILTER]"
)]
#[allow(missing_docs, reason = "the comments below are the help texts")]
pub struct Args {
    /// Add a virtual service.
    #[arg(short = 'A', long, help_heading = "Commands")]
    pub add_service: bool,
    /// Change a virtual service; what is not mentioned stays.
    #[arg(short = 'E', long, help_heading = "Commands")]
    pub edit_service: bool,
    /// Delete a virtual service with its servers and local addresses.
    #[arg(short = 'D', long, help_heading = "Commands")]
    pub delete_service: bool,
    /// Delete everything.
    #[arg(short = 'C', long, help_heading = "Commands")]
    pub clear: bool,
    /// Add a real server to a service.
    #[arg(short = 'a', long, help_heading = "Commands")]
    pub add_server: bool,
    /// Change a real server; what is not mentioned stays.
    #[arg(short = 'e', long, help_heading = "Commands")]
    pub edit_server: bool,
    /// Delete a real server.
    #[arg(short = 'd', long, help_heading = "Commands")]
    pub delete_server: bool,
    /// Give a service a local address (FullNAT).
    #[arg(short = 'P', long, help_heading = "Commands")]
    pub add_laddr: bool,
    /// Take a local address away from a service.
    #[arg(short = 'Q', long, help_heading = "Commands")]
    pub del_laddr: bool,
    /// List local addresses, of all services or of one.
    #[arg(short = 'G', long, help_heading = "Commands")]
    pub get_laddr: bool,
    /// List services and servers, or what the listing options ask for.
    #[arg(
        short = 'L',
        visible_short_alias = 'l',
        long,
        help_heading = "Commands"
    )]
    pub list: bool,
    /// List the counters of FullNAT's engine.
    #[arg(long, help_heading = "Commands")]
    pub counters: bool,
    /// Reset the counters of all services or of one.
    #[arg(short = 'Z', long, help_heading = "Commands")]
    pub zero: bool,
    /// Set the seconds after which idle connections end; 0 leaves one as it is.
    #[arg(long, num_args = 3, value_names = ["TCP", "TCPFIN", "UDP"], help_heading = "Commands")]
    pub set: Option<Vec<String>>,
    /// Print the rules that make the present state.
    #[arg(short = 'S', long, help_heading = "Commands")]
    pub save: bool,
    /// Carry out rules from standard input.
    #[arg(short = 'R', long, help_heading = "Commands")]
    pub restore: bool,
    /// Start a sync daemon.
    #[arg(long, value_name = "master|backup", help_heading = "Commands")]
    pub start_daemon: Option<String>,
    /// Stop a sync daemon.
    #[arg(long, value_name = "master|backup", help_heading = "Commands")]
    pub stop_daemon: Option<String>,
    /// Print version.
    #[arg(short = 'v', long, action = ArgAction::Version, help_heading = "Commands")]
    pub version: Option<bool>,

    /// TCP service; IPv6 addresses with a port in brackets.
    #[arg(
        short = 't',
        long,
        value_name = "HOST[:PORT]",
        help_heading = "Services"
    )]
    pub tcp_service: Option<String>,
    /// UDP service.
    #[arg(
        short = 'u',
        long,
        value_name = "HOST[:PORT]",
        help_heading = "Services"
    )]
    pub udp_service: Option<String>,
    /// SCTP service.
    #[arg(long, value_name = "HOST[:PORT]", help_heading = "Services")]
    pub sctp_service: Option<String>,
    /// Service for packets with a firewall mark.
    #[arg(
        short = 'f',
        long,
        value_name = "MARK",
        allow_hyphen_values = true,
        help_heading = "Services"
    )]
    pub fwmark_service: Option<String>,
    /// The firewall mark is on IPv6 packets.
    #[arg(short = '6', long, help_heading = "Services")]
    pub ipv6: bool,
    /// Scheduler: rr, wrr, lc, wlc (the default), lblc, lblcr, dh, sh, sed, nq, fo, ovf, mh, twos.
    #[arg(short = 's', long, value_name = "NAME", help_heading = "Services")]
    pub scheduler: Option<String>,
    /// Flags of the scheduler, with commas: sh-fallback, sh-port, mh-fallback, mh-port, flag-1 to 3.
    #[arg(long, value_name = "FLAGS", help_heading = "Services")]
    pub sched_flags: Option<String>,
    /// Clients stick to their server, for 360 seconds or this long; with -E, 0 turns it off.
    #[arg(
        short = 'p',
        long,
        num_args = 0..=1,
        default_missing_value = "360",
        value_name = "SECONDS",
        help_heading = "Services"
    )]
    pub persistent: Option<String>,
    /// Persistence takes clients of one network for one client.
    #[arg(
        short = 'M',
        long,
        value_name = "MASK|LENGTH",
        help_heading = "Services"
    )]
    pub netmask: Option<String>,
    /// Persistence engine: sip.
    #[arg(long, value_name = "NAME", help_heading = "Services")]
    pub pe: Option<String>,
    /// One-packet scheduling, for UDP; after a listing command, "-o json" is --json.
    #[arg(
        short = 'o',
        long = "ops",
        num_args = 0..=1,
        default_missing_value = "",
        value_name = "json",
        help_heading = "Services"
    )]
    pub ops: Option<String>,

    /// FullNAT: seconds after which established connections without packets end, of UDP all; 0 is
    /// IPVS's own time-out (--set).
    #[arg(
        long,
        value_name = "SECONDS",
        allow_hyphen_values = true,
        help_heading = "Services"
    )]
    pub conn_timeout: Option<String>,
    /// FullNAT: where TCP carries the client's address: nowhere, from the end of the handshake on
    /// (the default), also in the SYN.
    #[arg(long, value_name = "off|ack|syn", help_heading = "Services")]
    pub toa: Option<String>,
    /// FullNAT: number of the TCP option with the client's address; 254 by default.
    #[arg(long, value_name = "254|200|253", help_heading = "Services")]
    pub toa_kind: Option<String>,
    /// FullNAT: how UDP carries the client's address: not at all (the default), in a header of its own
    /// protocol, in an option of IPv4. The server needs uoa.ko for the others.
    #[arg(long, value_name = "off|opp|ipo", help_heading = "Services")]
    pub uoa: Option<String>,

    /// Real server; without a port, the service's. Under -b it may be of the other address family.
    #[arg(
        short = 'r',
        long,
        value_name = "HOST[:PORT]",
        help_heading = "Servers"
    )]
    pub real_server: Option<String>,
    /// FullNAT: source and destination are translated.
    #[arg(short = 'b', long, help_heading = "Servers")]
    pub fullnat: bool,
    /// Masquerading: the destination is translated.
    #[arg(short = 'm', long, help_heading = "Servers")]
    pub masquerading: bool,
    /// Direct routing; the default.
    #[arg(short = 'g', long, help_heading = "Servers")]
    pub gatewaying: bool,
    /// Tunnelling.
    #[arg(short = 'i', long, help_heading = "Servers")]
    pub ipip: bool,
    /// Share of new connections, 0 to 65535; 0 gets none.
    #[arg(
        short = 'w',
        long,
        value_name = "NUMBER",
        allow_hyphen_values = true,
        help_heading = "Servers"
    )]
    pub weight: Option<String>,
    /// No new connections from this many on; 0 is no limit.
    #[arg(
        short = 'x',
        long,
        value_name = "NUMBER",
        allow_hyphen_values = true,
        help_heading = "Servers"
    )]
    pub u_threshold: Option<String>,
    /// New connections again below this many.
    #[arg(
        short = 'y',
        long,
        value_name = "NUMBER",
        allow_hyphen_values = true,
        help_heading = "Servers"
    )]
    pub l_threshold: Option<String>,
    /// What a tunnel wraps packets in.
    #[arg(long, value_name = "ipip|gue|gre", help_heading = "Servers")]
    pub tun_type: Option<String>,
    /// UDP port of a gue tunnel.
    #[arg(long, value_name = "PORT", help_heading = "Servers")]
    pub tun_port: Option<String>,
    /// The tunnel's header has no checksum.
    #[arg(long, help_heading = "Servers")]
    pub tun_nocsum: bool,
    /// The tunnel's header has a checksum.
    #[arg(long, help_heading = "Servers")]
    pub tun_csum: bool,
    /// The tunnel uses remote checksum offload.
    #[arg(long, help_heading = "Servers")]
    pub tun_remcsum: bool,

    /// Local address, which real servers see as the client: of the family of the servers.
    #[arg(
        short = 'z',
        long,
        value_name = "ADDRESS",
        help_heading = "Local addresses"
    )]
    pub laddr: Option<String>,
    /// Also put the local address on this interface (-P) or take it off (-Q).
    #[arg(
        short = 'F',
        long,
        value_name = "INTERFACE",
        help_heading = "Local addresses"
    )]
    pub ifname: Option<String>,

    /// Addresses and ports as numbers.
    #[arg(short = 'n', long, help_heading = "Listing")]
    pub numeric: bool,
    /// Connections.
    #[arg(short = 'c', long, help_heading = "Listing")]
    pub connection: bool,
    /// The one connection between these two, as the client or the real server sees it; IPv6
    /// addresses in brackets.
    #[arg(
        long,
        value_name = "PROTO:ADDR:PORT:ADDR:PORT",
        help_heading = "Listing"
    )]
    pub sockpair: Option<String>,
    /// Time-outs.
    #[arg(long, help_heading = "Listing")]
    pub timeout: bool,
    /// Sync daemons.
    #[arg(long, help_heading = "Listing")]
    pub daemon: bool,
    /// Totals of connections, packets and bytes.
    #[arg(long, help_heading = "Listing")]
    pub stats: bool,
    /// Connections, packets and bytes per second.
    #[arg(long, help_heading = "Listing")]
    pub rate: bool,
    /// Connection thresholds.
    #[arg(long, help_heading = "Listing")]
    pub thresholds: bool,
    /// Persistent connections; with -c, what the persistence engine knows.
    #[arg(long, help_heading = "Listing")]
    pub persistent_conn: bool,
    /// Tunnels.
    #[arg(long, help_heading = "Listing")]
    pub tun_info: bool,
    /// The kernel's order.
    #[arg(long, help_heading = "Listing")]
    pub nosort: bool,
    /// Does nothing: listings are sorted.
    #[arg(long, help_heading = "Listing")]
    pub sort: bool,
    /// All digits of large numbers.
    #[arg(short = 'X', long, help_heading = "Listing")]
    pub exact: bool,
    /// JSON instead of a table, for every listing.
    #[arg(long, help_heading = "Listing")]
    pub json: bool,
    /// Format of a listing.
    #[arg(long, value_name = "table|json", help_heading = "Listing")]
    pub output: Option<String>,

    /// Number of the sync group, 0 to 255; 0 by default.
    #[arg(long, value_name = "NUMBER", help_heading = "Sync daemon")]
    pub syncid: Option<String>,
    /// Longest sync message.
    #[arg(long, value_name = "BYTES", help_heading = "Sync daemon")]
    pub sync_maxlen: Option<String>,
    /// Interface for multicast; eth0 by default.
    #[arg(long, value_name = "INTERFACE", help_heading = "Sync daemon")]
    pub mcast_interface: Option<String>,
    /// Multicast group.
    #[arg(long, value_name = "ADDRESS", help_heading = "Sync daemon")]
    pub mcast_group: Option<String>,
    /// UDP port.
    #[arg(long, value_name = "PORT", help_heading = "Sync daemon")]
    pub mcast_port: Option<String>,
    /// Hops.
    #[arg(long, value_name = "NUMBER", help_heading = "Sync daemon")]
    pub mcast_ttl: Option<String>,
}

/// What a command line turned out to be.
#[derive(Debug)]
pub enum Parsed {
    /// Options.
    Args(Box<Args>),
    /// The question what would happen to a packet.
    Explain(ExplainArgs),
    /// Showing or setting fast paths.
    Fastpath(FastpathArgs),
    /// The wish to see what XDP forwards.
    Capture(CaptureArgs),
    /// A question about the program itself, with the answer.
    Text(String),
}

/// Takes a command line apart; the first word is the program.
///
/// # Errors
///
/// [`Failure::Usage`] if there is an option that does not exist, or one without its value.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Parsed, Failure> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let first = arguments.get(1).and_then(|word| word.to_str());
    match first {
        Some(word @ EXPLAIN) => {
            let args = ExplainArgs::try_parse_from(arguments.iter().skip(1));
            return read(args, word, Parsed::Explain);
        }
        Some(word @ FASTPATH) => {
            let args = FastpathArgs::try_parse_from(arguments.iter().skip(1));
            return read(args, word, Parsed::Fastpath);
        }
        Some(word @ CAPTURE) => {
            let args = CaptureArgs::try_parse_from(arguments.iter().skip(1));
            return read(args, word, Parsed::Capture);
        }
        _ => {}
    }
    let words = arguments.into_iter().enumerate().flat_map(|(place, word)| {
        if place == 0 {
            vec![word]
        } else {
            split_ops(plain_dash(word))
        }
    });
    let args = Args::try_parse_from(name_sched_flags(words.collect()));
    read(args, "", |args| Parsed::Args(Box::new(args)))
}

/// All there is to say about the command line, for manual and completions.
#[must_use]
pub fn command() -> Command {
    Args::command()
        .subcommand(ExplainArgs::command())
        .subcommand(FastpathArgs::command())
        .subcommand(CaptureArgs::command())
        .disable_help_subcommand(true)
}

fn read<T>(
    args: clap::error::Result<T>,
    word: &str,
    with: fn(T) -> Parsed,
) -> Result<Parsed, Failure> {
    match args {
        Ok(args) => Ok(with(args)),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                Ok(Parsed::Text(error.render().to_string()))
            }
            _ => Err(Failure::usage(one_line(&error, word))),
        },
    }
}

/// Turns a typographic dash into the one that was meant: guides on the web are full of them.
fn plain_dash(word: OsString) -> OsString {
    match word
        .to_str()
        .and_then(|text| text.strip_prefix(['\u{2013}', '\u{2014}']))
    {
        Some(rest) => format!("-{rest}").into(),
        None => word,
    }
}

/// Takes ipvsadm's `-b` for what it means there, where only that can be meant: in front of the flags
/// of a scheduler. Ours says that a server is behind FullNAT, and has no value.
fn name_sched_flags(mut words: Vec<OsString>) -> Vec<OsString> {
    let is_flag = |word: &OsString| {
        word.to_str().is_some_and(|text| {
            ["sh-", "mh-", "flag-"]
                .iter()
                .any(|start| text.starts_with(start))
        })
    };
    if let Some(flags) = words.iter().position(is_flag) {
        if let Some(before) = flags.checked_sub(1).and_then(|place| words.get_mut(place)) {
            if before == "-b" {
                *before = "--sched-flags".into();
            }
        }
    }
    words
}

/// Cuts a cluster of short options behind `o`.
///
/// `-o` has an optional value for the sake of `-o json`; left alone, clap would take what follows in
/// `-Aou` for that value.
fn split_ops(word: OsString) -> Vec<OsString> {
    const WITHOUT_VALUE: &str = "AEDCaedPQGLlZSR6bmgincXo";
    let Some(cluster) = word.to_str().and_then(|text| text.strip_prefix('-')) else {
        return vec![word];
    };
    let Some((before, after)) = cluster.split_once('o') else {
        return vec![word];
    };
    if after.is_empty() || !before.chars().all(|flag| WITHOUT_VALUE.contains(flag)) {
        return vec![word];
    }
    let mut words = vec![OsString::from(format!("-{before}o"))];
    words.extend(split_ops(format!("-{after}").into()));
    words
}

/// Clap's error in one line that begins with the option it is about; `word` is the command's, if it is
/// a word.
fn one_line(error: &clap::Error, word: &str) -> String {
    let about = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let option = about(ContextKind::InvalidArg).unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument if option.starts_with('-') => {
            format!("there is no option {option}; see rsipvsadm --help")
        }
        ErrorKind::UnknownArgument => format!("{option} belongs to no option"),
        ErrorKind::InvalidSubcommand => {
            let word = about(ContextKind::InvalidSubcommand).unwrap_or_default();
            format!("{word} belongs to no option")
        }
        ErrorKind::ArgumentConflict => format!("{option} is given twice"),
        ErrorKind::WrongNumberOfValues | ErrorKind::TooFewValues | ErrorKind::TooManyValues => {
            format!("{option} does not have the number of values it needs")
        }
        ErrorKind::InvalidValue
            if about(ContextKind::InvalidValue).is_none_or(|v| v.is_empty()) =>
        {
            format!("{option} needs a value")
        }
        ErrorKind::NoEquals | ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let value = about(ContextKind::InvalidValue).unwrap_or_default();
            format!("{option}: {value} is not a value it takes")
        }
        ErrorKind::MissingRequiredArgument => {
            format!("{option} is missing; see rsipvsadm {word} --help")
        }
        ErrorKind::InvalidUtf8 => "an argument is not UTF-8".to_owned(),
        _ => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            line.trim_start_matches("error: ").to_owned()
        }
    }
}
