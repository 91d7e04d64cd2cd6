// SPDX-License-Identifier: GPL-2.0
//! Lists services with their servers and, if the engine is there, their local addresses.

use ipvs_netlink::{Error, Flow, Ipvs};

fn main() -> Result<(), Error> {
    let mut ipvs = Ipvs::open()?;
    let mut flow = match Flow::open() {
        Err(Error::NoFamily(_)) => None,
        other => Some(other?),
    };
    for service in ipvs.services()? {
        println!("{} ({})", service.id, service.config.scheduler);
        for dest in ipvs.dests(&service.id)? {
            println!("  server {} {:?}", dest.config.id, dest.config.method);
        }
        if let Some(flow) = &mut flow {
            for (_, laddr) in flow.laddrs(Some(&service.id))? {
                println!("  local address {}", laddr.addr);
            }
        }
    }
    Ok(())
}
