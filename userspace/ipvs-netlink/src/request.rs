// SPDX-License-Identifier: GPL-2.0
//! Which command with which attributes does what.

use std::net::{IpAddr, Ipv4Addr};

use crate::family::Body;
use crate::flow::FlowFamily;
use crate::ipvs::IpvsFamily;
use crate::wire::attr::Attributes;
use crate::wire::flow::{service_attributes, LocalAddress};
use crate::wire::ids::{command, top};
use crate::wire::interface::Interface;
use crate::{
    Alias, Daemon, DaemonState, DestConfig, DestId, OptionChanges, ServiceConfig, ServiceId,
    Timeouts, Wanted, Wish,
};

/// A request to the stock family.
pub type IpvsRequest = Body<IpvsFamily>;
/// A request to the family of FullNAT's engine.
pub type FlowRequest = Body<FlowFamily>;

fn nest(id: u16, inner: &Attributes) -> Attributes {
    let mut out = Attributes::new();
    out.nest(id, inner);
    out
}

fn with_dest(service: &ServiceId, dest: &Attributes) -> Attributes {
    let mut out = nest(top::SERVICE, &service.attributes());
    out.nest(top::DEST, dest);
    out
}

/// Add a service.
#[must_use]
pub fn new_service(config: &ServiceConfig) -> IpvsRequest {
    Body::new(
        command::NEW_SERVICE,
        &nest(top::SERVICE, &config.attributes()),
    )
}

/// Change a service.
#[must_use]
pub fn set_service(config: &ServiceConfig) -> IpvsRequest {
    Body::new(
        command::SET_SERVICE,
        &nest(top::SERVICE, &config.attributes()),
    )
}

/// Delete a service.
#[must_use]
pub fn delete_service(id: &ServiceId) -> IpvsRequest {
    Body::new(command::DEL_SERVICE, &nest(top::SERVICE, &id.attributes()))
}

/// Read one service.
#[must_use]
pub fn get_service(id: &ServiceId) -> IpvsRequest {
    Body::new(command::GET_SERVICE, &nest(top::SERVICE, &id.attributes()))
}

/// List all services.
#[must_use]
pub fn list_services() -> IpvsRequest {
    Body::new(command::GET_SERVICE, &Attributes::new())
}

/// Add a server.
#[must_use]
pub fn new_dest(service: &ServiceId, config: &DestConfig) -> IpvsRequest {
    Body::new(command::NEW_DEST, &with_dest(service, &config.attributes()))
}

/// Change a server.
#[must_use]
pub fn set_dest(service: &ServiceId, config: &DestConfig) -> IpvsRequest {
    Body::new(command::SET_DEST, &with_dest(service, &config.attributes()))
}

/// Delete a server.
#[must_use]
pub fn delete_dest(service: &ServiceId, id: &DestId) -> IpvsRequest {
    Body::new(command::DEL_DEST, &with_dest(service, &id.attributes()))
}

/// List the servers of a service.
#[must_use]
pub fn list_dests(service: &ServiceId) -> IpvsRequest {
    Body::new(
        command::GET_DEST,
        &nest(top::SERVICE, &service.attributes()),
    )
}

/// Delete all services and servers.
#[must_use]
pub fn flush() -> IpvsRequest {
    Body::new(command::FLUSH, &Attributes::new())
}

/// Reset the counters of one service or of all.
#[must_use]
pub fn zero(service: Option<&ServiceId>) -> IpvsRequest {
    let attributes = service.map(|id| nest(top::SERVICE, &id.attributes()));
    Body::new(command::ZERO, &attributes.unwrap_or_default())
}

/// Set time-outs.
#[must_use]
pub fn set_timeouts(timeouts: &Timeouts) -> IpvsRequest {
    Body::new(command::SET_CONFIG, &timeouts.attributes())
}

/// Read time-outs.
#[must_use]
pub fn get_timeouts() -> IpvsRequest {
    Body::new(command::GET_CONFIG, &Attributes::new())
}

/// Read version and table size.
#[must_use]
pub fn get_info() -> IpvsRequest {
    Body::new(command::GET_INFO, &Attributes::new())
}

