// SPDX-License-Identifier: GPL-2.0
//! Command lines about fast paths.

use ipvs_netlink::Wish;

use super::{interface_name, Plan};
use crate::cli::{FastpathArgs, FastpathChange};
use crate::failure::Failure;

/// What can be asked for.
const WISHES: [Wish; 4] = [Wish::Off, Wish::Ingress, Wish::Xdp, Wish::Automatic];
/// The word for all interfaces.
pub const ALL: &str = "all";

/// Whose fast path it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// All interfaces that nothing else is asked for.
    All,
    /// The interface of that name.
    One(String),
}

/// How fast paths are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Display {
    /// Only this interface.
    pub interface: Option<String>,
    /// All reasons to take the long way.
    pub detours: bool,
    /// JSON.
    pub json: bool,
}

impl Plan {
    /// Works out what a command line about fast paths means.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] in one line that names the word.
    pub fn fastpath(args: &FastpathArgs) -> Result<Self, Failure> {
        if let Some(FastpathChange::Set { interface, mode }) = &args.change {
            check_alone(args)?;
            let target = match interface_name("INTERFACE", interface)? {
                ALL => Target::All,
                name => Target::One(name.to_owned()),
            };
            let wish = WISHES.into_iter().find(|wish| wish.word() == mode);
            return match wish {
                Some(wish) => Ok(Plan::SetFastPath(target, wish)),
                None => Err(Failure::usage(format!(
                    "MODE: {mode} is none of {}",
                    WISHES.map(Wish::word).join(", ")
                ))),
            };
        }
        let json = match args.output.as_deref() {
            None | Some("table") => args.json,
            Some("json") => true,
            Some(other) => {
                return Err(Failure::usage(format!(
                    "--output: {other} is neither table nor json"
                )))
            }
        };
        let interface = args.interface.as_deref();
        let interface = interface.map(|name| interface_name("INTERFACE", name));
        Ok(Plan::ListFastPaths(Display {
            interface: interface.transpose()?.map(str::to_owned),
            detours: args.detours,
            json,
        }))
    }
}

/// Nothing of a listing goes with a change.
fn check_alone(args: &FastpathArgs) -> Result<(), Failure> {
    let given = [
        args.interface.as_deref(),
        args.detours.then_some("--detours"),
        args.json.then_some("--json"),
        args.output.as_ref().map(|_| "--output"),
    ];
    match given.into_iter().flatten().next() {
        Some(word) => Err(Failure::usage(format!("{word} does not go with set"))),
        None => Ok(()),
    }
}
