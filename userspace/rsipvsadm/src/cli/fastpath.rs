// SPDX-License-Identifier: GPL-2.0
//! The words of `rsipvsadm fastpath`.

use clap::{Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  Which interfaces have a fast path, and how many packets take it
    rsipvsadm fastpath
  Why packets of one interface take the long way
    rsipvsadm fastpath eth0 --detours
  No fast path on one interface, none at all, and as it was
    rsipvsadm fastpath set eth0 off
    rsipvsadm fastpath set all off
    rsipvsadm fastpath set all auto
  In the driver, where tcpdump does not see packets; rsipvsadm capture does
    rsipvsadm fastpath set eth0 xdp

Exit status: 0 done, 1 it did not work, 2 the command line is wrong.";

const SET_EXAMPLES: &str = "\
Examples:
  Packets of established connections pass the IP layer by on every interface that can, now and later
    rsipvsadm fastpath set all auto
  Only on one interface
    rsipvsadm fastpath set all off
    rsipvsadm fastpath set eth0 ingress";

/// All options as they were given.
#[derive(Clone, Debug, Default, Parser)]
#[command(
    name = "fastpath",
    bin_name = "rsipvsadm fastpath",
    about = "Show or set on which interfaces packets of FullNAT connections pass the IP layer by",
    after_long_help = EXAMPLES,
    disable_help_subcommand = true,
    override_usage = "rsipvsadm fastpath [INTERFACE] [--detours] [--json]\n       \
        rsipvsadm fastpath set INTERFACE|all off|ingress|xdp|auto"
)]
#[allow(missing_docs, reason = "the comments below are the help texts")]
pub struct FastpathArgs {
    #[command(subcommand)]
    pub change: Option<FastpathChange>,
    /// Only this interface.
    #[arg(value_name = "INTERFACE")]
    pub interface: Option<String>,
    /// All reasons why packets took the long way, not only the most frequent ones.
    #[arg(long)]
    pub detours: bool,
    /// JSON instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Format.
    #[arg(short = 'o', long, value_name = "table|json")]
    pub output: Option<String>,
}

/// What is to be changed.
#[derive(Clone, Debug, Subcommand)]
#[allow(missing_docs, reason = "the comments below are the help texts")]
pub enum FastpathChange {
    /// Ask for a fast path, or for none.
    #[command(
        after_long_help = SET_EXAMPLES,
        override_usage = "rsipvsadm fastpath set INTERFACE|all off|ingress|xdp|auto"
    )]
    Set {
        /// The interface, or all: those that will come, too. All forgets what was said about one.
        #[arg(value_name = "INTERFACE|all")]
        interface: String,
        /// off: packets go through the hooks of IPVS. ingress: packets of established connections are
        /// translated and sent where the driver hands them to the stack. xdp: in the driver, which must have
        /// native XDP; what it leaves is seen at ingress. auto: xdp on a NIC whose driver has it, ingress
        /// elsewhere.
        #[arg(value_name = "off|ingress|xdp|auto")]
        mode: String,
    },
}
