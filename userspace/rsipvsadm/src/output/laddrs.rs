// SPDX-License-Identifier: GPL-2.0
//! Local addresses in columns, as DPVS and Alibaba's ipvsadm print them, always as numbers.

use ipvs_netlink::{LocalAddress, ServiceId};

use crate::names::{Naming, Numeric};

/// A service and its local addresses.
pub type ServiceLaddrs = (ServiceId, Vec<LocalAddress>);

/// The table for -G.
#[must_use]
pub fn table(services: &[ServiceLaddrs]) -> String {
    let mut out = format!(
        "{:<20} {:<8} {:<20} {:<10} {:<10}\n",
        "VIP:VPORT", "TOTAL", "SNAT_IP", "CONFLICTS", "CONNS"
    );
    for (id, laddrs) in services {
        out += &format!("{:<20} {:<8} \n", service_name(id), laddrs.len());
        for laddr in laddrs {
            out += &format!(
                "{:<20} {:<8} {:<20} {:<10} {:<10}\n",
                "",
                "",
                laddr.addr.to_string(),
                laddr.conflicts,
                laddr.conns
            );
        }
    }
    out
}

fn service_name(id: &ServiceId) -> String {
    match *id {
        ServiceId::Address {
            protocol,
            addr,
            port,
        } => Numeric.endpoint(addr, port, protocol),
        ServiceId::Fwmark { mark, ipv6: false } => format!("FWM {mark}"),
        ServiceId::Fwmark { mark, ipv6: true } => format!("FWM {mark} IPv6"),
    }
}