/// Start a sync daemon.
#[must_use]
pub fn start_daemon(daemon: &Daemon) -> IpvsRequest {
    Body::new(
        command::NEW_DAEMON,
        &nest(top::DAEMON, &daemon.attributes()),
    )
}

/// Stop a sync daemon.
#[must_use]
pub fn stop_daemon(state: DaemonState, sync_id: u32) -> IpvsRequest {
    let daemon = Daemon::stop_attributes(state, sync_id);
    Body::new(command::DEL_DAEMON, &nest(top::DAEMON, &daemon))
}

/// List the sync daemons that run.
#[must_use]
pub fn list_daemons() -> IpvsRequest {
    Body::new(command::GET_DAEMON, &Attributes::new())
}

fn laddr(service: Option<&ServiceId>, addr: Option<&IpAddr>) -> Attributes {
    let mut out = Attributes::new();
    if let Some(service) = service {
        out.nest(flow_abi::top::SERVICE, &service_attributes(service));
    }
    if let Some(addr) = addr {
        out.nest(flow_abi::top::LADDR, &LocalAddress::attributes(addr));
    }
    out
}

/// Give a service a local address.
#[must_use]
pub fn new_laddr(service: &ServiceId, addr: &IpAddr) -> FlowRequest {
    Body::new(
        flow_abi::command::LADDR_NEW,
        &laddr(Some(service), Some(addr)),
    )
}

/// Take one local address, all of a service, or all there are.
#[must_use]
pub fn delete_laddr(service: Option<&ServiceId>, addr: Option<&IpAddr>) -> FlowRequest {
    Body::new(flow_abi::command::LADDR_DEL, &laddr(service, addr))
}

/// List local addresses of one service or of all.
#[must_use]
pub fn list_laddrs(service: Option<&ServiceId>) -> FlowRequest {
    Body::new(flow_abi::command::LADDR_GET, &laddr(service, None))
}

/// List FullNAT connections.
#[must_use]
pub fn list_connections(wanted: &Wanted) -> FlowRequest {
    let attributes = match wanted {
        Wanted::All => Attributes::new(),
        Wanted::Client(key) => nest(flow_abi::top::CONN, &key.attributes()),
        Wanted::Server(side) => nest(flow_abi::top::CONN, &side.attributes()),
    };
    Body::new(flow_abi::command::CONN_GET, &attributes)
}

/// Change options of a service.
#[must_use]
pub fn set_options(service: &ServiceId, changes: &OptionChanges) -> FlowRequest {
    let mut out = laddr(Some(service), None);
    out.nest(flow_abi::top::OPTIONS, &changes.attributes());
    Body::new(flow_abi::command::SERVICE_SET, &out)
}

/// List options of one service or of all.
#[must_use]
pub fn list_options(service: Option<&ServiceId>) -> FlowRequest {
    Body::new(flow_abi::command::SERVICE_GET, &laddr(service, None))
}

/// Make an alias.
#[must_use]
pub fn new_alias(alias: &Alias) -> FlowRequest {
    let attributes = nest(flow_abi::top::ALIAS, &alias.attributes());
    Body::new(flow_abi::command::ALIAS_NEW, &attributes)
}

/// Take an alias away.
#[must_use]
pub fn delete_alias(addr: Ipv4Addr) -> FlowRequest {
    let attributes = nest(flow_abi::top::ALIAS, &Alias::name_attributes(addr));
    Body::new(flow_abi::command::ALIAS_DEL, &attributes)
}

/// List aliases.
#[must_use]
pub fn list_aliases() -> FlowRequest {
    Body::new(flow_abi::command::ALIAS_GET, &Attributes::new())
}

/// List counters.
#[must_use]
pub fn list_counters() -> FlowRequest {
    Body::new(flow_abi::command::COUNTER_GET, &Attributes::new())
}

/// List interfaces and their fast paths.
#[must_use]
pub fn list_interfaces() -> FlowRequest {
    Body::new(flow_abi::command::INTERFACE_GET, &Attributes::new())
}

/// Ask for the fast path of an interface, or of all (number 0).
#[must_use]
pub fn set_interface(index: u32, wish: Wish) -> FlowRequest {
    let attributes = Interface::attributes(index, wish);
    let attributes = nest(flow_abi::top::INTERFACE, &attributes);
    Body::new(flow_abi::command::INTERFACE_SET, &attributes)
}
