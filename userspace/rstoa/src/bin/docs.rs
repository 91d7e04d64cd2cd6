// SPDX-License-Identifier: GPL-2.0
//! Writes the man page and the completions below a folder; run by the build, never installed.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use clap::CommandFactory;
use clap_complete::shells::{Bash, Fish, Zsh};
use clap_mangen::roff::{bold, roman, Roff};
use clap_mangen::Man;
use rstoa::cli::Args;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args_os().nth(1).ok_or("usage: rstoa-docs FOLDER")?;
    let (manuals, completions) = (
        Path::new(&folder).join("man"),
        Path::new(&folder).join("completions"),
    );
    fs::create_dir_all(&manuals)?;
    fs::create_dir_all(&completions)?;
    fs::write(manuals.join("rstoa.8"), manual()?)?;
    let mut command = Args::command();
    clap_complete::generate_to(Bash, &mut command, "rstoa", &completions)?;
    clap_complete::generate_to(Zsh, &mut command, "rstoa", &completions)?;
    clap_complete::generate_to(Fish, &mut command, "rstoa", &completions)?;
    Ok(())
}

/// The page, with the words of every command.
fn manual() -> Result<Vec<u8>, Box<dyn Error>> {
    let mut page = Vec::new();
    let mut command = Args::command();
    command.build();
    let man = Man::new(command.clone())
        .section("8")
        .manual("IPVS administration");
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut commands = Roff::new();
    commands.control("SH", ["COMMANDS"]);
    for command in command
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
    {
        let about = command
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default();
        commands.control("TP", []);
        commands.text([bold(command.get_name())]);
        commands.text([roman(about)]);
        for change in command
            .get_subcommands()
            .filter(|change| change.get_name() != "help")
        {
            let about = change
                .get_about()
                .map(ToString::to_string)
                .unwrap_or_default();
            commands.control("TP", []);
            commands.text([bold(format!(
                "{} {}",
                command.get_name(),
                change.get_name()
            ))]);
            commands.text([roman(about)]);
        }
    }
    commands.control("SH", ["FILES"]);
    commands.text([roman(
        "/proc/net/toa_clients, toa_stats, toa_health, uoa_clients, uoa_stats, uoa_health; \
         the sysctls net.ipv4.toa.trust and net.ipv4.uoa.trust.",
    )]);
    commands.to_writer(&mut page)?;
    man.render_extra_section(&mut page)?;
    Ok(page)
}
