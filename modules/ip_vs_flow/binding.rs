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
use kernel::sync::Arc;
use kernel_ipvs::{Conn, Ipvs};
use kernel_net::net::Net;
use kernel_net::netfilter::{Hook, Place, Verdict};
use kernel_net::rcu;
use kernel_net::skb::Packet;
use nat::{Headers, Port, PortError, Tuple, Unfit};

use crate::aliases::Server;
use crate::flows::{BoundFlow, Draft};
use crate::local_address::LocalAddress;
use crate::namespace::Namespace;
use crate::registry;
use crate::request::{self, ClientPackets};
use crate::services::Service;
use crate::stray;
use crate::transit;

/// Ports tried on one local address when the one chosen is taken after all: that needs a race with
/// the freeing of an idle pool, so that a second try is rare and a fourth unheard of.
const TRIES: usize = 4;

/// The hook.
pub(crate) struct FirstPacket;

impl Hook for FirstPacket {
    const PLACE: Place = Place::LocalIn;
    /// `NF_IP_PRI_NAT_SRC`: right behind `ip_vs_in_hook()`.
    const PRIORITY: i32 = 100;

    type Data = Namespace;

    fn packet(
        net: &Net,
        namespace: &Namespace,
        mut packet: Packet<'_>,
        guard: &rcu::Guard,
    ) -> Verdict {
        if packet.is_ipvs() {
            return Verdict::Accept;
        }
        let Some(ipvs) = Ipvs::of(net) else {
            return Verdict::Accept;
        };
        if namespace.services.is_empty(guard) && namespace.flows().is_empty() {
            return Verdict::Accept;
        }
        let headers = transit::parse(&mut packet);
        if matches!(headers, Err(Unfit::Icmp | Unfit::Foreign | Unfit::Fragment)) {
            return Verdict::Accept;
        }
        match ipvs.find(packet.family(), &packet) {
            Some(conn) if registry::is_ours(conn.method()) => {
                let bound = headers.map_err(|_| Counter::Malformed).and_then(|headers| {
                    bind(namespace, &conn, &headers, &mut packet, guard)
                        .map(|(bound, method)| (bound, method, headers))
                });
                match bound {
                    Ok((bound, method, mut headers)) => {
                        request::forward(net, namespace, bound, method, packet, &mut headers)
                    }
                    // What IPVS does with packets to a server that is gone: the connection stays.
                    Err(Counter::NoService) => namespace.drop_packet(&packet, Counter::NoService),
                    Err(reason) => {
                        // Without a transmit function the connection is of no use to anybody; if it
                        // is about to end, our reference must not give it another full time-out.
                        conn.expire_now();
                        namespace.drop_packet(&packet, reason)
                    }
                }
            }
            Some(_) => Verdict::Accept,
            None => match headers {
                Ok(headers) => stray::judge(net, namespace, &packet, &headers, guard),
                Err(_) => Verdict::Accept,
            },
        }
    }
}

/// Binds a connection, or finds that another CPU has done it.
fn bind<'a>(
    namespace: &'a Namespace,
    conn: &Conn,
    headers: &Headers,
    packet: &mut Packet<'_>,
    guard: &'a rcu::Guard,
) -> Result<(&'a BoundFlow, &'static Method), Counter> {
    if conn.is_one_packet() {
        return Err(Counter::OnePacket);
    }
    // With the last service of a family IPVS takes its hooks away, and what would be dropped there
    // comes here.
    if conn.is_bound::<ClientPackets>() {
        // IPVS has ended it for the packet's sake and made another, which the lookup does not find
        // first while the table is resized. What the client sends again does.
        if conn.is_due() {
            return Err(Counter::Closing);
        }
        if !conn.has_server(guard) {
            return Err(Counter::NoService);
        }
    }
    // IPVS schedules whatever has a SYN; an answer to one starts no connection.
    if stray::is_answer(packet, headers) {
        return Err(Counter::NoConnection);
    }
    let method = registry::find(conn.method(), guard).ok_or(Counter::NoMethod)?;
    let service = conn
        .service(guard)
        .and_then(|key| namespace.services.find(&key, guard))
        .ok_or(Counter::NoLocalAddress)?;
    let server = namespace.aliases.server(conn, guard)?;
    let binding = Binding {
        namespace,
        conn,
        service,
        server,
        method,
        headers,
    };
    let mut refusal = Counter::NoMemory;
    let bound = conn.bind::<ClientPackets>(guard, || {
        binding
            .choose(packet, guard)
            .map_err(|why| refusal = why)
            .ok()
    });
    bound.map(|bound| (bound, method)).ok_or(refusal)
}

/// What a connection is bound by.
struct Binding<'a, 'p> {
    namespace: &'a Namespace,
    conn: &'p Conn,
    service: &'p Service,
    server: Server,
    method: &'static Method,
    headers: &'p Headers,
}

impl<'a> Binding<'a, '_> {
    /// Gives the connection a local address and a port. Under the connection's lock.
    fn choose(
        &self,
        packet: &mut Packet<'_>,
        guard: &rcu::Guard,
    ) -> Result<&'a BoundFlow, Counter> {
        let client = self.conn.client_tuple();
        let hash = self.namespace.flows().spread(&client);
        let mut refusal = Counter::NoLocalAddress;
        // BOUND: The addresses of the service, as the operator has set them.
        for local in self.service.candidates(self.server.family, hash) {
            match self.take_port(local, client, packet, guard) {
                Ok(bound) => return Ok(bound),
                Err(why) => refusal = why,
            }
        }
        Err(refusal)
    }

    /// Tries one local address.
    fn take_port(
        &self,
        local: &Arc<LocalAddress>,
        client: Tuple,
        packet: &mut Packet<'_>,
        guard: &rcu::Guard,
    ) -> Result<&'a BoundFlow, Counter> {
        let scene = &self.namespace.scene;
        let range = scene.tunables.ports();
        let mut server = Tuple {
            family: self.server.family,
            protocol: client.protocol,
            source: local.address,
            source_port: Port::new(0),
            destination: self.server.address,
            destination_port: self.server.port,
        };
        let ports = self
            .namespace
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
            let options = &self.service.options;
            // CAST: Five to seven.
            let method = self.method.number as u8;
            let flow = Flow::new(client, &server, options.introduction, method);
            (self.method.bound)(scene, &flow, self.headers, packet, chosen.last);
            let added = self.namespace.flows().add(Draft {
                flow,
                conn: self.conn.handle(),
                timeout: options.timeout,
                local_port: chosen.port,
                local_address: local.clone(),
                ports: ports.clone(),
            });
            match added {
                Ok(bound) => {
                    scene.count(Counter::ConnNew);
                    if chosen.last.is_some() {
                        scene.count(Counter::ConnReused);
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
}
