// SPDX-License-Identifier: GPL-2.0
//! Puts an address on an interface, or takes it off: `interface_address add|delete ADDRESS INTERFACE`.

use std::error::Error;

use ipvs_netlink::address;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["add", addr, interface] => address::add(&addr.parse()?, interface)?,
        ["delete", addr, interface] => address::delete(&addr.parse()?, interface)?,
        _ => return Err("usage: interface_address add|delete ADDRESS INTERFACE".into()),
    }
    Ok(())
}
