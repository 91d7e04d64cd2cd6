// SPDX-License-Identifier: GPL-2.0
//! Showing what the XDP program forwards.
//!
//! Two programs are attached to it as long as this runs; nothing of it is left afterwards, and nothing is paid
//! for it when it does not run.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime};

use libbpf_rs::{ErrorKind, Link, MapCore, Object, ObjectBuilder, PerfBufferBuilder, Program};
use nix::time::{clock_gettime, ClockId};

use crate::error::Error;
use crate::filter::{Filter, SIZE};
use crate::interface::{Attached, Interface};
use crate::record::Record;
use crate::{object, PROGRAM};

/// Memory for frames that are not read yet, per processor: 2 MiB.
const PAGES: usize = 512;

/// How long nothing is shown at most before it is looked whether the program is still there.
const PAUSE: Duration = Duration::from_millis(200);

/// What there is to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It has begun: what the program forwards from now on is shown.
    Ready,
    /// A frame.
    Frame(Record),
    /// So many frames were not read in time.
    Lost(u64),
    /// All that has happened has been told; more may follow.
    Idle,
}

/// Shows the frames of an interface until `reader` has seen enough or the program is detached.
///
/// # Errors
///
/// [`Error::NotAttached`] if there is no program, or there is none any more.
pub fn capture(
    name: &str,
    filter: &Filter,
    mut reader: impl FnMut(Event) -> ControlFlow<()>,
) -> Result<(), Error> {
    let interface = Interface::named(name)?;
    let program = program(&interface)?;
    let failure = |error: &libbpf_rs::Error| Error::from_bpf(name, error, Error::Watch);
    let object = {
        let target = Program::fd_from_id(program.id).map_err(|error| failure(&error))?;
        load(&target, filter).map_err(|error| failure(&error))?
    };
    let frames = object.maps().find(|map| map.name() == "frames");
    let frames = frames.ok_or_else(|| Error::Watch(name.to_owned(), "a part is missing".into()))?;
    let zero = zero();
    let events = RefCell::new(VecDeque::new());
    let buffer = PerfBufferBuilder::new(&frames)
        .pages(PAGES)
        .sample_cb(|_, bytes| {
            let record = Record::read(bytes, zero);
            events.borrow_mut().extend(record.map(Event::Frame));
        })
        .lost_cb(|_, count| events.borrow_mut().push_back(Event::Lost(count)))
        .build()
        .map_err(|error| failure(&error))?;
    let _links = attach(&object).map_err(|error| failure(&error))?;
    let mut tell = |event| reader(event).is_break();
    if tell(Event::Ready) {
        return Ok(());
    }
    let mut looked = Instant::now();
    loop {
        match buffer.poll(PAUSE) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(failure(&error)),
            _ => {}
        }
        while let Some(event) = { events.borrow_mut().pop_front() } {
            if tell(event) {
                return Ok(());
            }
        }
        if tell(Event::Idle) {
            return Ok(());
        }
        // Whoever watches a program keeps it, and the module: not for longer than it is of use.
        if looked.elapsed() >= PAUSE {
            match self::program(&interface) {
                Ok(now) if now.id == program.id => looked = Instant::now(),
                _ => return Err(Error::NotAttached(interface.name)),
            }
        }
    }
}

/// When the clock was zero that the kernel side reads, since 1970.
fn zero() -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
    now.unwrap_or_default()
        .saturating_sub(since.unwrap_or_default())
}

fn program(interface: &Interface) -> Result<Attached, Error> {
    let found = interface.xdp()?.program.filter(Attached::is_ours);
    found.ok_or_else(|| Error::NotAttached(interface.name.clone()))
}

fn load(target: &OwnedFd, filter: &Filter) -> libbpf_rs::Result<Object> {
    libbpf_rs::set_print(None);
    let mut open = ObjectBuilder::default().open_memory(object!("capture"))?;
    for mut program in open.progs_mut() {
        program.set_attach_target(target.as_raw_fd(), Some(PROGRAM.to_owned()))?;
    }
    for mut map in open.maps_mut() {
        let is_filter = map.name().to_string_lossy().ends_with(".rodata");
        if let Some(place) = map.initial_value_mut().filter(|_| is_filter) {
            // The only constant there is.
            if let Some(place) = place.first_chunk_mut::<SIZE>() {
                *place = filter.bytes();
            }
        }
    }
    open.load()
}

fn attach(object: &Object) -> libbpf_rs::Result<Vec<Link>> {
    object
        .progs_mut()
        .map(|program| program.attach_trace())
        .collect()
}
