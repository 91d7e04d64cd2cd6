// SPDX-License-Identifier: GPL-2.0

//! Where packets pass the IP layer by: at which devices of a namespace, as the operator wants it.
//!
//! Unless told otherwise, every device that can takes the short way from the moment its namespace has
//! a local address: all but loopback and what a bridge, a bond or a VRF takes packets from, which see
//! them next. Process context, under RTNL.
//!
//! [`ingress`] is where packets come, and before that [`xdp`] where the operator has attached the program; what
//! they do there is the [`shortcut`](crate::shortcut).

pub(crate) mod ingress;
pub(crate) mod xdp;

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use kernel::alloc::KVec;
use kernel::prelude::*;
use kernel::sync::{new_mutex, Mutex};
use kernel_net::device::{Device, Event, Rtnl};
use kernel_net::ingress::IngressHook;
use kernel_net::net::Net;
use kernel_net::rcu::{self, RcuBox, Snapshot};
use kernel_net::rcu_arc::RcuArc;

use ingress::Interface;

/// What an operator wants of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Wish {
    /// What is best.
    Automatic = 0,
    /// All packets take the long way.
    Off = 1,
    /// Packets of flows pass where the device hands them to the stack.
    Ingress = 2,
    /// Before that, in the driver: an XDP program, which user space attaches. The engine is ready for it
    /// wherever there is a hook for what the program leaves.
    Xdp = 3,
}

/// Why all packets of a device take the long way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// It leads back to this host.
    Loopback,
    /// Another device takes its packets.
    Enslaved,
    /// There has been no local address yet.
    Idle,
    /// The operator wants it.
    Unwanted,
    /// The hook could not be set: memory is out.
    Failed,
}

/// Why what an operator wants of a device is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// There is none of that number.
    NoDevice,
    /// It cannot be.
    Hindered(Obstacle),
    /// Memory is out.
    NoMemory,
}

/// A device and its hook.
struct Seat {
    index: u32,
    wish: Option<Wish>,
    hook: Option<IngressHook<Interface>>,
    /// What XDP counts, wherever there is a hook for what it leaves.
    frames: Option<RcuArc<Interface>>,
}

/// All devices, and what is wanted of those that nothing is said about.
struct Seats {
    /// The namespace, or the module, goes away.
    is_over: bool,
    default: Wish,
    seats: KVec<Option<Seat>>,
}

/// The devices of a namespace.
#[pin_data]
pub(crate) struct FastPath {
    /// Whether there has been a local address.
    is_active: AtomicBool,
    #[pin]
    seats: Mutex<Seats>,
    /// The devices where XDP may forward, for those who cannot wait.
    frames: Snapshot<KVec<(u32, RcuArc<Interface>)>>,
}

impl FastPath {
    pub(crate) fn new() -> impl PinInit<Self> {
        let seats = Seats {
            is_over: false,
            default: Wish::Automatic,
            seats: KVec::new(),
        };
        pin_init!(Self {
            is_active: AtomicBool::new(false),
            seats <- new_mutex!(seats),
            frames: Snapshot::empty(),
        })
    }

    /// The namespace has a local address.
    pub(crate) fn activate(&self, net: &Net) {
        if !self.is_active.swap(true, Relaxed) {
            self.settle_all(net, &Rtnl::lock());
        }
    }

    /// All packets take the long way from now on.
    pub(crate) fn stop(&self) {
        let mut seats = self.seats.lock();
        seats.is_over = true;
        for seat in seats.seats.iter_mut() {
            *seat = None;
        }
        self.publish(&seats);
    }

