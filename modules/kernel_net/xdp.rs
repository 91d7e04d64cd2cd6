// SPDX-License-Identifier: GPL-2.0

//! A frame that a driver shows to an XDP program.
//!
//! The frame lies in the driver's memory, from its Ethernet header on; there is no `sk_buff` yet, and no
//! word of the NIC about checksums. A function that a program calls may change bytes, but not where the
//! frame begins and ends: the verifier takes for granted that it stays. Softirqs are disabled.
//!
//! C header: `include/net/xdp.h`.

use core::marker::PhantomData;
use core::ptr::NonNull;
use net_bindings as c;

use crate::net::Net;
use crate::next_hop::NextHop;
use crate::rcu::{self, Guard};

/// The context of a running XDP program, as C hands it to a function: the type of its argument.
///
/// # Invariants
///
/// Only C makes one, of a frame that is the function's to change until it returns, with softirqs disabled
/// or under RCU.
#[repr(transparent)]
pub struct Context<'a> {
    xdp: NonNull<c::xdp_buff>,
    _borrow: PhantomData<&'a mut c::xdp_buff>,
}

/// A frame.
pub struct Frame<'a> {
    /// Its first bytes, which are all but for jumbo frames.
    pub bytes: &'a mut [u8],
    /// Length in bytes, with what is in fragments.
    pub len: usize,
    /// Whether there are any.
    pub has_fragments: bool,
}

/// Where a frame has come in.
///
/// # Invariants
///
/// `device` is valid for `'a`.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    device: NonNull<c::net_device>,
    _borrow: PhantomData<&'a c::net_device>,
}

/// Where a frame leaves.
#[derive(Clone, Copy)]
pub struct Way {
    /// The device that sends it, by its number.
    pub interface: u32,
    /// The VLAN it says it is in.
    pub vlan: Option<u16>,
}

/// What drivers that send frames say of themselves, and those that send frames with fragments.
const SENDS: u32 = c::netdev_xdp_act_NETDEV_XDP_ACT_NDO_XMIT;
const SENDS_FRAGMENTS: u32 = SENDS | c::netdev_xdp_act_NETDEV_XDP_ACT_NDO_XMIT_SG;

impl<'a> Context<'a> {
    /// Where the frame has come in; `None` if its queue has no device any more: veth takes a program away
    /// while a frame may be in it, and forgets the device at once.
    #[inline(always)]
    pub fn origin(&self) -> Option<Origin<'a>> {
        // SAFETY: By the invariant; whoever runs a program says by which queue the frame came. The word is
        // read once, since it may change.
        let device = unsafe { (&raw const (*(*self.xdp.as_ptr()).rxq).dev).read_volatile() };
        // INVARIANT: Devices go away a grace period after their last frame.
        Some(Origin {
            device: NonNull::new(device)?,
            _borrow: PhantomData,
        })
    }

    /// The frame's first bytes.
    #[inline(always)]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: By the invariant.
        let xdp = unsafe { self.xdp.as_ref() };
        let len = xdp.data_end.addr().wrapping_sub(xdp.data.addr());
        // SAFETY: By the invariant the bytes from `data` to `data_end` are ours, and nobody changes them
        // meanwhile.
        unsafe { core::slice::from_raw_parts(xdp.data.cast(), len) }
    }

    /// The frame.
    #[inline(always)]
    pub fn frame(self) -> Frame<'a> {
        let linear = self.bytes().len();
        // SAFETY: By the invariant.
        let xdp = unsafe { self.xdp.as_ref() };
        // SAFETY: Both views of the union are 64 bits.
        let flags = unsafe { xdp.__bindgen_anon_1.__bindgen_anon_1.as_ref() }.flags;
        let has_fragments = flags & c::xdp_buff_flags_XDP_FLAGS_HAS_FRAGS != 0;
        let len = match has_fragments {
            // CAST: A frame is far below 4 GiB.
            // SAFETY: By the invariant.
            true => unsafe { c::kn_xdp_len(self.xdp.as_ptr()) as usize },
            false => linear,
        };
        Frame {
            // SAFETY: As in `bytes`; the context that it is borrowed of is gone.
            bytes: unsafe { core::slice::from_raw_parts_mut(xdp.data.cast(), linear) },
            len,
            has_fragments,
        }
    }

    /// Evidence of RCU. NAPI need not have taken it: with softirqs disabled all of its grace periods
    /// wait for us, with any kind of preemption (`bpf_prog_run_xdp()` relies on that, too).
    #[inline(always)]
    pub fn guard(&self) -> &'a Guard {
        // SAFETY: By the invariant.
        unsafe { rcu::held() }
    }
}

impl<'a> Origin<'a> {
    /// The namespace of the device.
    #[inline]
    pub fn net(self) -> &'a Net {
        // SAFETY: The device is valid, and so is its namespace as long.
        unsafe { Net::from_raw(c::kn_dev_net(self.device.as_ptr())) }
    }

    /// The device, by its number.
    #[inline]
    pub fn interface(self) -> u32 {
        // CAST: Numbers are positive.
        // SAFETY: The device is valid.
        unsafe { c::kn_dev_index(self.device.as_ptr()) as u32 }
    }

    /// Whether a frame is for the device, and not for another host.
    #[inline]
    pub fn is_meant(self, frame: &Frame<'_>) -> bool {
        let destination: Option<&[u8; 6]> = frame.bytes.first_chunk();
        // SAFETY: The device is valid, and the address as long as those of Ethernet.
        destination.is_some_and(|address| unsafe {
            c::kn_dev_has_address(self.device.as_ptr(), address.as_ptr())
        })
    }
}

impl Frame<'_> {
    /// Where the frame leaves to get to the next hop, which comes from
    /// [`HopCache::get`](crate::next_hop::HopCache::get) in this RCU section; `None` where that is no
    /// Ethernet, or the device takes no frames of XDP.
    #[inline(always)]
    pub fn way(&self, hop: &NextHop) -> Option<Way> {
        let link = hop.link();
        let wants = match self.has_fragments {
            true => SENDS_FRAGMENTS,
            false => SENDS,
        };
        // SAFETY: In this RCU section the neighbour was held, which holds its device, and a VLAN's device
        // holds the one below.
        if link.lower.is_null() || !unsafe { c::kn_dev_takes_frames(link.lower, wants) } {
            return None;
        }
        Some(Way {
            // CAST: Numbers are positive.
            interface: link.interface as u32,
            // No VLAN is a number below zero.
            vlan: u16::try_from(link.vlan).ok(),
        })
    }

    /// Addresses the frame to the next hop, for which there is a [`way`](Self::way): to the neighbour's
    /// address of this moment, from its device's.
    #[inline(always)]
    pub fn readdress(&mut self, hop: &NextHop) {
        if let Some(addresses) = self.bytes.first_chunk_mut::<12>() {
            // SAFETY: As in `way`; there is room for two addresses of Ethernet.
            unsafe { c::kn_neigh_address(hop.neighbour(), addresses.as_mut_ptr()) };
        }
    }
}
