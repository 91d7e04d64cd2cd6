// SPDX-License-Identifier: GPL-2.0

//! A frame that a driver shows to an XDP program.
//!
//! The frame lies in the driver's memory, from its Ethernet header on; there is no `sk_buff` yet, and no
//! word of the NIC about checksums. A function that a program calls may change bytes, but not where the
//! frame begins and ends: the verifier takes for granted that it stays. Softirq, under RCU.
//!
//! C header: `include/net/xdp.h`.

use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use net_bindings as c;

use crate::net::Net;
use crate::next_hop::NextHop;
use crate::rcu::Guard;

/// The context of a running XDP program, as C hands it to a function: the type of its argument.
///
/// # Invariants
///
/// Only C makes one, of a frame that is the function's to change until it returns, under RCU.
#[repr(transparent)]
pub struct Context<'a> {
    xdp: NonNull<c::xdp_buff>,
    _borrow: PhantomData<&'a mut c::xdp_buff>,
}

/// Bytes of an Ethernet address.
pub type Address = [u8; 6];

/// A frame.
///
/// # Invariants
///
/// `xdp` is valid, and nobody else uses its bytes meanwhile. `device` is valid as long.
pub struct Frame<'a> {
    xdp: NonNull<c::xdp_buff>,
    device: NonNull<c::net_device>,
    _borrow: PhantomData<&'a mut c::xdp_buff>,
}

/// How a frame gets to the next hop.
#[derive(Clone, Copy)]
pub struct Way {
    /// The device that sends it, by its number.
    pub interface: u32,
    /// The VLAN it says it is in.
    pub vlan: Option<u16>,
    /// What is in its link header.
    pub destination: Address,
    /// As above.
    pub source: Address,
}

impl<'a> Context<'a> {
    /// The frame; `None` if its queue has no device any more: veth takes a program away while a frame may
    /// be in it, and forgets the device at once.
    #[inline]
    pub fn frame(self) -> Option<Frame<'a>> {
        let xdp = self.xdp;
        // SAFETY: By the invariant; whoever runs a program says by which queue the frame came. The word is
        // read once, since it may change.
        let device = unsafe { (&raw const (*(*xdp.as_ptr()).rxq).dev).read_volatile() };
        // INVARIANT: As for the context; devices go away a grace period after their last frame.
        Some(Frame {
            xdp,
            device: NonNull::new(device)?,
            _borrow: PhantomData,
        })
    }
}

impl Frame<'_> {
    fn xdp(&self) -> &c::xdp_buff {
        // SAFETY: By the invariant.
        unsafe { self.xdp.as_ref() }
    }

    fn device(&self) -> *mut c::net_device {
        self.device.as_ptr()
    }

    /// The namespace of the device that the frame came by.
    #[inline]
    pub fn net<'a>(&self, _guard: &'a Guard) -> &'a Net {
        // SAFETY: The device is valid, and under RCU so is its namespace.
        unsafe { Net::from_raw(c::kn_dev_net(self.device())) }
    }

    /// The device that the frame came by, by its number.
    #[inline]
    pub fn interface(&self) -> u32 {
        // CAST: Numbers are positive.
        // SAFETY: The device is valid.
        unsafe { c::kn_dev_index(self.device()) as u32 }
    }

    /// Whether `destination` is the address of the device that the frame came by.
    #[inline]
    pub fn is_for(&self, destination: &Address) -> bool {
        // SAFETY: The device is valid, and the address as long as those of Ethernet.
        unsafe { c::kn_dev_has_address(self.device(), destination.as_ptr()) }
    }

    /// Length in bytes, with what is in fragments.
    #[expect(clippy::len_without_is_empty)]
    #[inline]
    pub fn len(&self) -> usize {
        // SAFETY: By the invariant.
        // CAST: A frame is far below 4 GiB.
        unsafe { c::kn_xdp_len(self.xdp.as_ptr()) as usize }
    }

    /// Its first bytes, which are all but for jumbo frames.
    #[inline]
    pub fn linear(&mut self) -> &mut [u8] {
        let xdp = self.xdp();
        let (start, end) = (xdp.data.cast::<u8>(), xdp.data_end.addr());
        // SAFETY: By the invariant the bytes from `data` to `data_end` are the frame's.
        unsafe { core::slice::from_raw_parts_mut(start, end.wrapping_sub(start.addr())) }
    }

    /// How the frame gets to the next hop; `None` while its address is not known, or where the device
    /// takes no frames of XDP.
    #[inline(always)]
    pub fn way(&self, hop: &NextHop, _guard: &Guard) -> Option<Way> {
        let neighbour = hop.neighbour()?;
        let mut way = MaybeUninit::<c::kn_way>::uninit();
        // SAFETY: The neighbour is there under RCU, and holds its device; the frame is valid.
        if !unsafe { c::kn_neigh_way(neighbour, self.xdp.as_ptr(), way.as_mut_ptr()) } {
            return None;
        }
        // SAFETY: All of it was written.
        let way = unsafe { way.assume_init() };
        Some(Way {
            // CAST: Numbers are positive.
            interface: way.interface as u32,
            // No VLAN is a number below zero.
            vlan: u16::try_from(way.vlan).ok(),
            destination: way.destination,
            source: way.source,
        })
    }
}
