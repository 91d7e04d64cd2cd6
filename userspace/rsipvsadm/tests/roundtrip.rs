// SPDX-License-Identifier: GPL-2.0
//! What is saved is what is restored: configuration to rule to plan to configuration.

use std::net::{IpAddr, Ipv4Addr};

use ipvs_netlink::{
    DestConfig, DestId, Method, Netmask, Options, Protocol, ServiceConfig, ServiceFlags, ServiceId,
    Toa, Tunnel, TunnelChecksum, TunnelKind, Uoa,
};
use proptest::prelude::*;
use rsipvsadm::cli::{self, Parsed};
use rsipvsadm::names::Numeric;
use rsipvsadm::output::rules;
use rsipvsadm::plan::Plan;

fn plan(rule: &str) -> Plan {
    let words = std::iter::once("rsipvsadm").chain(rule.split_whitespace());
    match cli::parse(words.map(Into::into)) {
        Ok(Parsed::Args(args)) => {
            Plan::new(&args, &Numeric).unwrap_or_else(|failure| panic!("{rule}: {failure}"))
        }
        other => panic!("{rule}: {other:?}"),
    }
}

fn address(ipv6: bool) -> impl Strategy<Value = IpAddr> {
    any::<u128>().prop_map(move |bits| {
        if ipv6 {
            // Not the prefix that FullNAT servers of the other family go by.
            IpAddr::from((bits | (1 << 127)).to_be_bytes())
        } else {
            // CAST: any 32 bits will do.
            Ipv4Addr::from(bits as u32).into()
        }
    })
}

fn service_id() -> impl Strategy<Value = ServiceId> {
    let protocol = prop::sample::select(vec![Protocol::TCP, Protocol::UDP, Protocol::SCTP]);
    let addressed =
        (protocol, any::<bool>(), 1..=u16::MAX).prop_flat_map(|(protocol, ipv6, port)| {
            address(ipv6).prop_map(move |addr| ServiceId::Address {
                protocol,
                addr,
                port,
            })
        });
    let marked =
        (any::<bool>(), 1..=u32::MAX).prop_map(|(ipv6, mark)| ServiceId::Fwmark { ipv6, mark });
    prop_oneof![4 => addressed, 1 => marked]
}

fn is_ipv6(id: &ServiceId) -> bool {
    match id {
        ServiceId::Address { addr, .. } => addr.is_ipv6(),
        ServiceId::Fwmark { ipv6, .. } => *ipv6,
    }
}

fn service() -> impl Strategy<Value = ServiceConfig> {
    let scheduler = prop::sample::select(vec!["rr", "wlc", "sh", "mh", "twos", "fo"]);
    let persistence = prop::option::of((1..=2_678_400_u32, 1..=32_u32, any::<bool>()));
    (
        service_id(),
        scheduler,
        persistence,
        any::<bool>(),
        0..8_u32,
    )
        .prop_map(|(id, scheduler, persistence, one_packet, flags)| {
            let ipv6 = is_ipv6(&id);
            let datagrams = matches!(
                id,
                ServiceId::Fwmark { .. }
                    | ServiceId::Address {
                        protocol: Protocol::UDP,
                        ..
                    }
            );
            let mut config = ServiceConfig {
                id,
                scheduler: scheduler.to_owned(),
                flags: ServiceFlags(flags << 3)
                    .with(ServiceFlags::ONE_PACKET, one_packet && datagrams),
                timeout: 0,
                netmask: Netmask::host(ipv6),
                engine: None,
            };
            if let Some((timeout, length, engine)) = persistence {
                config.flags = config.flags.with(ServiceFlags::PERSISTENT, true);
                config.timeout = timeout;
                config.netmask = if ipv6 {
                    Netmask::Prefix(length * 4)
                } else {
                    Netmask::Mask(Ipv4Addr::from(u32::MAX << (32 - length)))
                };
                config.engine = engine.then(|| "sip".to_owned());
            }
            config
        })
}