    /// What XDP counts at a device; `None` where it is not to forward.
    #[inline]
    pub(crate) fn frames<'a>(&self, index: u32, guard: &'a rcu::Guard) -> Option<&'a Interface> {
        let all = self.frames.read(guard)?;
        // BOUND: The devices of the namespace.
        let (_, interface) = all.iter().find(|(found, _)| *found == index)?;
        Some(interface)
    }

    /// Shows XDP which devices have a hook. Where memory is out, it forwards nothing.
    fn publish(&self, seats: &Seats) {
        let list = || {
            let mut all = KVec::with_capacity(seats.seats.len(), GFP_KERNEL)?;
            for seat in seats.seats.iter().flatten() {
                if let Some(frames) = &seat.frames {
                    all.push_within_capacity((seat.index, frames.clone()))
                        .map_err(|_| ENOMEM)?;
                }
            }
            RcuBox::new(all, GFP_KERNEL)
        };
        self.frames.replace(list().ok());
    }

    /// Something has happened to a device.
    pub(crate) fn event(&self, event: Event, device: &Device, rtnl: &Rtnl) {
        let mut seats = self.seats.lock();
        match event {
            Event::Leaving => {
                seats.remove(device.index());
                self.publish(&seats);
            }
            // What cannot be done for want of memory is shown, and tried again with the next event.
            Event::Arrived | Event::Changed => {
                let _ = self.settle(&mut seats, device, rtnl);
            }
        }
    }

    /// Does as the operator wishes with the device of that number, or with all that are and will be:
    /// what is said about one device afterwards outweighs that. What is denied is not kept.
    pub(crate) fn set(&self, net: &Net, index: Option<u32>, wish: Wish) -> Result<(), Denied> {
        let rtnl = Rtnl::lock();
        let Some(index) = index else {
            self.seats.lock().all(wish);
            self.settle_all(net, &rtnl);
            return Ok(());
        };
        let device = Device::by_index(net, index, &rtnl).ok_or(Denied::NoDevice)?;
        if let (Wish::Ingress | Wish::Xdp, Some(obstacle)) =
            (wish, self.obstacle(wish, device, &rtnl))
        {
            return Err(Denied::Hindered(obstacle));
        }
        let mut seats = self.seats.lock();
        let no_memory = |_| Denied::NoMemory;
        let before = seats.of(index).map_err(no_memory)?.wish.replace(wish);
        self.settle(&mut seats, device, &rtnl).map_err(|error| {
            if let Ok(seat) = seats.of(index) {
                seat.wish = before;
            }
            no_memory(error)
        })
    }

    /// What is wanted of devices that nothing is said about.
    pub(crate) fn default_wish(&self) -> Wish {
        self.seats.lock().default
    }

    fn settle_all(&self, net: &Net, rtnl: &Rtnl) {
        let mut seats = self.seats.lock();
        Device::for_each(net, rtnl, |device| {
            let _ = self.settle(&mut seats, device, rtnl);
        });
    }

    /// Sets or takes the hook of a device, as things are now.
    fn settle(&self, seats: &mut Seats, device: &Device, rtnl: &Rtnl) -> Result {
        if seats.is_over {
            return Ok(());
        }
        let default = seats.default;
        let seat = seats.of(device.index())?;
        let wish = seat.wish.unwrap_or(default);
        if self.obstacle(wish, device, rtnl).is_some() {
            seat.hook = None;
            seat.frames = None;
        } else if seat.hook.is_none() {
            seat.frames = Some(RcuArc::new(Interface::new()?, GFP_KERNEL)?);
            seat.hook = Some(hook(device, rtnl)?);
        } else {
            return Ok(());
        }
        self.publish(seats);
        Ok(())
    }

    fn obstacle(&self, wish: Wish, device: &Device, rtnl: &Rtnl) -> Option<Obstacle> {
        match wish {
            _ if device.is_loopback() => Some(Obstacle::Loopback),
            _ if device.master(rtnl).is_some() => Some(Obstacle::Enslaved),
            Wish::Off => Some(Obstacle::Unwanted),
            Wish::Automatic if !self.is_active.load(Relaxed) => Some(Obstacle::Idle),
            Wish::Automatic | Wish::Ingress | Wish::Xdp => None,
        }
    }

    /// Shows the devices of the namespace but for the first `skip`, until `visitor` has enough: how many
    /// are done with.
    pub(crate) fn visit_from(
        &self,
        net: &Net,
        skip: usize,
        mut visitor: impl FnMut(&View<'_>) -> bool,
    ) -> usize {
        let rtnl = Rtnl::lock();
        let mut seats = self.seats.lock();
        let (mut place, mut full) = (0usize, false);
        Device::for_each(net, &rtnl, |device| {
            if full || place < skip {
                place = place.wrapping_add(usize::from(!full));
                return;
            }
            let default = seats.default;
            let Ok(seat) = seats.of(device.index()) else {
                full = true;
                return;
            };
            let wish = seat.wish.unwrap_or(default);
            let view = View {
                device,
                rtnl: &rtnl,
                wish,
                obstacle: match (&seat.hook, self.obstacle(wish, device, &rtnl)) {
                    (Some(_), _) => None,
                    (None, None) => Some(Obstacle::Failed),
                    (None, obstacle) => obstacle,
                },
                interface: seat.hook.as_ref().map(IngressHook::data),
                frames: seat.frames.as_deref(),
            };
            full = !visitor(&view);
            place = place.wrapping_add(usize::from(!full));
        });
        place
    }
}

