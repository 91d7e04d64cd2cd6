// SPDX-License-Identifier: GPL-2.0
//! The words of `rsipvsadm explain`.

use clap::Parser;

const EXAMPLES: &str = "\
Examples:
  A client's first packet
    rsipvsadm explain tcp 172.16.0.1:57090 10.0.96.204:80
  A server's answer, as the server sends it
    rsipvsadm explain udp 192.168.229.1:53 192.168.229.204:1025
  A packet that gets a firewall mark; IPv6
    rsipvsadm explain --mark 7 tcp [2001:db8::7]:57090 [2001:db8::204]:443

Exit status: 0 forwarded, 3 dropped, 4 neither (IPVS has nothing to do with it), 1 it did not work,
2 the command line is wrong.";

/// All options as they were given.
#[derive(Clone, Debug, Default, Parser)]
#[command(
    name = "explain",
    bin_name = "rsipvsadm explain",
    about = "Say what would happen to a packet, and why; nothing is sent or changed",
    after_long_help = EXAMPLES,
    override_usage = "rsipvsadm explain [--mark MARK] [--json] PROTO SRC DST"
)]
#[allow(missing_docs, reason = "the comments below are the help texts")]
pub struct ExplainArgs {
    /// Protocol: tcp, udp or sctp.
    #[arg(value_name = "PROTO")]
    pub protocol: String,
    /// Source, address and port; IPv6 addresses in brackets.
    #[arg(value_name = "SRC")]
    pub source: String,
    /// Destination, address and port.
    #[arg(value_name = "DST")]
    pub destination: String,
    /// Firewall mark that the packet gets before it arrives.
    #[arg(long, value_name = "MARK")]
    pub mark: Option<String>,
    /// JSON instead of sentences.
    #[arg(long)]
    pub json: bool,
    /// Format.
    #[arg(
        short = 'o',
        short_alias = 'f',
        long = "output",
        alias = "format",
        value_name = "text|json"
    )]
    pub output: Option<String>,
}
