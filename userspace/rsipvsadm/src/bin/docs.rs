// SPDX-License-Identifier: GPL-2.0
//! Writes the man page and the completions below a folder; run by the build, never installed.
//!
//! The list of options comes from the program itself, the rest of the page from man/.

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::shells::{Bash, Fish, Zsh};
use clap_mangen::Man;
use rsipvsadm::cli::{self, Args};

const BEFORE_OPTIONS: &str = include_str!("../../man/description.roff");
const AFTER_OPTIONS: &str = include_str!("../../man/formats.roff");

fn main() -> ExitCode {
    let Some(folder) = env::args_os().nth(1) else {
        eprintln!("usage: rsipvsadm-docs FOLDER");
        return ExitCode::from(2);
    };
    match write(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rsipvsadm-docs: {}: {error}", Path::new(&folder).display());
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &Path) -> Result<(), Box<dyn Error>> {
    let manuals = folder.join("man");
    let completions = folder.join("completions");
    fs::create_dir_all(&manuals)?;
    fs::create_dir_all(&completions)?;
    fs::write(manuals.join("rsipvsadm.8"), manual()?)?;
    let mut command = cli::command();
    clap_complete::generate_to(Bash, &mut command, "rsipvsadm", &completions)?;
    clap_complete::generate_to(Zsh, &mut command, "rsipvsadm", &completions)?;
    clap_complete::generate_to(Fish, &mut command, "rsipvsadm", &completions)?;
    Ok(())
}

fn manual() -> Result<Vec<u8>, Box<dyn Error>> {
    let mut page = Vec::new();
    let man = Man::new(Args::command())
        .section("8")
        .manual("IPVS administration");
    man.render_title(&mut page)?;
    page.extend(text(BEFORE_OPTIONS));
    man.render_options_section(&mut page)?;
    page.extend(text(AFTER_OPTIONS));
    Ok(page)
}

/// A section without its comments, which hold the licence.
fn text(section: &str) -> impl Iterator<Item = u8> + '_ {
    let lines = section.lines().filter(|line| !line.starts_with(".\\\""));
    lines.flat_map(|line| line.bytes().chain(*b"\n"))
}
