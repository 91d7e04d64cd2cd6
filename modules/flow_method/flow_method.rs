// SPDX-License-Identifier: GPL-2.0

//! The contract between the engine and the forwarding methods.
//!
//! `ip_vs_flow` owns flows, local addresses, ports, hooks and the control interface. A method is a
//! module of its own that registers a [`Method`]: functions the engine calls with a packet before it
//! is translated, to do what the method promises beyond addresses and ports. This crate is part of
//! both sides; both are built together, so that its types have one layout.
//!
//! Kernel counterpart: `struct ip_vs_scheduler` and `register_ip_vs_scheduler()`.

mod counter;
mod flow;
mod introduction;
mod method;
mod scene;

pub use counter::Counter;
pub use flow::Flow;
pub use introduction::{Introduction, ToaMode, UoaMode};
pub use method::{Duty, Method, Registration};
pub use scene::{Scene, Tunables};
