// SPDX-License-Identifier: GPL-2.0

//! The virtual services of a namespace.
//!
//! `ip_vs` exports no lookup. Netlink requests walk its table instead, under the mutex that whoever
//! changes services holds. Process context.
//!
//! C counterpart: `ip_vs_service_find()`; `include/net/ip_vs.h`, `ip_vs_rht_walk_buckets()`.

use core::ptr::null_mut;
use nat::{Port, Protocol};
use net_bindings as c;

use crate::conn::{address, family};
use crate::{Ipvs, ServiceKey};

/// The bit of a bucket's head that is its lock (`LIST_BL_LOCKMASK`).
const LOCK_BIT: usize = 1;

impl Ipvs {
    /// Whether there is a service of that name.
    pub fn has_service(self, key: &ServiceKey) -> bool {
        let mut found = false;
        self.visit_services(&mut |service| found |= service == *key);
        found
    }

    /// Calls `visitor` with the name of every service.
    pub fn visit_services(self, visitor: &mut dyn FnMut(ServiceKey)) {
        let ipvs = self.ipvs.as_ptr();
        // SAFETY: The namespace's IPVS is valid, and so are its locks, which keep the table and the
        // services where they are; what the pointers lead to is valid. While a table is being
        // replaced, it leads to the new one, which leads to itself.
        unsafe {
            c::kn_ip_vs_lock_services(ipvs);
            let mut table: *mut c::ip_vs_rht = (*ipvs).svc_table;
            // BOUND: Two tables at most, each of so many buckets, each with its services once.
            while let Some(current) = table.as_ref() {
                for index in 0..usize::try_from(current.size).unwrap_or(0) {
                    let head = (*current.buckets.add(index)).first;
                    let mut node = head.map_addr(|address| address & !LOCK_BIT);
                    // The node is the service's first field.
                    while let Some(service) = node.cast::<c::ip_vs_service>().as_ref() {
                        visitor(name(service));
                        node = (*node).next;
                    }
                }
                let next = current.new_tbl;
                table = if next == table { null_mut() } else { next };
            }
            c::kn_ip_vs_unlock_services(ipvs);
        }
    }
}

fn name(service: &c::ip_vs_service) -> ServiceKey {
    let family = family(service.af);
    if service.fwmark != 0 {
        return ServiceKey::of_fwmark(family, service.fwmark);
    }
    ServiceKey {
        fwmark: 0,
        // CAST: IPVS keeps the protocol in 16 bits; it has eight.
        protocol: Protocol(service.protocol as u8),
        family,
        vip: address(&service.addr),
        vport: Port::from_be_bytes(service.port.to_ne_bytes()),
    }
}

const _: () = assert!(core::mem::offset_of!(c::ip_vs_service, s_list) == 0);
