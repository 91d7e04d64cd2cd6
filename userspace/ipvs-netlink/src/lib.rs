// SPDX-License-Identifier: GPL-2.0
//! Talking to IPVS and to FullNAT's engine from user space, without a C library in between.
//!
//! - [`Ipvs`] is the stock generic netlink family `IPVS`: services, servers, time-outs, sync daemon.
//! - [`Flow`] is the family `IPVS_FLOW` of ip_vs_flow.ko: local addresses, options, aliases,
//!   connections, counters, fast paths of interfaces.
//! - [`address`] gives an interface an address, [`route`] says where packets would go, [`proc`] reads
//!   the kernel's table of connections, [`module`] loads what is missing.
//!
//! The layers, from the bottom: [`wire`] turns attributes into values and back and knows nothing of
//! sockets; [`request`] says which command with which attributes does a thing; [`socket`] sends,
//! receives and matches answers to questions; the families put the three together.
//!
//! # Why the rust-netlink crates
//!
//! netlink-sys, netlink-packet-core and netlink-packet-generic need libc, bytes, log and zerocopy
//! and nothing else, are maintained together and by several people, build with Rust 1.85, block
//! instead of bringing a runtime (tokio is an option of netlink-sys that stays off), and hand out
//! the bytes of an extended acknowledgement. neli does all of that too, but pulls in a stack of
//! derive macros and a lock library, which is much for a tool that sends one message and exits.
//!
//! # Errors
//!
//! Nothing the kernel sends makes this crate panic: truncated attributes are [`Error::Malformed`],
//! unknown ones are skipped. A refusal is [`Error::Refused`], with what was tried on what, the
//! errno and the kernel's sentence if it sent one.
//!
//! # Examples
//!
//! ```no_run
//! let mut ipvs = ipvs_netlink::Ipvs::open()?;
//! for service in ipvs.services()? {
//!     println!("{} has {} servers", service.id, ipvs.dests(&service.id)?.len());
//! }
//! # Ok::<(), ipvs_netlink::Error>(())
//! ```

#![forbid(unsafe_code)]

pub mod address;
mod error;
mod family;
mod flow;
mod ipvs;
pub mod module;
pub mod proc;
pub mod request;
pub mod route;
mod rtnetlink;
pub mod socket;
pub mod wire;

pub use error::{Action, Error, Object, Refusal};
pub use family::Family;
pub use flow::Flow;
pub use ipvs::Ipvs;
pub use wire::config::{Daemon, DaemonState, Info, Timeouts};
pub use wire::connection::{Connection, ConnectionKey, ServerSide, Wanted};
pub use wire::dest::{Dest, DestConfig, DestId, Method, Tunnel, TunnelChecksum, TunnelKind};
pub use wire::flow::{Alias, Counter, LocalAddress};
pub use wire::interface::{Detour, FastPaths, Interface, Mode, Wish};
pub use wire::options::{OptionChanges, Options, Toa, Uoa};
pub use wire::service::{Netmask, Protocol, Service, ServiceConfig, ServiceFlags, ServiceId};
pub use wire::stats::Stats;
