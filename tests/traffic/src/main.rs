// SPDX-License-Identifier: GPL-2.0
//! Makes, answers and checks traffic for the end-to-end tests.
//!
//! One program is both ends: `serve` stands on the real servers, the other commands on the client. Every client
//! command prints one JSON object a line on standard output. It is made to be cheap, because the tests run it in an
//! emulated machine: one thread, one epoll, no process or thread for each connection.

mod accept;
mod bulk;
mod connect;
mod reply;
mod report;
mod serve;
mod udp;

use clap::Parser;
use clap::Subcommand;
use std::process::ExitCode;

/// Makes, answers and checks traffic.
#[derive(Parser)]
#[command(name = "traffic")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure what accepting a connection costs a server.
    Accept(accept::Options),
    /// Open many TCP connections and check the answer on each.
    Connect(connect::Options),
    /// Answer TCP connections and UDP datagrams with what the server sees of its peer.
    Serve(serve::Options),
    /// Send bytes both ways at once over one TCP connection and compare the hashes of both ends.
    Bulk(bulk::Options),
    /// Send UDP datagrams and check the answers.
    Udp(udp::Options),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Accept(options) => accept::run(&options),
        Command::Connect(options) => connect::run(&options),
        Command::Serve(options) => serve::run(&options),
        Command::Bulk(options) => bulk::run(&options),
        Command::Udp(options) => udp::run(&options),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("traffic: {error}");
            ExitCode::from(2)
        }
    }
}
