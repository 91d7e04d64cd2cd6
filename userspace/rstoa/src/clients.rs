// SPDX-License-Identifier: GPL-2.0
//! `rstoa list`: sockets and flows with their clients.
//!
//! The modules' lists have a heading with the names of their columns, so that a new column needs nothing here. There
//! may be a million lines: they are read, filtered and written one by one.

use std::io::{BufRead, Write};
use std::net::{IpAddr, SocketAddr};

use serde_json::{Map, Value};

use crate::cli::Module;
use crate::files::{none_loaded, Files};
use crate::Failure;

/// Columns that people are shown, in order.
const SHOWN: [&str; 4] = ["Socket", "Local", "Peer", "Client"];
const WIDTHS: [usize; 4] = [8, 24, 24, 0];

/// An end that a line must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With any port.
    Host(IpAddr),
    /// With that one.
    Exactly(SocketAddr),
}

impl End {
    /// Reads `address`, `address:port` or `[address]:port`.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        let end = text.parse().map(End::Exactly);
        end.or_else(|_| bare.parse().map(End::Host))
            .map_err(|_| Failure(format!("{text} is no address, nor address:port")))
    }

    fn is(&self, end: &str) -> bool {
        end.parse().is_ok_and(|other: SocketAddr| match self {
            End::Host(address) => other.ip() == *address,
            End::Exactly(end) => other == *end,
        })
    }
}

/// Lists what is known; of that, what has all of these ends.
pub fn list(
    files: &Files,
    ends: &[String],
    json: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let ends: Vec<End> = ends
        .iter()
        .map(|end| End::parse(end))
        .collect::<Result<_, _>>()?;
    let mut printer = Printer { json, lines: 0 };
    let mut is_loaded = false;
    for module in Module::ALL {
        let Some(file) = files.open(module, "clients")? else {
            continue;
        };
        is_loaded = true;
        let mut lines = file.lines();
        let heading = lines.next().transpose()?.unwrap_or_default();
        let columns: Vec<&str> = heading.split_whitespace().collect();
        for line in lines {
            let line = line?;
            let words: Vec<&str> = line.split_whitespace().collect();
            let wanted = ends.iter().all(|end| words.iter().any(|word| end.is(word)));
            if wanted && printer.line(module, &columns, &words, out).is_err() {
                // Who reads no further has seen enough.
                return Ok(());
            }
        }
    }
    if !is_loaded {
        return Err(none_loaded());
    }
    printer.end(out)
}

struct Printer {
    json: bool,
    lines: u64,
}

impl Printer {
    fn line(
        &mut self,
        module: Module,
        columns: &[&str],
        words: &[&str],
        out: &mut impl Write,
    ) -> Result<(), Failure> {
        let value = |name: &str| {
            let place = columns.iter().position(|column| *column == name)?;
            words.get(place).copied()
        };
        if self.json {
            out.write_all(if self.lines == 0 { b"[\n" } else { b",\n" })?;
            let mut object = Map::new();
            object.insert("protocol".into(), module.protocol().into());
            for (column, word) in columns.iter().zip(words) {
                object.insert(column.to_lowercase(), value_of(column, word));
            }
            write!(out, "  {}", Value::Object(object))?;
        } else {
            if self.lines == 0 {
                write!(out, "Proto ")?;
                row(SHOWN, out)?;
            }
            write!(out, "{:<5} ", module.protocol())?;
            row(SHOWN.map(|name| value(name).unwrap_or("-")), out)?;
        }
        self.lines += 1;
        Ok(())
    }

    fn end(&self, out: &mut impl Write) -> Result<(), Failure> {
        if self.json {
            out.write_all(if self.lines == 0 { b"[]\n" } else { b"\n]\n" })?;
        }
        Ok(())
    }
}

fn row(words: [&str; 4], out: &mut impl Write) -> Result<(), Failure> {
    for (word, width) in words.iter().zip(WIDTHS) {
        match width {
            0 => writeln!(out, "{word}")?,
            _ => write!(out, "{word:<width$} ")?,
        }
    }
    Ok(())
}

/// Numbers as numbers, but not a socket's: it is a name, in the digits that ss shows.
fn value_of(column: &str, word: &str) -> Value {
    match word.parse::<u64>() {
        Ok(number) if column != "Socket" => number.into(),
        _ => word.into(),
    }
}