fn service_with_options() -> impl Strategy<Value = (ServiceConfig, Options)> {
    let toa = prop::sample::select(Toa::ALL.to_vec());
    let kind = prop::sample::select(vec![254, 200, 253]);
    let uoa = prop::sample::select(Uoa::ALL.to_vec());
    (service(), toa, kind, uoa, 0..=2_147_483_u32).prop_map(
        |(config, toa, toa_kind, uoa, conn_timeout)| {
            let usual = Options::default();
            let protocol = match config.id {
                ServiceId::Address { protocol, .. } => Some(protocol),
                ServiceId::Fwmark { .. } => None,
            };
            let tcp = protocol.is_none_or(|protocol| protocol == Protocol::TCP);
            let udp = protocol.is_none_or(|protocol| protocol == Protocol::UDP);
            let options = Options {
                toa: if tcp { toa } else { usual.toa },
                toa_kind: if tcp { toa_kind } else { usual.toa_kind },
                // An option of IPv4 has no room for IPv6 clients.
                uoa: match uoa {
                    _ if !udp => usual.uoa,
                    Uoa::Ipo if is_ipv6(&config.id) => Uoa::Opp,
                    uoa => uoa,
                },
                conn_timeout,
            };
            (config, options)
        },
    )
}

fn tunnel() -> impl Strategy<Value = Tunnel> {
    let checksum = prop::sample::select(vec![
        TunnelChecksum::None,
        TunnelChecksum::Full,
        TunnelChecksum::Remote,
    ]);
    prop_oneof![
        Just(Tunnel::default()),
        (1..=u16::MAX, checksum).prop_map(|(port, checksum)| Tunnel {
            kind: TunnelKind::Gue,
            port,
            checksum,
        }),
        any::<bool>().prop_map(|checksum| Tunnel {
            kind: TunnelKind::Gre,
            port: 0,
            checksum: if checksum {
                TunnelChecksum::Full
            } else {
                TunnelChecksum::None
            },
        }),
    ]
}

fn server() -> impl Strategy<Value = (ServiceId, DestConfig)> {
    let method = prop::sample::select(vec![
        Method::Masq,
        Method::Tunnel,
        Method::Route,
        Method::FullNat,
    ]);
    let limits = (0..=1000_u32, 0..=1000_u32);
    let rest = (method, any::<u16>(), 0..=65535_u32, limits, tunnel());
    (service_id(), rest, any::<bool>()).prop_flat_map(|(service, rest, other)| {
        let (method, port, weight, limits, tunnel) = rest;
        // FullNAT and tunnels take servers of both families.
        let mixed = matches!(method, Method::FullNat | Method::Tunnel);
        address(is_ipv6(&service) ^ (mixed && other)).prop_map(move |addr| {
            let addr = match addr {
                // Not of the network that aliases are in.
                IpAddr::V4(addr) if method == Method::FullNat => {
                    Ipv4Addr::from(u32::from(addr) & 0x7fff_ffff).into()
                }
                addr => addr,
            };
            let port = match service {
                ServiceId::Address { port, .. } if !method.maps_ports() => port,
                _ => port,
            };
            let config = DestConfig {
                id: DestId { addr, port },
                method,
                weight,
                upper: limits.0,
                lower: if limits.0 == 0 {
                    limits.1
                } else {
                    limits.0.min(limits.1)
                },
                tunnel: if method == Method::Tunnel {
                    tunnel
                } else {
                    Tunnel::default()
                },
            };
            (service, config)
        })
    })
}

proptest! {
    #[test]
    fn services((config, fullnat) in service_with_options()) {
        let rule = rules::add_service(&config, &fullnat, &Numeric);
        match plan(&rule) {
            Plan::AddService(id, options) => {
                prop_assert_eq!(&options.create(id), &config, "{}", rule);
                let found = options.fullnat.overlay(Options::default());
                prop_assert_eq!(found, fullnat, "{}", rule);
                prop_assert_eq!(rules::add_service(&config, &found, &Numeric), rule);
            }
            other => prop_assert!(false, "{rule}: {other:?}"),
        }
    }

    #[test]
    fn servers((service, config) in server()) {
        let rule = rules::add_server(&service, &config, &Numeric);
        match plan(&rule) {
            Plan::AddServer(found, id, options) => {
                prop_assert_eq!(found, service, "{}", rule);
                prop_assert_eq!(options.create(id), config, "{}", rule);
            }
            other => prop_assert!(false, "{rule}: {other:?}"),
        }
    }

    #[test]
    fn local_addresses(service in service_id(), bits in 1..0xe000_0000_u32) {
        let laddr = IpAddr::from(Ipv4Addr::from(bits));
        let rule = rules::add_laddr(&service, &laddr, &Numeric);
        prop_assert_eq!(plan(&rule), Plan::AddLocalAddress(service, laddr, None));
    }
}
