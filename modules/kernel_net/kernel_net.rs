// SPDX-License-Identifier: GPL-2.0

//! The kernel's network stack, as safe Rust as it gets.
//!
//! This crate and `kernel_ipvs`, which needs the module `ip_vs`, are the only ones that touch C
//! bindings; they hold the `unsafe` code of the project. They are part of the modules that use them:
//! logic is shared, state is not. They cannot log, they return values.
//!
//! | file | C side |
//! |---|---|
//! | `device` | network devices |
//! | `errno` | error numbers |
//! | `fprobe` | probes of kernel functions |
//! | `genl` | generic netlink families |
//! | `ingress` | a hook where devices hand over their packets |
//! | `lock` | `spin_lock_bh()` |
//! | `net` | network namespaces and data per namespace |
//! | `netfilter` | hooks |
//! | `next_hop` | the way out, past the IP layer |
//! | `percpu` | counters |
//! | `proc` | files in `/proc/net` |
//! | `protocol` | headers between IP and UDP |
//! | `random` | random numbers |
//! | `rcu` | values that readers may hold when the owner lets go |
//! | `rcu_arc` | the same, with several owners |
//! | `route` | the way out, ICMP errors |
//! | `skb` | packets |
//! | `slab` | caches for values of one type |
//! | `sock` | sockets and their functions that are probed |
//! | `socket_lookup` | whether a packet is for a socket of this host |
//! | `sockopt` | socket options |
//! | `switch` | what is there only while it is switched on |
//! | `sysctl` | settings per namespace |
//! | `table` | a hash table read under RCU |
//! | `time` | jiffies |
//! | `timer` | chores in softirq |
//! | `trust` | a setting: whose word is taken |
//! | `xdp` | frames that a driver shows to XDP |

use kernel::alloc::{flags, Flags};

pub mod device;
pub mod errno;
pub mod fprobe;
pub mod genl;
pub mod ingress;
pub mod lock;
pub mod net;
pub mod netfilter;
pub mod next_hop;
pub mod percpu;
pub mod proc;
pub mod protocol;
pub mod random;
pub mod rcu;
pub mod rcu_arc;
pub mod route;
pub mod skb;
pub mod slab;
pub mod sock;
pub mod socket_lookup;
pub mod sockopt;
pub mod switch;
pub mod sysctl;
pub mod table;
pub mod time;
pub mod timer;
pub mod trust;
pub mod xdp;

/// IPv4, as the kernel numbers address families.
pub const AF_INET: u32 = net_bindings::AF_INET;
/// IPv6.
pub const AF_INET6: u32 = net_bindings::AF_INET6;

/// Pages of memory this machine has.
pub fn memory_pages() -> usize {
    // SAFETY: A read of a word.
    unsafe { net_bindings::kn_totalram_pages() }
}

/// How memory is asked for while a packet waits: without sleeping, and without a warning when there
/// is none, since that is counted.
pub const GFP_PACKET: Flags = flags::GFP_NOWAIT;
