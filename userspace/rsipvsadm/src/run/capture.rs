// SPDX-License-Identifier: GPL-2.0
//! Writing down what XDP forwards.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use xdp_loader::{pcap, Event, Record};

use crate::failure::Failure;
use crate::plan::Capture;

/// Captures until there is enough.
///
/// # Errors
///
/// [`Failure::Runtime`] if XDP does not forward anything there, or the file cannot be written.
pub fn capture(plan: &Capture) -> Result<(), Failure> {
    let out = open(plan.file.as_ref())?;
    let mut file = Captured {
        writer: pcap::Writer::new(BufWriter::new(out)),
        left: plan.count,
    };
    let mut result = Ok(());
    xdp_loader::capture(&plan.interface, &plan.filter, |event| {
        result = match event {
            Event::Ready => {
                eprintln!(
                    "rsipvsadm: capturing what XDP forwards on {}",
                    plan.interface
                );
                file.writer.begin()
            }
            Event::Frame(record) => file.write(&record),
            Event::Lost(count) => {
                Failure::runtime(format!(
                    "{}: {count} packets were lost; a narrower filter or a faster reader helps",
                    plan.interface
                ))
                .warn();
                Ok(())
            }
            Event::Idle => file.writer.flush(),
        };
        match result.is_err() || file.left == Some(0) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })
    .map_err(|error| Failure::runtime(error.to_string()))?;
    match result.and_then(|()| file.writer.flush()) {
        Err(error) => Err(write_failure(plan, &error)),
        Ok(()) => Ok(()),
    }
}

/// A file that is being written.
struct Captured {
    writer: pcap::Writer<BufWriter<Box<dyn Write>>>,
    /// Packets that are still wanted.
    left: Option<u64>,
}

impl Captured {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        if self.left == Some(0) {
            return Ok(());
        }
        self.writer.frame(record.time, record.len, &record.came)?;
        if record.verdict == xdp_loader::Verdict::Sent {
            self.writer.frame(record.time, record.len, &record.left)?;
        }
        self.left = self.left.map(|left| left.saturating_sub(1));
        Ok(())
    }
}

fn open(file: Option<&PathBuf>) -> Result<Box<dyn Write>, Failure> {
    match file {
        Some(path) => match File::create(path) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) => Err(Failure::runtime(format!("{}: {error}", path.display()))),
        },
        None if io::stdout().is_terminal() => Err(Failure::usage(
            "standard output is a terminal; write to a file (-w FILE), or pipe it into tcpdump -nr -",
        )),
        None => Ok(Box::new(io::stdout())),
    }
}

fn write_failure(plan: &Capture, error: &io::Error) -> Failure {
    // Whoever reads has seen enough.
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failure::Reported;
    }
    let place = plan.file.as_ref().map(|path| path.display().to_string());
    Failure::runtime(format!(
        "{}: cannot be written: {error}",
        place.unwrap_or_else(|| "standard output".to_owned())
    ))
}
