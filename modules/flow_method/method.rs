// SPDX-License-Identifier: GPL-2.0

//! A forwarding method and its registration with the engine.

use kernel::error::{to_result, Result};
use kernel_net::net::Net;
use kernel_net::route::Route;
use kernel_net::skb::Packet;
use nat::{Headers, LastUse};

use crate::{Counter, Flow, Scene};

/// What a method does beyond translating addresses and ports.
///
/// Every function runs in softirq, or in process context for local clients, under RCU, and must
/// neither sleep nor allocate for longer than the packet lives.
pub struct Method {
    /// Its number among IPVS's forwarding methods, 5 to 7.
    pub number: u32,
    /// A connection has got its local address and port, and its first packet is about to be
    /// translated. `LastUse` is what the server may remember of the port.
    pub bound: fn(&Scene, &Flow, &Headers, &mut Packet<'_>, Option<LastUse>),
    /// A packet of the client, translated, about to leave on that route.
    pub request: Duty,
    /// A packet of the real server, translated, about to leave on that route.
    pub reply: Duty,
}

/// What a method does to a packet as it leaves: headers of the family it goes out with, kept true.
/// Returns why the packet must be dropped.
pub type Duty = fn(&Scene, &Flow, &mut Headers, &mut Packet<'_>, &Route) -> Result<(), Counter>;

// The names are C's, for the module loader; both sides are Rust, built together.
#[expect(improper_ctypes)]
// The engine defines these functions with these signatures, in safe Rust.
unsafe extern "C" {
    safe fn ip_vs_flow_register_method(method: &'static Method) -> core::ffi::c_int;
    safe fn ip_vs_flow_unregister_method(method: &'static Method);
    safe fn ip_vs_flow_end_connections(net: &Net, method: &'static Method);
}

/// A registered method; new connections are bound to it as long as this value lives.
pub struct Registration {
    method: &'static Method,
}

impl Registration {
    /// Registers the method; EBUSY if its number is taken.
    pub fn new(method: &'static Method) -> Result<Self> {
        to_result(ip_vs_flow_register_method(method))?;
        Ok(Self { method })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // Returns when no connection can be bound any more.
        ip_vs_flow_unregister_method(self.method);
    }
}

impl Method {
    /// Ends the connections of the method in a namespace; returns when there is none. Process
    /// context; the method is not registered any more, or the namespace is going away.
    pub fn end_connections(&'static self, net: &Net) {
        ip_vs_flow_end_connections(net, self);
    }
}
