// SPDX-License-Identifier: GPL-2.0

//! The forwarding methods that are loaded.
//!
//! Looked up in softirq under RCU when a connection is bound or a packet passes; changed in process
//! context when a method's module comes or goes.

use core::ffi::c_int;
use core::ptr::{from_ref, null_mut};
use core::sync::atomic::{AtomicPtr, Ordering};
use flow_method::Method;
use kernel::prelude::*;
use kernel_net::net::{Net, PerNet};
use kernel_net::rcu;
use kernel_net::skb::Packet;

use crate::namespace::Namespace;

/// One place for each value of IPVS's forwarding mask (`IP_VS_CONN_F_FWD_MASK`).
static METHODS: [AtomicPtr<Method>; 8] = [const { AtomicPtr::new(null_mut()) }; 8];

/// Whether IPVS leaves the method with this number to us.
pub(crate) fn is_ours(number: u32) -> bool {
    (5..8).contains(&number)
}

fn place(number: u32) -> Option<&'static AtomicPtr<Method>> {
    // CAST: Lossless on 64 bits.
    METHODS.get(number as usize).filter(|_| is_ours(number))
}

/// The method with this number, if it is loaded. While it goes, its connections end; another one
/// cannot take its number before.
pub(crate) fn find(number: u32, _guard: &rcu::Guard) -> Option<&'static Method> {
    find_under_rcu(number)
}

/// The same for who has a packet in hand, and is under RCU therefore.
#[inline]
pub(crate) fn find_for(number: u8, _packet: &Packet<'_>) -> Option<&'static Method> {
    find_under_rcu(u32::from(number))
}

#[inline]
fn find_under_rcu(number: u32) -> Option<&'static Method> {
    // ORDERING: Acquire pairs with the exchange in `register`: the method is seen initialised.
    let method = place(number)?.load(Ordering::Acquire);
    // SAFETY: Null, or a registered method: a static of a module that unregisters it, and waits
    // for everybody under RCU, before it is unloaded.
    unsafe { method.as_ref() }
}

/// `flow_method::Registration::new`.
#[no_mangle]
extern "C" fn ip_vs_flow_register_method(method: &'static Method) -> c_int {
    let Some(place) = place(method.number) else {
        return EINVAL.to_errno();
    };
    let new = from_ref(method).cast_mut();
    // ORDERING: Release pairs with the acquire in `find`.
    match place.compare_exchange(null_mut(), new, Ordering::AcqRel, Ordering::Relaxed) {
        Ok(_) => 0,
        Err(_) => EBUSY.to_errno(),
    }
}

/// `flow_method::Registration::drop`. Afterwards no connection is bound to the method any more.
#[no_mangle]
extern "C" fn ip_vs_flow_unregister_method(method: &'static Method) {
    if let Some(place) = place(method.number) {
        place.store(null_mut(), Ordering::Relaxed);
    }
    rcu::synchronize();
}

/// `flow_method::Method::end_connections`.
#[no_mangle]
extern "C" fn ip_vs_flow_end_connections(net: &Net, method: &'static Method) {
    if let Some(namespace) = Namespace::of(net) {
        namespace
            .flows()
            .end_where(|bound| u32::from(bound.flow.method) == method.number);
    }
}
