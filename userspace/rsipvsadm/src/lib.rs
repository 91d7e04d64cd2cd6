// SPDX-License-Identifier: GPL-2.0
//! rsipvsadm: the command line of IPVS, FullNAT included.
//!
//! A command line goes through four steps, each in its own module and each testable alone:
//!
//! ```text
//! arguments --[cli]--> Args --[plan]--> Plan --[run]--> Snapshot and the like --[output]--> text
//! ```
//!
//! `explain` goes another way from the second step on: a question, facts about the director, sentences.
//!
//! [`cli`] only takes words apart. [`plan`] is pure: it knows which options go together and what
//! they mean. [`run`] talks to the kernel. [`output`] is pure again.

#![forbid(unsafe_code)]

pub mod census;
pub mod cli;
pub mod explain;
pub mod failure;
pub mod families;
pub mod names;
pub mod output;
pub mod plan;
pub mod run;

use std::ffi::OsString;
use std::process::ExitCode;

/// Does what a command line says; the program is this and nothing else.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let result = cli::parse(arguments).and_then(|parsed| match parsed {
        cli::Parsed::Text(text) => run::print(&text).map(|()| ExitCode::SUCCESS),
        cli::Parsed::Explain(args) => {
            let (question, json) = plan::question(&args, &names::System)?;
            run::explain(&question, json)
        }
        cli::Parsed::Fastpath(args) => {
            run::run(&plan::Plan::fastpath(&args)?).map(|()| ExitCode::SUCCESS)
        }
        cli::Parsed::Capture(args) => {
            let capture = plan::capture(&args)?;
            run::capture(&capture).map(|()| ExitCode::SUCCESS)
        }
        cli::Parsed::Args(args) => {
            let plan = plan::Plan::new(&args, &names::System)?;
            run::run(&plan).map(|()| ExitCode::SUCCESS)
        }
    });
    result.unwrap_or_else(|failure| failure.report())
}
