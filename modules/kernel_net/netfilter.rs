// SPDX-License-Identifier: GPL-2.0

//! Netfilter hooks of one network namespace.
//!
//! Hooks run in softirq or, for packets of local programs, in process context; always under RCU.
//! A hook gets the packet and returns what is to become of it.
//!
//! C header: `include/linux/netfilter.h`.

use core::ptr::NonNull;
use kernel::alloc::{flags, KVec};
use kernel::error::to_result;
use kernel::ffi;
use kernel::prelude::*;
use nat::Family;
use net_bindings as c;

use crate::net::Net;
use crate::rcu::{self, RcuBox};
use crate::skb::Packet;

/// What a hook or a transmit function has decided about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Verdict {
    /// Goes on as if nothing had happened.
    Accept = c::NF_ACCEPT,
    /// The caller frees it.
    Drop = c::NF_DROP,
    /// It is somebody else's now; the caller must not touch it.
    Stolen = c::NF_STOLEN,
}

impl Verdict {
    /// The number netfilter knows it by.
    #[inline]
    pub fn to_raw(self) -> u32 {
        // CAST: The values are those numbers.
        self as u32
    }
}

/// Where in the IP layer a hook sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before the routing decision.
    PreRouting,
    /// After it, for what is delivered to this host; whole datagrams, fragments are reassembled.
    LocalIn,
    /// Behind the routing decision, for what this host's programs send; whole datagrams.
    LocalOut,
}

/// A function that sees packets.
pub trait Hook: 'static {
    /// Where.
    const PLACE: Place;
    /// Before which other hooks: lower comes first (`enum nf_ip_hook_priorities`).
    const PRIORITY: i32;

    /// What it keeps of a namespace.
    type Data: Sync + 'static;

    /// Sees one packet.
    fn packet(net: &Net, data: &Self::Data, packet: Packet<'_>, guard: &rcu::Guard) -> Verdict;
}

/// The number netfilter knows a family by.
pub(crate) fn protocol_family(family: Family) -> u32 {
    match family {
        Family::V4 => c::NFPROTO_IPV4,
        Family::V6 => c::NFPROTO_IPV6,
    }
}

/// What is on its way to another host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// Routed, last of all hooks: whole packets if connection tracking is at work.
    Routed(Family),
    /// From one port of a bridge to another, whatever it is.
    Bridged,
}

/// Bytes of an interface's name (`IFNAMSIZ`), with the zero behind it.
pub const NAME: usize = 16;

/// A function that sees packets that are forwarded.
pub trait ForwardHook: 'static {
    /// What it keeps of a namespace.
    type Data: Sync + 'static;

    /// Sees one packet of IP, and the name of the interface that it leaves by, with zeroes behind it.
    fn packet(
        net: &Net,
        data: &Self::Data,
        packet: Packet<'_>,
        out: &[u8; NAME],
        guard: &rcu::Guard,
    ) -> Verdict;
}

/// One entry of the array that [`Hooks`] registers.
#[repr(transparent)]
pub struct Entry(c::nf_hook_ops);

impl Entry {
    /// The hook `H`, for a family, with the data of the namespace it is registered in.
    pub fn of<H: Hook>(family: Family, data: &H::Data) -> Self {
        let place = match H::PLACE {
            Place::PreRouting => c::nf_inet_hooks_NF_INET_PRE_ROUTING,
            Place::LocalIn => c::nf_inet_hooks_NF_INET_LOCAL_IN,
            Place::LocalOut => c::nf_inet_hooks_NF_INET_LOCAL_OUT,
        };
        Self(c::nf_hook_ops {
            hook: Some(trampoline::<H>),
            priv_: core::ptr::from_ref(data).cast_mut().cast(),
            // CAST: Small numbers of enums.
            pf: protocol_family(family) as u8,
            hooknum: place,
            priority: H::PRIORITY,
            ..Default::default()
        })
    }

    /// The hook `H`, for what is forwarded in one way.
    pub fn forward<H: ForwardHook>(passage: Passage, data: &H::Data) -> Self {
        let (family, place) = match passage {
            Passage::Routed(family) => (protocol_family(family), c::nf_inet_hooks_NF_INET_FORWARD),
            Passage::Bridged => (c::NFPROTO_BRIDGE, c::NF_BR_FORWARD),
        };
        Self(c::nf_hook_ops {
            hook: Some(forward_trampoline::<H>),
            priv_: core::ptr::from_ref(data).cast_mut().cast(),
            // CAST: Small numbers of enums.
            pf: family as u8,
            hooknum: place,
            priority: i32::MAX,
            ..Default::default()
        })
    }
}

