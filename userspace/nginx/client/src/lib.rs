// SPDX-License-Identifier: GPL-2.0
//! Variables of nginx that say who the client behind a FullNAT director is.
//!
//! Most programs need nothing of the kind: with `toa.ko` the socket's own address is the client's. What is left are
//! IPv6 clients of IPv4 sockets (NAT64), for whom a socket has no room, and datagrams, whose sockets have no peer.
//! There the kernel modules answer by `getsockopt()`.
//!
//! | module | |
//! |---|---|
//! | [`socket`] | what is asked, and the answers |
//! | [`variable`] | the variables, for nginx's HTTP and stream subsystems alike |

#![warn(missing_docs)]

pub mod socket;
pub mod variable;
