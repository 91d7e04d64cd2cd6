// SPDX-License-Identifier: GPL-2.0
//! How the program fails: one line, and an exit code that says whose fault it was.

use std::fmt;
use std::process::ExitCode;

/// Exit code for what went wrong while running.
pub const EXIT_FAILURE: u8 = 1;
/// Exit code for a command line that makes no sense.
pub const EXIT_USAGE: u8 = 2;
/// Exit code of `explain` for a packet that would be dropped.
pub const EXIT_DROPPED: u8 = 3;
/// Exit code of `explain` for a packet that IPVS has nothing to do with.
pub const EXIT_UNTOUCHED: u8 = 4;

/// Why nothing, or not everything, was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// The command line is right, but it did not work out.
    Runtime(String),
    /// It did not work out and everything about it has been said.
    Reported,
}

impl Failure {
    /// A wrong command line.
    pub fn usage(text: impl Into<String>) -> Self {
        Failure::Usage(text.into())
    }

    /// Something that did not work out.
    pub fn runtime(text: impl Into<String>) -> Self {
        Failure::Runtime(text.into())
    }

    /// The same failure, with where it happened in front.
    #[must_use]
    pub fn at(self, place: &str) -> Self {
        match self {
            Failure::Usage(text) => Failure::Usage(format!("{place}: {text}")),
            Failure::Runtime(text) => Failure::Runtime(format!("{place}: {text}")),
            Failure::Reported => Failure::Reported,
        }
    }

    /// Prints the line to standard error.
    pub fn print(&self) {
        if !matches!(self, Failure::Reported) {
            eprintln!("rsipvsadm: {self}");
        }
    }

    /// Prints the line as something that is worth knowing and stops nothing.
    pub fn warn(&self) {
        eprintln!("rsipvsadm: warning: {self}");
    }

    /// Prints the line and gives the exit code.
    #[must_use]
    pub fn report(&self) -> ExitCode {
        self.print();
        match self {
            Failure::Usage(_) => EXIT_USAGE.into(),
            Failure::Runtime(_) | Failure::Reported => EXIT_FAILURE.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) | Failure::Runtime(text) => f.write_str(text),
            Failure::Reported => Ok(()),
        }
    }
}
