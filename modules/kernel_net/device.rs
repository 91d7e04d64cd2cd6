// SPDX-License-Identifier: GPL-2.0

//! Network devices, and what happens to them.
//!
//! Process context, under RTNL, unless said otherwise.
//!
//! C header: `include/linux/netdevice.h`, `register_netdevice_notifier_net()`.

use core::ptr::NonNull;
use kernel::error::to_result;
use kernel::ffi;
use kernel::prelude::*;
use kernel::types::Opaque;
use net_bindings as c;

use crate::net::Net;

/// A network device.
#[repr(transparent)]
pub struct Device(Opaque<c::net_device>);

impl Device {
    /// The device behind a C pointer.
    ///
    /// # Safety
    ///
    /// `device` is valid for the life time the caller chooses.
    pub(crate) unsafe fn from_raw<'a>(device: *mut c::net_device) -> &'a Self {
        // SAFETY: The contract; `Device` is a transparent wrapper.
        unsafe { &*device.cast() }
    }

    /// The C object.
    pub(crate) fn as_ptr(&self) -> *mut c::net_device {
        self.0.get()
    }
}

/// What has happened, or is about to happen, to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceEvent {
    /// It is deleted or leaves the namespace: whatever refers to it must go before this returns, or
    /// soon after.
    Unregister,
}

impl DeviceEvent {
    /// `None` of what nobody here wants to know.
    fn from_raw(event: usize) -> Option<Self> {
        // CAST: A small number of an enum; lossless on 64 bits.
        match event as c::netdev_cmd {
            c::netdev_cmd_NETDEV_UNREGISTER => Some(Self::Unregister),
            _ => None,
        }
    }
}

/// Who wants to know about the devices of a namespace.
pub trait DeviceWatcher: Sync + 'static {
    /// Something happens to `device`. Must not wait for anybody who takes RTNL.
    fn event(&self, event: DeviceEvent, device: &Device);
}

/// What the kernel calls, first, and whom it is for.
#[repr(C)]
struct Block<T> {
    block: c::notifier_block,
    watcher: NonNull<T>,
}

/// A [`DeviceWatcher`] that hears of the devices of one namespace as long as this value lives: of those
/// that are there already at once; that they are unregistered, when the value is dropped.
///
/// # Invariants
///
/// `block` is registered with the namespace `net`, which outlives it.
pub struct DeviceWatch<T: DeviceWatcher> {
    net: NonNull<c::net>,
    block: Pin<KBox<Opaque<Block<T>>>>,
}

// SAFETY: Registration and unregistration may happen in any thread.
unsafe impl<T: DeviceWatcher> Send for DeviceWatch<T> {}
// SAFETY: There is nothing to be done with a shared reference.
unsafe impl<T: DeviceWatcher> Sync for DeviceWatch<T> {}

impl<T: DeviceWatcher> DeviceWatch<T> {
    /// Registers the watcher. Process context, without RTNL.
    ///
    /// # Safety
    ///
    /// The value is dropped before the namespace and before the watcher go away. In a namespace that ends,
    /// devices go after [`PerNet::pre_exit`](crate::net::PerNet::pre_exit) and before `exit`: whoever
    /// may still refer to them in between, drops it in `exit`.
    pub unsafe fn register(net: &Net, watcher: &T) -> Result<Self> {
        let block = Block {
            block: c::notifier_block {
                notifier_call: Some(trampoline::<T>),
                ..Default::default()
            },
            watcher: NonNull::from(watcher),
        };
        let block = KBox::pin(Opaque::new(block), GFP_KERNEL)?;
        // SAFETY: The block stays where it is until `drop`; the notifier is its first field.
        to_result(unsafe { c::register_netdevice_notifier_net(net.as_ptr(), block.get().cast()) })?;
        // INVARIANT: Registered just now; the contract says that the namespace outlives it.
        Ok(Self {
            net: NonNull::from(net).cast(),
            block,
        })
    }
}

impl<T: DeviceWatcher> Drop for DeviceWatch<T> {
    fn drop(&mut self) {
        // SAFETY: By the invariant. Nobody is in the callback any more when the call returns.
        unsafe {
            c::unregister_netdevice_notifier_net(self.net.as_ptr(), self.block.get().cast());
        }
    }
}

/// Tells the watcher.
///
/// # Safety
///
/// Called by the kernel, under RTNL, with a [`Block`] that is registered, and information about a
/// device.
unsafe extern "C" fn trampoline<T: DeviceWatcher>(
    block: *mut c::notifier_block,
    event: usize,
    info: *mut ffi::c_void,
) -> ffi::c_int {
    if let Some(event) = DeviceEvent::from_raw(event) {
        // SAFETY: The notifier is the first field of a block; its watcher outlives the registration.
        let watcher = unsafe { (*block.cast::<Block<T>>()).watcher.as_ref() };
        // SAFETY: The kernel passes a valid device, which stays while RTNL is held.
        let device = unsafe { Device::from_raw(c::kn_notifier_info_dev(info)) };
        watcher.event(event, device);
    }
    // CAST: Zero.
    c::NOTIFY_DONE as ffi::c_int
}
