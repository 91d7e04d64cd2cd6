// SPDX-License-Identifier: GPL-2.0
//! Who the clients of a real server are, and who is believed about them.
//!
//! The modules toa and uoa show all they know in files of the network namespace; this makes it readable for people
//! and, as JSON, for programs.
//!
//! | file | |
//! |---|---|
//! | `cli` | the command line |
//! | `clients` | `rstoa list` |
//! | `files` | where the modules show what they know |
//! | `stats` | `rstoa stats` |
//! | `trust` | `rstoa trust`, `save` and `restore` |

#![forbid(unsafe_code)]

pub mod cli;
pub mod clients;
pub mod files;
pub mod stats;
pub mod trust;

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::Parser;

use cli::{Args, Command};
use files::Files;

/// What went wrong, as a sentence for people.
#[derive(Debug)]
pub struct Failure(pub String);

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Runs the program.
pub fn main(words: impl Iterator<Item = OsString>) -> ExitCode {
    let args = Args::parse_from(words);
    let mut out = BufWriter::new(io::stdout().lock());
    let outcome = run(&args, &Files::of_host(), &mut out);
    // Who reads no further has seen enough.
    let written = match out.flush() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    };
    match outcome.and(written) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(sentence)) => {
            eprintln!("rstoa: {sentence}");
            ExitCode::FAILURE
        }
    }
}

/// Does what the command line says.
pub fn run(args: &Args, files: &Files, out: &mut impl Write) -> Result<(), Failure> {
    let default = Command::List { ends: Vec::new() };
    match args.command.as_ref().unwrap_or(&default) {
        Command::List { ends } => clients::list(files, ends, args.json, out),
        Command::Stats => stats::show(files, args.json, out),
        Command::Trust { change, only } => {
            trust::run(files, change.as_ref(), *only, args.json, out)
        }
        Command::Save => trust::save(files, out),
        Command::Restore => trust::restore(files, io::stdin().lock()),
    }
}
