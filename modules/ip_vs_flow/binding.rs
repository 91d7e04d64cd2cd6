// SPDX-License-Identifier: GPL-2.0

//! Where a SYN becomes a FullNAT connection.
//!
//! IPVS's hook in LOCAL_IN has scheduled the client's first packet, made a connection of a
//! forwarding method it does not know, found no transmit function and let the packet pass. This hook
//! comes right behind: it finds the connection, gives it a local address and a port, binds it, and
//! sends the packet. From the next packet on IPVS calls [`crate::request`] itself.
//!
//! Softirq, or process context for local clients; under RCU. Two CPUs may see packets of one new
//! connection: it is bound under the connection's lock, once.
//!
//! Kernel counterpart: `ip_vs_schedule()` and `ip_vs_bind_xmit()`.

use flow_method::{Counter, Flow, Method};
use kernel_ipvs::{Conn, Ipvs};
use kernel_net::net::{Net, PerNet};
use kernel_net::netfilter::{Hook, Place, Verdict};
use kernel_net::rcu;
use kernel_net::skb::Packet;
use nat::{Port, PortError, Tuple};

use crate::flows::BoundFlow;
use crate::local_address::{LocalAddress, Service};
use crate::namespace::Namespace;
use crate::registry;
use crate::request::{self, ClientPackets};

/// Ports tried on one local address when the one chosen is taken after all: that needs a race with
/// the freeing of an idle pool, so that a second try is rare and a fourth unheard of.
const TRIES: usize = 4;

/// The hook.
pub(crate) struct FirstPacket;

impl Hook for FirstPacket {
    const PLACE: Place = Place::LocalIn;
    /// `NF_IP_PRI_NAT_SRC`: right behind `ip_vs_in_hook()`.
    const PRIORITY: i32 = 100;

    fn packet(net: &Net, mut packet: Packet<'_>) -> Verdict {
        if packet.is_ipvs() {
            return Verdict::Accept;
        }
        let (Some(namespace), Some(ipvs)) = (Namespace::of(net), Ipvs::of(net)) else {
            return Verdict::Accept;
        };
        let guard = rcu::read_lock();
        match ipvs.find(&packet) {
            Some(conn) if registry::is_ours(conn.method()) => {
                match bind(namespace, &conn, &mut packet, &guard) {
                    Ok(bound) => request::forward(net, namespace, bound, packet),
                    Err(reason) => {
                        namespace.scene.count(reason);
                        // Without a transmit function the connection is of no use to anybody.
                        conn.expire_now();
                        Verdict::Drop
                    }
                }
            }
            Some(_) => Verdict::Accept,
            None => stray(namespace, &mut packet, &guard),
        }
    }
}

/// A packet that belongs to no connection and has started none. If it is meant for a service with
/// local addresses, it ends here: the director's own stack would answer in the service's name.
fn stray(namespace: &Namespace, packet: &mut Packet<'_>, guard: &rcu::Guard) -> Verdict {
    if namespace.local_addresses.is_empty(guard) {
        return Verdict::Accept;
    }
    let Some(tuple) = crate::transit::tuple_of(packet) else {
        return Verdict::Accept;
    };
    if namespace.local_addresses.serves(&tuple, guard) {
        namespace.scene.count(Counter::NoConnection);
        return Verdict::Drop;
    }
    Verdict::Accept
}

/// Binds a connection, or finds that another CPU has done it.
fn bind<'a>(
    namespace: &'a Namespace,
    conn: &Conn,
    packet: &mut Packet<'_>,
    guard: &'a rcu::Guard,
) -> Result<&'a BoundFlow, Counter> {
    if conn.is_one_packet() {
        return Err(Counter::OnePacket);
    }
    let method = registry::find(conn.method(), guard).ok_or(Counter::NoMethod)?;
    let service = conn
        .service(guard)
        .and_then(|key| namespace.local_addresses.find(&key, guard))
        .ok_or(Counter::NoLocalAddress)?;
    let mut refusal = Counter::NoMemory;
    conn.bind::<ClientPackets>(guard, || {
        choose(namespace, service, method, conn, packet, guard)
            .map_err(|why| refusal = why)
            .ok()
    })
    .ok_or(refusal)
}

/// Gives a connection a local address and a port. Under the connection's lock.
fn choose<'a>(
    namespace: &'a Namespace,
    service: &Service,
    method: &'static Method,
    conn: &Conn,
    packet: &mut Packet<'_>,
    guard: &rcu::Guard,
) -> Result<&'a BoundFlow, Counter> {
    let client = conn.client_tuple();
    let mut refusal = Counter::NoLocalAddress;
    // BOUND: The addresses of the service, as the operator has set them.
    for local in service.candidates(namespace.flows().spread(&client)) {
        match take_port(namespace, local, method, conn, &client, packet, guard) {
            Ok(bound) => return Ok(bound),
            Err(why) => refusal = why,
        }
    }
    Err(refusal)
}

/// Tries one local address.
fn take_port<'a>(
    namespace: &'a Namespace,
    local: &kernel::sync::Arc<LocalAddress>,
    method: &'static Method,
    conn: &Conn,
    client: &Tuple,
    packet: &mut Packet<'_>,
    guard: &rcu::Guard,
) -> Result<&'a BoundFlow, Counter> {
    let values = namespace.scene.tunables.now();
    let range = (values.lport_min, values.lport_max);
    let (rip, rport) = conn.server();
    let mut server = Tuple {
        source: local.address,
        source_port: Port(0),
        destination: rip,
        destination_port: rport,
        ..*client
    };
    let ports = namespace
        .ports
        .towards(&server, range, guard)
        .map_err(|_| Counter::NoMemory)?;
    for _ in 0..TRIES {
        let chosen = ports.allocate(range).map_err(|why| match why {
            PortError::Exhausted => {
                local.exhausted();
                Counter::NoPort
            }
            PortError::NoMemory => Counter::NoMemory,
        })?;
        server.source_port = chosen.port;
        let flow = Flow::new(*client, server);
        (method.bound)(&flow, packet, chosen.last);
        let added =
            namespace
                .flows()
                .add(flow, conn.handle(), method, local.clone(), ports.clone());
        match added {
            Ok(bound) => {
                namespace.scene.count(Counter::ConnNew);
                if chosen.last.is_some() {
                    namespace.scene.count(Counter::ConnReused);
                }
                return Ok(bound);
            }
            Err(why) => {
                ports.release(chosen.port, None);
                if why != kernel::error::code::EEXIST {
                    return Err(Counter::NoMemory);
                }
                local.conflicted();
            }
        }
    }
    Err(Counter::NoPort)
}