/// Sets the hook of a device, for its seat.
fn hook(device: &Device, rtnl: &Rtnl) -> Result<IngressHook<Interface>> {
    let data = Interface::new()?;
    // SAFETY: When the device leaves, `event` removes the seat with the hook.
    unsafe { IngressHook::register(device.net(rtnl), device, data, rtnl) }
}

/// A device as it is shown.
pub(crate) struct View<'a> {
    pub(crate) device: &'a Device,
    pub(crate) rtnl: &'a Rtnl,
    pub(crate) wish: Wish,
    /// Why its packets take the long way, if they do.
    pub(crate) obstacle: Option<Obstacle>,
    pub(crate) interface: Option<&'a Interface>,
    /// What XDP has counted there.
    pub(crate) frames: Option<&'a Interface>,
}

/// Seats that are made at a time.
const STEP: usize = 16;

impl Seats {
    /// The seat of a device, made if there is none.
    fn of(&mut self, index: u32) -> Result<&mut Seat> {
        self.add(index)?;
        let mut seats = self.seats.iter_mut().flatten();
        seats.find(|seat| seat.index == index).ok_or(ENOMEM)
    }

    fn add(&mut self, index: u32) -> Result {
        if self.seats.iter().flatten().any(|seat| seat.index == index) {
            return Ok(());
        }
        if self.seats.iter().all(Option::is_some) {
            self.make_room()?;
        }
        if let Some(free) = self.seats.iter_mut().find(|seat| seat.is_none()) {
            *free = Some(Seat {
                index,
                wish: None,
                hook: None,
                frames: None,
            });
        }
        Ok(())
    }

    fn make_room(&mut self) -> Result {
        let size = self.seats.len().wrapping_add(STEP);
        let mut seats = KVec::with_capacity(size, GFP_KERNEL)?;
        // BOUND: The capacity just reserved.
        for old in self.seats.iter_mut() {
            seats.push_within_capacity(old.take()).map_err(|_| ENOMEM)?;
        }
        for _ in 0..STEP {
            seats.push_within_capacity(None).map_err(|_| ENOMEM)?;
        }
        self.seats = seats;
        Ok(())
    }

    fn remove(&mut self, index: u32) {
        for seat in self.seats.iter_mut() {
            if seat.as_ref().is_some_and(|seat| seat.index == index) {
                *seat = None;
            }
        }
    }

    /// The same for all, and forgets what was said about one.
    fn all(&mut self, wish: Wish) {
        self.default = wish;
        for seat in self.seats.iter_mut().flatten() {
            seat.wish = None;
        }
    }
}
