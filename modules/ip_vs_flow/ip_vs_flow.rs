// SPDX-License-Identifier: GPL-2.0
//! Toc.
#![crate_name = "ip_vs_flow"]
use kernel::prelude::*;
module! { type: Leaf, name: "ip_vs_flow", authors: ["The rsipvs authors"], description: "t", license: "GPL", }
struct Leaf;
impl kernel::Module for Leaf {
    fn init(_m: &'static ThisModule) -> Result<Self> { pr_info!("conn {}\n", kernel_net::conn_size()); Ok(Leaf) }
}
