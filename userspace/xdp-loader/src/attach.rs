// SPDX-License-Identifier: GPL-2.0
//! Loading the program, attaching it to an interface, detaching it.

use std::path::{Path, PathBuf};

use libbpf_rs::{Link, Object, ObjectBuilder, Program};

use crate::error::Error;
use crate::interface::{Attached, Interface, Mode};
use crate::{object, pins, MODULE, PROGRAM};

/// How a program is to be attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Also where the driver has no XDP of its own. That is for tests: ingress costs less.
    pub generic: bool,
}

/// A program that is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its number.
    pub program: u32,
    /// How it is attached.
    pub mode: Mode,
    /// The link that holds it; without, whoever attached it does.
    pub pin: Option<PathBuf>,
}

/// Attaches the program to an interface, until it is detached or the interface is gone. That it is there
/// already is fine.
///
/// # Errors
///
/// Whatever is in the way; nothing is changed then.
pub fn attach(name: &str, options: Options) -> Result<(), Error> {
    let interface = Interface::named(name)?;
    let module = Path::new("/sys/module").join(MODULE);
    if !module.exists() {
        return Err(Error::NoModule);
    }
    if !Path::new("/sys/kernel/btf").join(MODULE).exists() {
        return Err(Error::NoBtf);
    }
    let xdp = interface.xdp()?;
    match xdp.program {
        Some(program) if program.is_ours() => return Ok(()),
        Some(Attached { id, name, mode }) => {
            return Err(Error::Taken {
                interface: interface.name,
                id,
                name,
                mode,
            })
        }
        None => {}
    }
    if !xdp.has_native() && !options.generic {
        return Err(Error::NoNative(interface.name));
    }
    pins::mount()?;
    sweep();
    let object = load(&interface)?;
    let program = object.progs_mut().find(|program| program.name() == PROGRAM);
    let program = program.ok_or_else(|| missing(&interface))?;
    let link = program
        .attach_xdp(interface.index)
        .map_err(|error| Error::from_bpf(name, &error, Error::Attach))?;
    // Where the driver has lost its XDP meanwhile, the kernel has taken the generic way.
    match interface.xdp()?.program {
        Some(Attached { mode, .. }) if mode != Mode::Native && !options.generic => {
            return Err(Error::NoNative(interface.name));
        }
        _ => {}
    }
    keep(link, &interface, &program)
}

fn keep(link: Link, interface: &Interface, program: &Program<'_>) -> Result<(), Error> {
    use std::os::fd::AsFd;
    let id = Program::id_from_fd(program.as_fd())
        .map_err(|error| Error::from_bpf(&interface.name, &error, Error::Query))?;
    // If it fails, the link goes out of scope, and the program goes with it.
    pins::pin(link, interface, id)
}

fn load(interface: &Interface) -> Result<Object, Error> {
    libbpf_rs::set_print(None);
    let failure = |error| Error::from_bpf(&interface.name, &error, Error::Load);
    let open = ObjectBuilder::default().open_memory(object!("forward"));
    open.and_then(|open| open.load()).map_err(failure)
}

fn missing(interface: &Interface) -> Error {
    Error::Load(interface.name.clone(), "a part of it is missing".to_owned())
}

/// Detaches the program from an interface; that it is not there is fine. Programs of others stay.
///
/// # Errors
///
/// [`Error::NoInterface`], or what the kernel says.
pub fn detach(name: &str) -> Result<(), Error> {
    let interface = Interface::named(name)?;
    sweep();
    let Some(program) = interface.xdp()?.program.filter(Attached::is_ours) else {
        return Ok(());
    };
    let pin = pins::all()
        .into_iter()
        .find(|pin| pin.program == program.id);
    pin.ok_or(Error::NotOurs(interface.name, program.id))?
        .remove()
}

/// The program on an interface, if it is ours.
///
/// # Errors
///
/// [`Error::NoInterface`], or what the kernel says.
pub fn status(name: &str) -> Result<Option<Status>, Error> {
    let program = Interface::named(name)?.xdp()?.program;
    Ok(program.filter(Attached::is_ours).map(|program| Status {
        program: program.id,
        mode: program.mode,
        pin: pins::all()
            .iter()
            .find(|pin| pin.program == program.id)
            .map(pins::Pin::shown),
    }))
}

/// Whether an interface is a NIC. veth and the like make a packet out of every frame before XDP sees it, so that
/// forwarding it there costs more than behind it.
#[must_use]
pub fn is_nic(name: &str) -> bool {
    Path::new("/sys/class/net")
        .join(name)
        .join("device")
        .exists()
}

/// Lets go of programs whose interface is gone: they would keep the module from being unloaded.
fn sweep() {
    for pin in pins::all() {
        if !pin.is_attached {
            // If it stays, `holders` shows it.
            let _ = pin.remove();
        }
    }
}