/// Hands a packet to the hook.
///
/// # Safety
///
/// Called by netfilter with a packet that is the hook's until it returns, and with the data it was
/// registered with.
unsafe extern "C" fn trampoline<H: Hook>(
    data: *mut ffi::c_void,
    skb: *mut c::sk_buff,
    state: *const c::nf_hook_state,
) -> u32 {
    // SAFETY: Netfilter passes a valid state whose namespace outlives the call.
    let net = unsafe { Net::from_raw((*state).net) };
    // SAFETY: Netfilter passes a packet of the inet families at its network header.
    let packet = unsafe { Packet::from_raw(skb) };
    // SAFETY: By the contract of `Hooks::register` the data are there as long as the hook may run.
    let data = unsafe { &*data.cast::<H::Data>() };
    // SAFETY: Netfilter calls hooks under RCU.
    H::packet(net, data, packet, unsafe { rcu::held() }).to_raw()
}

/// Hands a packet that is forwarded to the hook.
///
/// # Safety
///
/// As for [`trampoline`], in a hook that knows the interface a packet leaves by.
unsafe extern "C" fn forward_trampoline<H: ForwardHook>(
    data: *mut ffi::c_void,
    skb: *mut c::sk_buff,
    state: *const c::nf_hook_state,
) -> u32 {
    // SAFETY: Netfilter passes a valid state whose namespace outlives the call.
    let net = unsafe { Net::from_raw((*state).net) };
    // SAFETY: A packet that is forwarded is at its network header, also in a bridge.
    let packet = unsafe { Packet::from_raw(skb) };
    if !packet.is_ip() {
        return c::NF_ACCEPT;
    }
    // SAFETY: The interface is there as long as RCU is held. Whoever renames it writes meanwhile, and what
    // is read then is one name, the other, or neither, for this packet.
    let out = unsafe {
        c::kn_dev_name((*state).out)
            .cast::<[u8; NAME]>()
            .read_volatile()
    };
    // SAFETY: As in `trampoline`.
    let data = unsafe { &*data.cast::<H::Data>() };
    // SAFETY: As in `trampoline`.
    H::packet(net, data, packet, &out, unsafe { rcu::held() }).to_raw()
}

/// Hooks of one namespace, registered as long as this value lives, and running for an RCU grace period
/// longer: dropped in [`PerNet::pre_exit`](crate::net::PerNet::pre_exit), they are over in `exit`.
///
/// # Invariants
///
/// `entries` are registered with the namespace `net`, which outlives them.
pub struct Hooks {
    net: NonNull<c::net>,
    /// Freed after a grace period: whoever lists hooks reads them under RCU (`nfnl_hook_dump()`).
    entries: RcuBox<KVec<Entry>>,
}

// SAFETY: Registration and unregistration may happen in any thread.
unsafe impl Send for Hooks {}
// SAFETY: There is nothing to be done with a shared reference.
unsafe impl Sync for Hooks {}

impl Hooks {
    /// Registers the hooks.
    ///
    /// # Safety
    ///
    /// The value is dropped before the namespace goes away (per-namespace data does that). The data of
    /// the hooks stay where they are for an RCU grace period longer.
    pub unsafe fn register<const N: usize>(net: &Net, hooks: [Entry; N]) -> Result<Self> {
        let mut entries = KVec::with_capacity(N, flags::GFP_KERNEL)?;
        for hook in hooks {
            entries.push_within_capacity(hook).map_err(|_| ENOMEM)?;
        }
        let entries = RcuBox::new(entries, flags::GFP_KERNEL)?;
        // SAFETY: The array stays where it is until `drop`; `Entry` is just an `nf_hook_ops`.
        to_result(unsafe {
            c::nf_register_net_hooks(net.as_ptr(), entries.as_ptr().cast(), N as u32)
        })?;
        // INVARIANT: Registered just now; the contract says that the namespace outlives it.
        Ok(Self {
            net: NonNull::from(net).cast(),
            entries,
        })
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        // SAFETY: By the invariant.
        unsafe {
            c::nf_unregister_net_hooks(
                self.net.as_ptr(),
                self.entries.as_ptr().cast(),
                // CAST: A handful.
                self.entries.len() as u32,
            )
        };
    }
}
