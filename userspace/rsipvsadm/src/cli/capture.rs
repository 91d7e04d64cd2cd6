// SPDX-License-Identifier: GPL-2.0
//! The words of `rsipvsadm capture`.

use std::path::PathBuf;

use clap::Parser;

const EXAMPLES: &str = "\
Examples:
  What XDP forwards on eth0, as tcpdump and wireshark show it
    rsipvsadm capture eth0 | tcpdump -nr -
    rsipvsadm capture eth0 | wireshark -k -i -
  The packets of one client, into a file, until there are 1000
    rsipvsadm capture eth0 -c 1000 -w client.pcap tcp host 172.16.0.1 port 57090

Exit status: 0 as many as asked for were captured, 1 it did not work or the XDP program was detached,
2 the command line is wrong.";

/// All options as they were given.
#[derive(Clone, Debug, Default, Parser)]
#[command(
    name = "capture",
    bin_name = "rsipvsadm capture",
    about = "Capture the packets that XDP forwards, each as it came and as it left",
    long_about = "Capture the packets that XDP forwards, each as it came and as it left, one behind the other. \
        tcpdump does not see them; it sees all others.",
    after_long_help = EXAMPLES,
    override_usage = "rsipvsadm capture [-c COUNT] [-w FILE] INTERFACE [FILTER]"
)]
#[allow(missing_docs, reason = "the comments below are the help texts")]
pub struct CaptureArgs {
    /// Interface that packets come in by.
    #[arg(value_name = "INTERFACE")]
    pub interface: String,
    /// Packets that are wanted, before or after their translation: ip, ip6, tcp, udp, sctp, host ADDRESS,
    /// port NUMBER, joined by "and" or by nothing. All, by default.
    #[arg(value_name = "FILTER")]
    pub filter: Vec<String>,
    /// File in the format pcap; standard output by default, unless that is a terminal.
    #[arg(short = 'w', long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// End after so many packets.
    #[arg(short = 'c', long, value_name = "NUMBER")]
    pub count: Option<String>,
}
