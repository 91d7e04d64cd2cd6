// SPDX-License-Identifier: GPL-2.0

//! A hook where a device hands its packets to the stack.
//!
//! Behind GRO, the taps of tcpdump, and the traffic control and nftables chains of operators; ahead of
//! bridges, bonds, VLANs and the IP layer. Softirq, under RCU.
//!
//! C header: `include/linux/netfilter_netdev.h`.

use core::ptr::NonNull;
use kernel::error::to_result;
use kernel::ffi;
use kernel::prelude::*;
use kernel::types::Opaque;
use net_bindings as c;

use crate::device::{Device, Rtnl};
use crate::net::Net;
use crate::netfilter::Verdict;
use crate::rcu::{self, RcuBox};
use crate::skb::Packet;

/// A function that sees the packets of a device.
pub trait Ingress: Send + Sync + 'static {
    /// Sees one packet, of the inet families, addressed to this host by its link header.
    fn packet(&self, net: &Net, packet: Packet<'_>, guard: &rcu::Guard) -> Verdict;
}

/// The hook, registered as long as this value lives; who is in it stays for an RCU grace period.
///
/// # Invariants
///
/// `hook` is registered with the namespace `net`, which outlives it, on a device that does, too.
pub struct IngressHook<T: Ingress> {
    net: NonNull<c::net>,
    seat: RcuBox<Seat<T>>,
}

/// What the kernel knows of a hook, and what the hook knows. Freed after a grace period: packets may be
/// in the hook, and whoever lists hooks reads both under RCU (`nfnl_hook_dump()`).
struct Seat<T> {
    hook: Opaque<c::nf_hook_ops>,
    data: T,
}

// SAFETY: What the kernel does with the hook, it does under locks of its own.
unsafe impl<T: Send> Send for Seat<T> {}
// SAFETY: A shared seat gives shared access to the data only.
unsafe impl<T: Sync> Sync for Seat<T> {}

// SAFETY: Registration and unregistration may happen in any thread.
unsafe impl<T: Ingress> Send for IngressHook<T> {}
// SAFETY: A shared hook gives shared access to its data only.
unsafe impl<T: Ingress> Sync for IngressHook<T> {}

impl<T: Ingress> IngressHook<T> {
    /// Registers the hook.
    ///
    /// # Safety
    ///
    /// The value is dropped before the device leaves the namespace: when a
    /// [`Watcher`](crate::device::Watcher) hears that it is leaving, at the latest.
    pub unsafe fn register(net: &Net, device: &Device, data: T, _rtnl: &Rtnl) -> Result<Self> {
        let hook = Opaque::new(c::nf_hook_ops::default());
        let seat = RcuBox::new(Seat { hook, data }, GFP_KERNEL)?;
        let hook = c::nf_hook_ops {
            hook: Some(trampoline::<T>),
            dev: device.as_ptr(),
            priv_: core::ptr::from_ref(&seat.data).cast_mut().cast(),
            // CAST: Small numbers of enums.
            pf: c::NFPROTO_NETDEV as u8,
            hooknum: c::nf_dev_hooks_NF_NETDEV_INGRESS,
            // Behind whatever an operator has set up.
            priority: i32::MAX,
            ..Default::default()
        };
        // SAFETY: Nobody knows of the hook yet, and it stays where it is until `drop`.
        to_result(unsafe {
            seat.hook.get().write(hook);
            c::nf_register_net_hook(net.as_ptr(), seat.hook.get())
        })?;
        // INVARIANT: Registered just now; the contract says that both outlive it.
        Ok(Self {
            net: NonNull::from(net).cast(),
            seat,
        })
    }

    /// What the hook was registered with.
    pub fn data(&self) -> &T {
        &self.seat.data
    }
}

impl<T: Ingress> Drop for IngressHook<T> {
    fn drop(&mut self) {
        // SAFETY: By the invariant. The seat is dropped behind it, after a grace period.
        unsafe { c::nf_unregister_net_hook(self.net.as_ptr(), self.seat.hook.get()) };
    }
}

/// Hands a packet to the hook.
///
/// # Safety
///
/// Called by netfilter with a packet that is the hook's until it returns, and with the data it was
/// registered with.
unsafe extern "C" fn trampoline<T: Ingress>(
    data: *mut ffi::c_void,
    skb: *mut c::sk_buff,
    state: *const c::nf_hook_state,
) -> u32 {
    // SAFETY: Netfilter passes a packet at its network header.
    let packet = unsafe { Packet::from_raw(skb) };
    if !packet.is_to_us() {
        return Verdict::Accept.to_raw();
    }
    // SAFETY: Netfilter passes a valid state whose namespace outlives the call; the data are there as
    // long as the hook may run.
    let (net, data) = unsafe { (Net::from_raw((*state).net), &*data.cast::<T>()) };
    // SAFETY: Netfilter calls hooks under RCU.
    data.packet(net, packet, unsafe { rcu::held() }).to_raw()
}
