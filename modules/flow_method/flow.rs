// SPDX-License-Identifier: GPL-2.0

//! A flow: one connection as the director translates it.
//!
//! Written once when the connection is bound; after that only the few words of its [`Story`] change.
//! Read in softirq under RCU.

use nat::{Deltas, Rewrite, Story, Tuple};

use crate::Introduction;

/// What both directions need to know.
pub struct Flow {
    /// cip:cport to vip:vport, as the client sends.
    pub client: Tuple,
    /// Of the requests; the answers' are the opposite.
    deltas: Deltas,
    /// How the server is told the client's address.
    pub introduction: Introduction,
    /// The number of the method that does what goes beyond translating.
    pub method: u8,
    /// What is remembered of the connection.
    pub story: Story,
}

impl Flow {
    /// A flow of packets that are turned from `client` into `server`: lip:lport to rip:rport, as the real
    /// server receives; maybe of the other family.
    pub fn new(client: Tuple, server: &Tuple, introduction: Introduction, method: u8) -> Self {
        Self {
            client,
            deltas: Deltas::between(&client, server),
            introduction,
            method,
            story: Story::default(),
        }
    }

    /// Turns `client` into `server`, the tuple this was made with.
    #[inline]
    pub fn request<'a>(&self, server: &'a Tuple) -> Rewrite<'a> {
        Rewrite::with(server, self.deltas)
    }

    /// Turns the server's answers into the service's, which have the tuple `to_client`: `client`
    /// reversed.
    #[inline]
    pub fn reply<'a>(&self, to_client: &'a Tuple) -> Rewrite<'a> {
        Rewrite::with(to_client, self.deltas.reversed())
    }
}
