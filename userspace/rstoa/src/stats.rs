// SPDX-License-Identifier: GPL-2.0
//! `rstoa stats`: what the modules have counted, by the names of the files that scripts read.

use std::io::Write;

use serde_json::{Map, Value};

use crate::cli::Module;
use crate::files::{none_loaded, Files};
use crate::Failure;

/// The columns of `uoa_stats`, whose heading is for the eye.
const UOA: [&str; 7] = [
    "success",
    "miss",
    "invalid",
    "uoa_got",
    "uoa_none",
    "uoa_saved",
    "uoa_ack_fail",
];

/// Names and values, in order.
type Counters = Vec<(String, u64)>;

/// Shows all counters, summed over the processors.
pub fn show(files: &Files, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let mut groups = Vec::new();
    for module in Module::ALL {
        if let Some(text) = files.read(module, "stats")? {
            let counters = match module {
                Module::Toa => rows(&text),
                Module::Uoa => columns(&text),
            };
            groups.push((format!("{}_stats", module.name()), counters));
        }
        if let Some(text) = files.read(module, "health")? {
            groups.push((format!("{}_health", module.name()), rows(&text)));
        }
    }
    if groups.is_empty() {
        return Err(none_loaded());
    }
    if json {
        let object = |counters: Counters| -> Map<String, Value> {
            counters
                .into_iter()
                .map(|(name, value)| (name, value.into()))
                .collect()
        };
        let all: Map<String, Value> = groups
            .into_iter()
            .map(|(name, counters)| (name, object(counters).into()))
            .collect();
        writeln!(out, "{:#}", Value::Object(all))?;
    } else {
        for (group, counters) in groups {
            writeln!(out, "{group}")?;
            for (name, value) in counters {
                writeln!(out, "  {name:<28} {value:>10}")?;
            }
        }
    }
    Ok(())
}

/// Rows of a name, a colon, and a number or one for each processor.
pub fn rows(text: &str) -> Counters {
    let rows = text.lines().filter_map(|line| line.split_once(':'));
    rows.map(|(name, values)| {
        let values = values
            .split_whitespace()
            .filter_map(|word| word.parse::<u64>().ok());
        (name.trim().to_string(), values.sum())
    })
    .collect()
}

/// A heading and a row of numbers.
pub fn columns(text: &str) -> Counters {
    let values = text.lines().nth(1).unwrap_or_default().split_whitespace();
    let pairs = UOA.iter().zip(values);
    pairs
        .filter_map(|(name, word)| Some((name.to_string(), word.parse().ok()?)))
        .collect()
}
