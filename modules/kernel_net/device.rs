// SPDX-License-Identifier: GPL-2.0

//! Network devices of a namespace, and what happens to them.
//!
//! Process context, under RTNL, of which [`Rtnl`] is evidence.
//!
//! C header: `include/linux/netdevice.h`.

use core::ffi::CStr;
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::error::to_result;
use kernel::ffi;
use kernel::prelude::*;
use kernel::types::{NotThreadSafe, Opaque};
use net_bindings as c;

use crate::net::Net;

/// Evidence that RTNL is held: devices come, go and change under it only.
pub struct Rtnl(NotThreadSafe);

/// Releases RTNL when dropped.
pub struct RtnlGuard(Rtnl);

impl Rtnl {
    /// Waits for RTNL. Process context.
    pub fn lock() -> RtnlGuard {
        // SAFETY: Process context, by the contract of every caller.
        unsafe { c::rtnl_lock() };
        RtnlGuard(Rtnl(NotThreadSafe))
    }
}

impl core::ops::Deref for RtnlGuard {
    type Target = Rtnl;

    fn deref(&self) -> &Rtnl {
        &self.0
    }
}

impl Drop for RtnlGuard {
    fn drop(&mut self) {
        // SAFETY: Taken in `lock`, by this thread.
        unsafe { c::rtnl_unlock() };
    }
}

/// A device.
#[repr(transparent)]
pub struct Device(Opaque<c::net_device>);

impl Device {
    /// # Safety
    ///
    /// `device` is valid for the life time the caller chooses.
    pub(crate) unsafe fn from_raw<'a>(device: *mut c::net_device) -> &'a Self {
        // SAFETY: The contract; `Device` is a transparent wrapper.
        unsafe { &*device.cast() }
    }

    /// The device with that number.
    pub fn by_index<'a>(net: &Net, index: u32, _rtnl: &'a Rtnl) -> Option<&'a Self> {
        // CAST: Numbers are positive.
        // SAFETY: The namespace is valid, and RTNL keeps the device.
        let device = unsafe { c::__dev_get_by_index(net.as_ptr(), index as i32) };
        // SAFETY: As above.
        NonNull::new(device).map(|device| unsafe { Self::from_raw(device.as_ptr()) })
    }

    /// Calls `visitor` with every device of a namespace.
    pub fn for_each(net: &Net, _rtnl: &Rtnl, mut visitor: impl FnMut(&Self)) {
        // SAFETY: The namespace is valid, and RTNL keeps its devices.
        let mut next = unsafe { c::kn_dev_next(net.as_ptr(), core::ptr::null_mut()) };
        // BOUND: The devices of the namespace.
        while let Some(device) = NonNull::new(next) {
            // SAFETY: As above.
            visitor(unsafe { Self::from_raw(device.as_ptr()) });
            // SAFETY: As above.
            next = unsafe { c::kn_dev_next(net.as_ptr(), device.as_ptr()) };
        }
    }

    pub(crate) fn as_ptr(&self) -> *mut c::net_device {
        self.0.get()
    }

    /// Its namespace.
    pub fn net<'a>(&'a self, _rtnl: &'a Rtnl) -> &'a Net {
        // SAFETY: The device is valid; while RTNL is held it stays where it is.
        unsafe { Net::from_raw(c::kn_dev_net(self.as_ptr())) }
    }

    /// Its number in its namespace.
    pub fn index(&self) -> u32 {
        // CAST: Numbers are positive.
        // SAFETY: The device is valid.
        unsafe { c::kn_dev_index(self.as_ptr()) as u32 }
    }

    /// Its name. RTNL keeps it.
    pub fn name<'a>(&'a self, _rtnl: &'a Rtnl) -> &'a CStr {
        // SAFETY: The device is valid; its name has `IFNAMSIZ` bytes, which RTNL keeps as they are.
        let name: &[u8; 16] = unsafe { &*c::kn_dev_name(self.as_ptr()).cast() };
        CStr::from_bytes_until_nul(name).unwrap_or(c"")
    }

    /// Whether it leads back to this host.
    pub fn is_loopback(&self) -> bool {
        // SAFETY: The device is valid.
        unsafe { c::kn_dev_is_loopback(self.as_ptr()) }
    }

    /// The device that takes what comes in here: a bridge, a bond, a VRF.
    pub fn master<'a>(&'a self, _rtnl: &'a Rtnl) -> Option<&'a Self> {
        // SAFETY: The device is valid, and RTNL keeps its master.
        unsafe {
            let master = c::netdev_master_upper_dev_get(self.as_ptr());
            NonNull::new(master).map(|master| Self::from_raw(master.as_ptr()))
        }
    }

    /// Whether its driver runs XDP programs that redirect packets.
    pub fn has_native_xdp(&self) -> bool {
        // SAFETY: The device is valid.
        unsafe { c::kn_dev_has_xdp(self.as_ptr()) }
    }
}

