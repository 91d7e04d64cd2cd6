// SPDX-License-Identifier: GPL-2.0
//! Toc.
/// Size.
pub fn conn_size() -> usize { core::mem::size_of::<net_bindings::ip_vs_conn>() }
