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

/// The device by which a frame has come in, as C hands it to a function.
///
/// # Invariants
///
/// Only C makes one, of a device that is valid for `'a`.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Origin<'a> {
    device: NonNull<c::net_device>,
    _borrow: PhantomData<&'a c::net_device>,
}

impl NextHop {
    /// The device that sends frames, by its number: below a VLAN's.
    #[inline(always)]
    pub fn interface(&self) -> u32 {
        // CAST: Numbers are positive.
        self.place().link.interface as u32
    }

    /// The VLAN that frames say they are in.
    #[inline(always)]
    pub fn vlan(&self) -> Option<u16> {
        // No VLAN is a number below zero.
        u16::try_from(self.place().link.vlan).ok()
    }
}

/// Why there is no way for a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The next hop cannot send, or not any more.
    Hop,
    /// The frame is for another host on the link that it has come by.
    Address,
    /// The next hop is on no Ethernet, or its device takes no frames of XDP.
    Device,
}

impl Obstacle {
    /// The same, out of the way of frames that pass.
    #[cold]
    #[inline(never)]
    fn met(self) -> Self {
        self
    }
}

/// Bytes of the addresses that a frame begins with: where it goes, and where it comes from.
const ADDRESSES: usize = 12;

/// What drivers that send frames say of themselves, and those that send frames with fragments.
const SENDS: u32 = c::netdev_xdp_act_NETDEV_XDP_ACT_NDO_XMIT;
const SENDS_FRAGMENTS: u32 = SENDS | c::netdev_xdp_act_NETDEV_XDP_ACT_NDO_XMIT_SG;

impl<'a> Context<'a> {
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
        let has_fragments = self.has_fragments();
        let len = match has_fragments {
            // CAST: A frame is far below 4 GiB.
            // SAFETY: By the invariant.
            true => unsafe { c::kn_xdp_len(self.xdp.as_ptr()) as usize },
            false => self.bytes().len(),
        };
        Frame {
            len,
            has_fragments,
            ..self.whole()
        }
    }

    /// The frame, for who has asked whether it has fragments: it has none.
    #[inline(always)]
    pub fn whole(self) -> Frame<'a> {
        let len = self.bytes().len();
        // SAFETY: By the invariant.
        let data = unsafe { self.xdp.as_ref() }.data;
        Frame {
            // SAFETY: As in `bytes`; the context that it is borrowed of is gone.
            bytes: unsafe { core::slice::from_raw_parts_mut(data.cast(), len) },
            len,
            has_fragments: false,
        }
    }

    /// Whether some of its bytes are in fragments.
    #[inline(always)]
    pub fn has_fragments(&self) -> bool {
        // SAFETY: By the invariant.
        let xdp = unsafe { self.xdp.as_ref() };
        // SAFETY: Both views of the union are 64 bits.
        let flags = unsafe { xdp.__bindgen_anon_1.__bindgen_anon_1.as_ref() }.flags;
        flags & c::xdp_buff_flags_XDP_FLAGS_HAS_FRAGS != 0
    }

    /// Evidence of RCU. NAPI need not have taken it: with softirqs disabled all of its grace periods
    /// wait for us, with any kind of preemption (`bpf_prog_run_xdp()` relies on that, too).
    #[inline(always)]
    pub fn guard(&self) -> &'a Guard {
        // SAFETY: By the invariant.
        unsafe { rcu::held() }
    }
}

impl Frame<'_> {
    /// Whether there is a way for the frame, which has come in there, to the next hop of this RCU section.
    #[inline(always)]
    pub fn can_leave(
        &self,
        origin: Origin<'_>,
        hop: &NextHop,
        guard: &Guard,
    ) -> Result<(), Obstacle> {
        let wants = match self.has_fragments {
            true => SENDS_FRAGMENTS,
            false => SENDS,
        };
        let addresses: Option<&[u8; ADDRESSES]> = self.bytes.first_chunk();
        let (Some(addresses), true) = (addresses, hop.is_held(guard)) else {
            return Err(Obstacle::Hop.met());
        };
        let (place, origin) = (hop.place(), origin.device.as_ptr());
        // SAFETY: The device is valid, and there are two addresses of Ethernet. The neighbour is held in this
        // RCU section, which holds its device, and a VLAN's device holds the one below.
        match unsafe { c::kn_frame_can_leave(addresses.as_ptr(), origin, place, wants) } {
            c::kn_frame_KN_FRAME_CAN_LEAVE => Ok(()),
            c::kn_frame_KN_FRAME_HAS_NO_HOP => Err(Obstacle::Hop.met()),
            c::kn_frame_KN_FRAME_IS_FOREIGN => Err(Obstacle::Address.met()),
            _ => Err(Obstacle::Device.met()),
        }
    }

    /// Addresses the frame to the next hop, for which it [can leave](Self::can_leave): to the neighbour's
    /// address of this moment, from its device's.
    #[inline(always)]
    pub fn readdress(&mut self, hop: &NextHop) {
        if let Some(addresses) = self.bytes.first_chunk_mut::<ADDRESSES>() {
            // SAFETY: As in `can_leave`.
            unsafe { c::kn_neigh_address(hop.place().neigh, addresses.as_mut_ptr()) };
        }
    }
}
