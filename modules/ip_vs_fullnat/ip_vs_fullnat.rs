// SPDX-License-Identifier: GPL-2.0

//! FullNAT, IPVS's forwarding method 5: the director rewrites both addresses.
//!
//! The engine (`ip_vs_flow`) translates; this module adds what a TCP connection needs when many
//! clients share one address, and what the application on the real server needs to know:
//!
//! - [`request`]: sequence numbers and time stamps a server's TIME_WAIT socket accepts;
//! - [`toa`], [`uoa`]: the client's address, as a TCP option or in front of a datagram;
//! - [`reply`]: a maximum segment size that leaves room for the address, the same numbers back.

use flow_method::{Method, Registration};
use kernel::prelude::*;
use kernel_net::net::{self, Net, PerNet, Slot};

mod packet;
mod reply;
mod request;
mod toa;
mod uoa;

module! {
    type: FullNat,
    name: "ip_vs_fullnat",
    authors: ["The rsipvs authors"],
    description: "IPVS forwarding method 5: FullNAT",
    license: "GPL",
}

/// The method the engine calls.
static METHOD: Method = Method {
    // IP_VS_CONN_F_FULLNAT, the number Alibaba's LVS and DPVS use; free in the mainline kernel.
    number: 5,
    bound: request::bound,
    request: request::request,
    reply: reply::reply,
};

/// The loaded module. Fields are dropped in order: no more new connections, no more old ones.
struct FullNat {
    _method: Registration,
    _connections: net::Registration<Connections>,
}

impl kernel::Module for FullNat {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let connections = net::Registration::new()?;
        Ok(Self {
            _method: Registration::new(&METHOD)?,
            _connections: connections,
        })
    }
}

/// Stands for the connections of one namespace; they end with it, or with the module.
struct Connections;

static SLOT: Slot<Connections> = Slot::new();

impl PerNet for Connections {
    fn slot() -> &'static Slot<Self> {
        &SLOT
    }

    fn new(_net: &Net) -> Result<Pin<KBox<Self>>> {
        Ok(KBox::pin(Self, GFP_KERNEL)?)
    }

    fn exit(&self, net: &Net) {
        METHOD.end_connections(net);
    }
}
