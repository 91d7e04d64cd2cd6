// SPDX-License-Identifier: GPL-2.0

//! Resets to both ends of a connection that ends before they have closed it.
//!
//! IPVS forgets an established connection that was silent for too long, or whose server was taken
//! away. Without a word from the director both ends would go on waiting. Softirq (IPVS's timer), or
//! process context when IPVS flushes.
//!
//! Counterpart: `conn_expire_tcp_rst` of Alibaba's LVS, `tcp_conn_expire()` of DPVS.

use flow_method::Counter;
use kernel_ipvs::Conn;
use kernel_net::route::Route;
use nat::{OwnPacket, Protocol, Tuple};

use crate::flows::BoundFlow;
use crate::namespace::Namespace;

/// Tells both ends, if the connection is one to be told of.
pub(crate) fn announce_end(namespace: &Namespace, conn: &Conn, bound: &BoundFlow) {
    let (scene, flow) = (&namespace.scene, &bound.flow);
    if flow.client.protocol != Protocol::TCP
        || !conn.is_established()
        || !scene.tunables.resets_expired()
    {
        return;
    }
    let Some(resets) = flow.story.resets() else {
        return;
    };
    let send = |tuple: &Tuple, sequence, counter| {
        let packet = OwnPacket::reset(tuple, sequence);
        let route = Route::output(conn.net(), 0, tuple);
        if route.is_some_and(|route| route.send_bytes(packet.bytes()).is_ok()) {
            scene.count(counter);
        }
    };
    send(
        &flow.client.reversed(),
        resets.to_client,
        Counter::ResetClient,
    );
    send(&bound.server(), resets.to_server, Counter::ResetServer);
}
