// SPDX-License-Identifier: GPL-2.0
//! What can be said about a real server. Names are those people use; see [`crate::families`].

use std::net::IpAddr;

use ipvs_netlink::{
    Dest, DestConfig, DestId, Method, ServiceId, Tunnel, TunnelChecksum, TunnelKind,
};

use super::endpoint::{endpoint, number};
use super::protocol_of;
use crate::cli::Args;
use crate::failure::Failure;
use crate::families::{candidates, is_alias, Aliases};
use crate::names::Resolve;

/// Weight of a server that is told none.
const DEFAULT_WEIGHT: u32 = 1;

/// What was said; what was not is None.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerOptions {
    /// Forwarding method.
    pub method: Option<Method>,
    /// Weight.
    pub weight: Option<u32>,
    /// Upper threshold.
    pub upper: Option<u32>,
    /// Lower threshold.
    pub lower: Option<u32>,
    /// Encapsulation.
    pub tunnel: Option<Tunnel>,
}

/// The server that a command line names.
///
/// # Errors
///
/// [`Failure::Usage`] if the name makes no sense or does not fit the service.
pub fn id(
    args: &Args,
    service: &ServiceId,
    method: Option<Method>,
    names: &dyn Resolve,
) -> Result<DestId, Failure> {
    let text = args.real_server.as_deref().unwrap_or_default();
    let (addr, port) = endpoint("-r", text, protocol_of(service), names)?;
    let service_port = match service {
        ServiceId::Address { port, .. } => Some(*port),
        ServiceId::Fwmark { .. } => None,
    };
    let port = match (method, service_port) {
        // A packet that is only routed or wrapped arrives with the port the client chose.
        (Some(method), Some(service_port)) if !method.maps_ports() => service_port,
        _ => port.or(service_port).unwrap_or(0),
    };
    let ipv6 = i32::from(service.family()) == libc::AF_INET6;
    match (addr, method) {
        (IpAddr::V4(alias), Some(Method::FullNat)) if is_alias(alias) => {
            return Err(Failure::usage(format!(
                "-r: {alias} is of 240.0.0.0/4, which is for aliases of IPv6 servers: give the server's own address"
            )))
        }
        // Without a method it is a server that exists already.
        (_, Some(Method::FullNat | Method::Tunnel) | None) => {}
        (addr, _) if addr.is_ipv6() == ipv6 => {}
        (addr, _) => {
            return Err(Failure::usage(format!(
                "-r: {addr} and the service {service} are of different families; only -b and -i can do that"
            )))
        }
    }
    Ok(DestId { addr, port })
}

/// Finds a server by the name it is shown under or by the one IPVS has; if its alias was lost, by the
/// alias it must have had.
#[must_use]
pub fn find<'a>(dests: &'a [Dest], id: &DestId, aliases: &Aliases) -> Option<&'a Dest> {
    let at = |wanted: &dyn Fn(&DestConfig) -> bool| {
        let mut same_port = dests.iter().filter(|dest| dest.config.id.port == id.port);
        same_port.find(|dest| wanted(&dest.config))
    };
    at(&|config| config.id.addr == id.addr)
        .or_else(|| at(&|config| aliases.shown(config.method, config.id.addr) == id.addr))
        .or_else(|| {
            let IpAddr::V6(server) = id.addr else {
                return None;
            };
            at(&|config| {
                aliases.is_lost(config.method, config.id.addr)
                    && candidates(server).any(|alias| config.id.addr == alias)
            })
        })
}

