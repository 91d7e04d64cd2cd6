// SPDX-License-Identifier: GPL-2.0
//! `rstoa trust`: whose word about clients is taken; `save` and `restore`.
//!
//! The lists are sysctls, `net.ipv4.toa.trust` and `net.ipv4.uoa.trust`, and their saved form is that of sysctl.conf:
//! whoever sets a host up needs no tool of ours.

use std::fs;
use std::io::{BufRead, Write};

use serde_json::{Map, Value};
use wire::Prefix;

use crate::cli::{Change, Module};
use crate::files::Files;
use crate::Failure;

const NAME: &str = "trust";

/// Shows the lists, or changes them.
pub fn run(
    files: &Files,
    change: Option<&Change>,
    only: Option<Module>,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut modules = files.with_setting(NAME)?;
    if let Some(only) = only {
        modules.retain(|module| *module == only);
        if modules.is_empty() {
            return Err(Failure(format!("{} is not loaded", only.name())));
        }
    }
    let Some(change) = change else {
        return show(files, &modules, json, out);
    };
    for module in modules {
        let list = changed(read(files, module)?, change)?;
        write(files, module, &list)?;
    }
    Ok(())
}

fn show(
    files: &Files,
    modules: &[Module],
    json: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut all = Map::new();
    for module in modules {
        let list = read(files, *module)?;
        if json {
            all.insert(module.name().into(), list.into());
        } else if list.is_empty() {
            writeln!(out, "{}: everyone", module.name())?;
        } else {
            writeln!(out, "{}: {}", module.name(), list.join(" "))?;
        }
    }
    if json {
        writeln!(out, "{:#}", Value::Object(all))?;
    }
    Ok(())
}

/// What the list is behind a change.
pub fn changed(mut list: Vec<String>, change: &Change) -> Result<Vec<String>, Failure> {
    match change {
        Change::Clear => list.clear(),
        Change::Set { prefixes } => {
            list.clear();
            add(&mut list, prefixes)?;
        }
        Change::Add { prefixes } => {
            if list.is_empty() {
                return Err(Failure("everyone is believed; set makes a list".into()));
            }
            add(&mut list, prefixes)?;
        }
        Change::Del { prefixes } => {
            for prefix in prefixes {
                let wanted = parse(prefix)?;
                let before = list.len();
                list.retain(|other| parse(other).ok() != Some(wanted));
                if list.len() == before {
                    return Err(Failure(format!("{prefix} is not on the list")));
                }
            }
            if list.is_empty() {
                return Err(Failure(
                    "nobody would be left, which means everyone; clear does that".into(),
                ));
            }
        }
    }
    Ok(list)
}

fn add(list: &mut Vec<String>, prefixes: &[String]) -> Result<(), Failure> {
    for prefix in prefixes {
        let new = parse(prefix)?;
        if !list.iter().any(|other| parse(other).ok() == Some(new)) {
            list.push(prefix.clone());
        }
    }
    Ok(())
}

fn parse(prefix: &str) -> Result<Prefix, Failure> {
    Prefix::parse(prefix.as_bytes())
        .ok_or_else(|| Failure(format!("{prefix} is no prefix of addresses")))
}

fn read(files: &Files, module: Module) -> Result<Vec<String>, Failure> {
    let path = files.setting(module, NAME);
    let text = fs::read_to_string(&path)
        .map_err(|error| Failure(format!("{}: {error}", path.display())))?;
    Ok(text.split_whitespace().map(str::to_string).collect())
}

fn write(files: &Files, module: Module, list: &[String]) -> Result<(), Failure> {
    let path = files.setting(module, NAME);
    fs::write(&path, list.join(" ") + "\n")
        .map_err(|error| Failure(format!("{}: {error}", path.display())))
}

/// Writes all lists as lines of sysctl.conf.
pub fn save(files: &Files, out: &mut impl Write) -> Result<(), Failure> {
    for module in files.with_setting(NAME)? {
        let list = read(files, module)?.join(" ");
        writeln!(out, "net.ipv4.{}.{NAME} = {list}", module.name())?;
    }
    Ok(())
}

/// Sets lists from such lines; what is about something else is passed over.
pub fn restore(files: &Files, lines: impl BufRead) -> Result<(), Failure> {
    for line in lines.lines() {
        let line = line?;
        let Some((name, list)) = line.split_once('=') else {
            continue;
        };
        let name = name.trim().trim_start_matches('-').replace('/', ".");
        let module = Module::ALL
            .into_iter()
            .find(|module| name == format!("net.ipv4.{}.{NAME}", module.name()));
        if let Some(module) = module {
            let list: Vec<String> = list.split_whitespace().map(str::to_string).collect();
            list.iter().try_for_each(|prefix| parse(prefix).map(drop))?;
            write(files, module, &list)?;
        }
    }
    Ok(())
}