/// What has happened to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is there.
    Arrived,
    /// It is about to leave its namespace, or to be no more.
    Leaving,
    /// It, or its place among others, is another than before.
    Changed,
}

/// Who wants to know.
pub trait Watcher: Sync + 'static {
    /// Something has happened to a device of the namespace.
    fn event(&self, event: Event, device: &Device, rtnl: &Rtnl);
}

/// The kernel's notifier, and whom it is for.
#[repr(C)]
struct Notifier {
    block: c::notifier_block,
    watcher: *const ffi::c_void,
}

/// Tells a watcher what happens to the devices of one namespace, as long as this value lives: first
/// that they are there, last that they leave.
///
/// # Invariants
///
/// `notifier` is registered with the namespace `net`, which outlives it.
pub struct Watch {
    net: NonNull<c::net>,
    notifier: Pin<KBox<Opaque<Notifier>>>,
    _watcher: PhantomData<*const ()>,
}

// SAFETY: Registration and unregistration may happen in any thread.
unsafe impl Send for Watch {}
// SAFETY: There is nothing to be done with a shared reference.
unsafe impl Sync for Watch {}

impl Watch {
    /// Starts telling. Process context.
    ///
    /// # Safety
    ///
    /// The value is dropped before the namespace and the watcher go away.
    pub unsafe fn new<W: Watcher>(net: &Net, watcher: &W) -> Result<Self> {
        let notifier = Notifier {
            block: c::notifier_block {
                notifier_call: Some(notify::<W>),
                ..Default::default()
            },
            watcher: core::ptr::from_ref(watcher).cast(),
        };
        let notifier = KBox::pin(Opaque::new(notifier), GFP_KERNEL)?;
        // SAFETY: The notifier stays where it is until `drop`; it starts with the kernel's part.
        to_result(unsafe {
            c::register_netdevice_notifier_net(net.as_ptr(), notifier.get().cast())
        })?;
        // INVARIANT: Registered just now; the contract says that the namespace outlives it.
        Ok(Self {
            net: NonNull::from(net).cast(),
            notifier,
            _watcher: PhantomData,
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // SAFETY: By the invariant.
        unsafe {
            c::unregister_netdevice_notifier_net(self.net.as_ptr(), self.notifier.get().cast())
        };
    }
}

/// Tells the watcher.
///
/// # Safety
///
/// Called by the kernel under RTNL with a block that `Watch::new` has registered.
unsafe extern "C" fn notify<W: Watcher>(
    block: *mut c::notifier_block,
    event: ffi::c_ulong,
    info: *mut ffi::c_void,
) -> ffi::c_int {
    // CAST: Small numbers of an enum.
    let event = match event as u32 {
        c::netdev_cmd_NETDEV_REGISTER => Event::Arrived,
        c::netdev_cmd_NETDEV_UNREGISTER => Event::Leaving,
        c::netdev_cmd_NETDEV_UP
        | c::netdev_cmd_NETDEV_CHANGEUPPER
        | c::netdev_cmd_NETDEV_CHANGENAME => Event::Changed,
        _ => return 0,
    };
    // SAFETY: The block is the start of a `Notifier`, whose watcher lives as long as it is registered;
    // the kernel passes a valid device, under RTNL.
    unsafe {
        let watcher = &*(*block.cast::<Notifier>()).watcher.cast::<W>();
        let device = Device::from_raw(c::kn_notifier_dev(info));
        // A port that leaves is freed from its bridge behind our backs: no news of a device that is gone.
        if event == Event::Changed && c::kn_dev_is_leaving(device.as_ptr()) {
            return 0;
        }
        watcher.event(event, device, &Rtnl(NotThreadSafe));
    }
    0
}
