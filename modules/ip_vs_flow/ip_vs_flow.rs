// SPDX-License-Identifier: GPL-2.0

//! The engine of FullNAT: what is between IPVS and a translated packet.
//!
//! IPVS decides which real server a connection goes to and keeps its state and its timer. This
//! module gives the connection a local address and port, translates its packets in both directions
//! and takes the port back when IPVS ends it. What a forwarding method adds to that, it adds from a
//! module of its own (`flow_method`).
//!
//! A packet's way through the files:
//!
//! - [`binding`]: the first packet of a client, behind IPVS's own hook in LOCAL_IN, is bound;
//! - [`request`]: IPVS hands every further packet of the client to us;
//! - [`reply`]: packets of the real server are caught in PRE_ROUTING;
//! - [`transit`]: either is checked as by a router, gets its [`translation`], and is sent;
//! - [`fast_path`]: where devices hand over their packets, those of established flows take a
//!   [`shortcut`] past all of that;
//! - [`icmp`]: errors about either are translated and passed on;
//! - [`stray`], [`fragments`]: packets to a virtual address that belong to no connection, or may not
//!   come in parts, end here;
//! - [`reset`]: what both ends are told when IPVS ends a connection before they do.
//!
//! What they use: [`namespace`] holds the data of a network namespace, [`flows`] its connections,
//! [`services`] what is set for its services, a [`local_address`] each or several, an
//! [`address_filter`] tells most packets that are not for one, [`server_ports`] has the
//! ports of those addresses, [`aliases`] the servers that IPVS knows by another address, [`registry`]
//! the methods. [`control`] is the netlink family, [`tunables`] the sysctls.
//!
//! Does not support one-packet scheduling: such connections leave nothing to bind to.

use kernel::prelude::*;
use kernel_net::rcu::Node;
use kernel_net::slab::Created;
use kernel_net::{genl, net, rcu};

mod address_filter;
mod aliases;
mod binding;
mod control;
mod fast_path;
mod flows;
mod fragments;
mod icmp;
mod local_address;
mod namespace;
mod registry;
mod reply;
mod request;
mod reset;
mod server_ports;
mod services;
mod shortcut;
mod stray;
mod transit;
mod translation;
mod tunables;

module! {
    type: IpVsFlow,
    name: "ip_vs_flow",
    authors: ["The rsipvs authors"],
    description: "IPVS: flows, local addresses and ports for FullNAT",
    license: "GPL",
}

/// The loaded module. Fields are dropped in order: no more requests of user space, no more packets,
/// no more destructors on their way, no more memory of flows.
struct IpVsFlow {
    _control: genl::Registration<control::Control>,
    _namespaces: net::Registration<namespace::Namespace>,
    _destructors: Destructors,
    _flows: Created<Node<flows::BoundFlow>>,
}

impl kernel::Module for IpVsFlow {
    fn init(module: &'static ThisModule) -> Result<Self> {
        request::init();
        let flows = flows::create_cache()?;
        fast_path::xdp::register()?;
        let destructors = Destructors;
        let namespaces = net::Registration::new()?;
        Ok(Self {
            _control: genl::Registration::new(module)?,
            _namespaces: namespaces,
            _destructors: destructors,
            _flows: flows,
        })
    }
}

/// Stands for code of this module that may still run: under RCU, and to free what RCU protected.
struct Destructors;

impl Drop for Destructors {
    fn drop(&mut self) {
        rcu::synchronize();
        // The destructor of a flow may start that of its next hop, that of a list the ones of what is on it.
        rcu::barrier();
        rcu::barrier();
    }
}
