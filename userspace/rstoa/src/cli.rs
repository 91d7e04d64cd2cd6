// SPDX-License-Identifier: GPL-2.0
//! The command line.

use clap::{Parser, Subcommand, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  Who is behind a connection that ss or a firewall shows
    rstoa list 192.168.229.204:1025
  All connections of a client
    rstoa list 172.16.0.1
  Believe only two directors, from now on and after the next boot
    rstoa trust set 192.168.229.204 192.168.229.205
    rstoa save > /etc/sysctl.d/rstoa.conf

Exit status: 0 it is done, 1 it did not work, 2 the command line is wrong.";

/// All options as they were given.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "rstoa",
    version,
    about = "Show the clients of a real server behind FullNAT, and set who is believed about them",
    after_long_help = EXAMPLES,
)]
#[allow(missing_docs, reason = "the comments below are the help texts")]
pub struct Args {
    /// Write JSON.
    #[arg(short, long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What is wanted.
#[derive(Clone, Debug, Subcommand)]
#[allow(missing_docs, reason = "the comments below are the help texts")]
pub enum Command {
    /// List sockets and UDP flows with their peer on the wire and their client (without any command, too).
    List {
        /// Address, or address and port, of any end that must match; all connections by default.
        #[arg(value_name = "ADDRESS[:PORT]")]
        ends: Vec<String>,
    },
    /// Show what the modules have counted.
    Stats,
    /// Show or change whose word about clients is taken.
    Trust {
        /// Only that module; by default all that are loaded.
        #[arg(long, value_name = "MODULE")]
        only: Option<Module>,
        #[command(subcommand)]
        change: Option<Change>,
    },
    /// Write who is believed as lines of sysctl.conf.
    Save,
    /// Set who is believed from such lines on standard input; others are passed over.
    Restore,
}

/// How the list of those that are believed changes.
#[derive(Clone, Debug, Subcommand)]
#[allow(missing_docs, reason = "the comments below are the help texts")]
pub enum Change {
    /// Believe only these.
    Set {
        /// Address, or address and length.
        #[arg(value_name = "PREFIX", required = true)]
        prefixes: Vec<String>,
    },
    /// Believe these as well.
    Add {
        /// Address, or address and length.
        #[arg(value_name = "PREFIX", required = true)]
        prefixes: Vec<String>,
    },
    /// Believe these no longer.
    Del {
        /// Address, or address and length, as the list has it.
        #[arg(value_name = "PREFIX", required = true)]
        prefixes: Vec<String>,
    },
    /// Believe everyone.
    Clear,
}

/// A kernel module of real servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Module {
    /// TCP.
    Toa,
    /// UDP.
    Uoa,
}

impl Module {
    /// All of them.
    pub const ALL: [Module; 2] = [Module::Toa, Module::Uoa];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Module::Toa => "toa",
            Module::Uoa => "uoa",
        }
    }

    /// What it is about.
    pub fn protocol(self) -> &'static str {
        match self {
            Module::Toa => "tcp",
            Module::Uoa => "udp",
        }
    }
}
