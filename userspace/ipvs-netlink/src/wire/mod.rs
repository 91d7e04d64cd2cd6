// SPDX-License-Identifier: GPL-2.0
//! Attributes into values and values into attributes; no sockets here.
//!
//! Every type that travels both ways has `attributes()` (value to bytes) and `parse()` (bytes to
//! value). Parsing skips attributes it does not know, so that a newer kernel is no problem, and
//! takes what an older kernel does not send as absent.

pub mod attr;
pub mod config;
pub mod connection;
pub mod dest;
pub mod flow;
pub mod ids;
pub mod interface;
pub mod options;
pub mod service;
pub mod stats;