impl ServerOptions {
    /// Reads the options about a server.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] naming the option whose value makes no sense.
    pub fn new(args: &Args) -> Result<Self, Failure> {
        let methods = [
            (args.fullnat, Method::FullNat),
            (args.masquerading, Method::Masq),
            (args.gatewaying, Method::Route),
            (args.ipip, Method::Tunnel),
        ];
        let method = methods.into_iter().find(|(given, _)| *given);
        let count = |option, text: &Option<String>, max: u32| {
            let text = text.as_deref();
            text.map(|text| number(option, text, 0..=max)).transpose()
        };
        // The kernel compares thresholds as signed numbers.
        let most = i32::MAX.unsigned_abs();
        let options = Self {
            method: method.map(|(_, method)| method),
            weight: count("-w", &args.weight, 65535)?,
            upper: count("-x", &args.u_threshold, most)?,
            lower: count("-y", &args.l_threshold, most)?,
            tunnel: tunnel(args)?,
        };
        match (options.upper, options.lower) {
            (Some(upper), Some(lower)) if upper != 0 && lower > upper => Err(Failure::usage(
                format!("-y: the lower threshold {lower} is above the upper one {upper}"),
            )),
            _ => Ok(options),
        }
    }

    /// The configuration of a new server.
    #[must_use]
    pub fn create(&self, id: DestId) -> DestConfig {
        self.overlay(DestConfig {
            id,
            method: Method::Route,
            weight: DEFAULT_WEIGHT,
            upper: 0,
            lower: 0,
            tunnel: Tunnel::default(),
        })
    }

    /// The configuration of a server after the options were put on top of what it had.
    #[must_use]
    pub fn overlay(&self, old: DestConfig) -> DestConfig {
        DestConfig {
            id: old.id,
            method: self.method.unwrap_or(old.method),
            weight: self.weight.unwrap_or(old.weight),
            upper: self.upper.unwrap_or(old.upper),
            lower: self.lower.unwrap_or(old.lower),
            tunnel: self.tunnel.unwrap_or(old.tunnel),
        }
    }
}

fn tunnel(args: &Args) -> Result<Option<Tunnel>, Failure> {
    let checksums = [
        (args.tun_nocsum, "--tun-nocsum", TunnelChecksum::None),
        (args.tun_csum, "--tun-csum", TunnelChecksum::Full),
        (args.tun_remcsum, "--tun-remcsum", TunnelChecksum::Remote),
    ];
    let mut checksums = checksums.into_iter().filter(|(given, ..)| *given);
    let checksum = checksums.next();
    if let (Some((_, one, _)), Some((_, two, _))) = (checksum, checksums.next()) {
        return Err(Failure::usage(format!(
            "{one} and {two} exclude each other"
        )));
    }
    let given = args.tun_type.is_some() || args.tun_port.is_some() || checksum.is_some();
    if !given {
        return Ok(None);
    }
    if !args.ipip {
        return Err(Failure::usage("tunnel options (--tun-*) need -i"));
    }
    let kind = match args.tun_type.as_deref() {
        None | Some("ipip") => TunnelKind::Ipip,
        Some("gue") => TunnelKind::Gue,
        Some("gre") => TunnelKind::Gre,
        Some(other) => {
            return Err(Failure::usage(format!(
                "--tun-type: {other} is none of ipip, gue and gre"
            )))
        }
    };
    let port = match (kind, args.tun_port.as_deref()) {
        (TunnelKind::Gue, Some(text)) => number("--tun-port", text, 1..=65535)?,
        (TunnelKind::Gue, None) => return Err(Failure::usage("--tun-type gue needs --tun-port")),
        (_, Some(_)) => return Err(Failure::usage("--tun-port goes only with --tun-type gue")),
        (_, None) => 0,
    };
    match (kind, checksum) {
        (TunnelKind::Ipip, Some((_, option, _))) => Err(Failure::usage(format!(
            "{option} does not go with --tun-type ipip"
        ))),
        (TunnelKind::Gre, Some((_, option, TunnelChecksum::Remote))) => Err(Failure::usage(
            format!("{option} goes only with --tun-type gue"),
        )),
        (kind, checksum) => Ok(Some(Tunnel {
            kind,
            port,
            checksum: checksum.map_or(TunnelChecksum::None, |(.., checksum)| checksum),
        })),
    }
}
