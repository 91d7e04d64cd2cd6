// SPDX-License-Identifier: GPL-2.0

//! Headers between the IP layer and UDP, with a protocol number of their own.
//!
//! The IP layer gives what is addressed to this host, whole, to the protocol's handler, and goes on with
//! the protocol that is behind the header. Nobody else pays anything. Softirq, under RCU.
//!
//! C header: `include/net/protocol.h`.

use core::marker::PhantomData;
use kernel::error::to_result;
use kernel::ffi;
use kernel::prelude::*;
use net_bindings as c;

use crate::net::Net;
use crate::rcu::{self, Guard};
use crate::skb::Packet;

/// A header that is taken off.
pub trait Header: 'static {
    /// The protocol's number.
    const NUMBER: u8;
    /// What is behind it.
    const BEHIND: u8;
    /// Where in the header the number of what is behind it stands.
    const NEXT: usize;

    /// Looks at the packet, whose header is at `at`: how many bytes it has. `None` drops the packet.
    fn packet(net: &Net, packet: &mut Packet<'_>, at: usize, guard: &Guard) -> Option<usize>;
}

/// A header that is taken off as long as this value lives.
///
/// # Invariants
///
/// Both protocols are registered under `H::NUMBER`.
pub struct Registration<H: Header> {
    v4: KBox<c::net_protocol>,
    v6: KBox<c::inet6_protocol>,
    _header: PhantomData<fn(H)>,
}

// SAFETY: Registration and unregistration may happen in any thread.
unsafe impl<H: Header> Send for Registration<H> {}
// SAFETY: There is nothing to be done with a shared reference.
unsafe impl<H: Header> Sync for Registration<H> {}

impl<H: Header> Registration<H> {
    /// Registers the header with both versions of IP. `EBUSY` if another module takes it off.
    pub fn new() -> Result<Self> {
        let mut v4 = c::net_protocol {
            handler: Some(receive_v4::<H>),
            ..Default::default()
        };
        // It is UDP that asks for the policy, when it knows the socket.
        v4.set_no_policy(1);
        let v4 = KBox::new(v4, GFP_KERNEL)?;
        let v6 = c::inet6_protocol {
            handler: Some(receive_v6::<H>),
            flags: c::INET6_PROTO_NOPOLICY,
            ..Default::default()
        };
        let v6 = KBox::new(v6, GFP_KERNEL)?;
        // SAFETY: The structures stay where they are until they are unregistered.
        to_result(unsafe { c::inet_add_protocol(&*v4, H::NUMBER) }).map_err(|_| EBUSY)?;
        // SAFETY: As above.
        if unsafe { c::inet6_add_protocol(&*v6, H::NUMBER) } != 0 {
            // SAFETY: Registered just now.
            unsafe { c::inet_del_protocol(&*v4, H::NUMBER) };
            return Err(EBUSY);
        }
        // INVARIANT: Registered just now.
        Ok(Self {
            v4,
            v6,
            _header: PhantomData,
        })
    }
}

impl<H: Header> Drop for Registration<H> {
    fn drop(&mut self) {
        // SAFETY: By the invariant. The calls wait for handlers that run.
        unsafe {
            c::inet6_del_protocol(&*self.v6, H::NUMBER);
            c::inet_del_protocol(&*self.v4, H::NUMBER);
        }
    }
}

/// Shows the packet to `H`, and takes the header off its front; `None` if the packet is gone.
///
/// # Safety
///
/// `skb` is the caller's, at its transport header, of a family of IP, and under RCU.
unsafe fn take_off<H: Header>(skb: *mut c::sk_buff) -> Option<(usize, usize)> {
    // SAFETY: By the contract, there is a network header in front of the transport header.
    let at = unsafe { c::kn_skb_push_network(skb) } as usize;
    // SAFETY: The packet is at its network header now.
    let mut packet = unsafe { Packet::from_raw(skb) };
    // SAFETY: A received packet has a device, whose namespace lives as long as RCU is held.
    let net = unsafe { Net::from_raw(c::kn_skb_net(skb)) };
    // SAFETY: By the contract.
    let taken = H::packet(net, &mut packet, at, unsafe { rcu::held() });
    // All of the header is linear by then, or the packet is dropped.
    let taken = taken.filter(|len| packet.read(at.saturating_add(*len)).is_some());
    // CAST: The length of a network header.
    // SAFETY: It was pushed by so much, and is linear still.
    unsafe { c::kn_skb_pull_network(skb, at as u32) };
    if taken.is_none() {
        // SAFETY: The packet is this function's to free.
        unsafe { c::kn_kfree_skb(skb) };
    }
    Some((at, taken?))
}

/// Called by the IP layer with a packet of IPv4.
///
/// # Safety
///
/// As for [`take_off`].
unsafe extern "C" fn receive_v4<H: Header>(skb: *mut c::sk_buff) -> ffi::c_int {
    // SAFETY: The contract.
    let Some((_, len)) = (unsafe { take_off::<H>(skb) }) else {
        return 0;
    };
    // CAST: The length of a header, which is there.
    // SAFETY: As above.
    unsafe { c::kn_skb_pull_transport(skb, len as u32) };
    // What to go on with.
    -ffi::c_int::from(H::BEHIND)
}

/// Called by the IP layer with a packet of IPv6.
///
/// # Safety
///
/// As for [`take_off`].
unsafe extern "C" fn receive_v6<H: Header>(skb: *mut c::sk_buff) -> ffi::c_int {
    // SAFETY: The contract.
    let Some((at, len)) = (unsafe { take_off::<H>(skb) }) else {
        return 0;
    };
    // As any extension header: the IP layer looks up what is next, and where.
    // CAST: Offsets within the headers.
    // SAFETY: As above.
    unsafe { c::kn_skb_skip_extension(skb, len as u32, at.wrapping_add(H::NEXT) as u32) };
    1
}
