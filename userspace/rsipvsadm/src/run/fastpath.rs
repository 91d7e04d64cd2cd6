// SPDX-License-Identifier: GPL-2.0
//! Showing and setting fast paths.

use ipvs_netlink::{Action, FastPaths, Interface, Object, Refusal, Wish};

use super::session::{failure, Session};
use super::sysctl;
use crate::failure::Failure;
use crate::output::{fastpath, json};
use crate::plan::fastpath::{Display, Target};

/// The switch over all of them.
const SWITCH: &str = "fullnat_fastpath";

/// The text of the listing.
pub(super) fn list(session: &mut Session, display: &Display) -> Result<String, Failure> {
    let mut found = session.flow()?.fast_paths().map_err(failure)?;
    if let Some(name) = &display.interface {
        let one = one(&found, name, Action::Read)?.clone();
        found.interfaces = vec![one];
    }
    let enabled = sysctl(SWITCH).map(|value| value != 0);
    Ok(if display.json {
        json::fast_paths(&found, enabled)
    } else {
        fastpath::table(&found, enabled, display.detours)
    })
}

/// Asks for a fast path.
pub(super) fn set(session: &mut Session, target: &Target, wish: Wish) -> Result<(), Failure> {
    let flow = session.flow()?;
    match target {
        Target::All => flow.set_fast_paths(wish),
        Target::One(name) => {
            let found = flow.fast_paths().map_err(failure)?;
            let interface = one(&found, name, Action::Change)?;
            flow.set_fast_path(interface.index, name, wish)
        }
    }
    .map_err(failure)
}

/// The interface of that name.
fn one<'a>(found: &'a FastPaths, name: &str, action: Action) -> Result<&'a Interface, Failure> {
    let interfaces = &found.interfaces;
    let interface = interfaces.iter().find(|interface| interface.name == name);
    interface.ok_or_else(|| {
        let refusal = Refusal {
            action,
            object: Object::FastPath(name.to_owned()),
            errno: libc::ENODEV,
            text: None,
        };
        let there: Vec<_> = interfaces.iter().map(|one| one.name.as_str()).collect();
        Failure::runtime(format!("{refusal}; there are {}", there.join(", ")))
    })
}
