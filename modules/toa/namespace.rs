// SPDX-License-Identifier: GPL-2.0

//! What the module keeps for each network namespace: counters, settings, and the files that show them.
//!
//! Made with the namespace, or when the module is loaded. Counting happens in any context.

use kernel::prelude::*;
use kernel::sync::SetOnce;
use kernel_net::net::{Net, PerNet, Slot};
use kernel_net::percpu::Counters;
use kernel_net::proc::NetFile;
use kernel_net::rcu::Guard;
use kernel_net::sock::{self, Sock};
use kernel_net::sysctl::Settings;
use kernel_net::trust::Trust;

use crate::listing::ClientsFile;
use crate::stats::{HealthFile, StatsFile};

/// What can happen.
#[derive(Clone, Copy)]
pub(crate) enum Event {
    /// A child socket has got its client.
    SynRecvSockToa,
    /// A handshake was completed without an option.
    SynRecvSockNoToa,
    /// A program was told the client.
    GetnameToaOk,
    /// A name was asked for and the entry that was found belongs to a socket that is gone.
    GetnameToaMismatch,
    /// There is a client, but the name has no room for it or was changed by somebody else.
    GetnameToaBypass,
    /// A name was asked for and no client is known.
    GetnameToaEmpty,
    /// A socket has got a client with an IPv6 address.
    Ip6AddressAlloc,
    /// Such a socket has ended.
    Ip6AddressFree,
    /// A client was named by a peer that is not trusted.
    Untrusted,
    /// A client was named by the SYN alone.
    FromSyn,
    /// What a SYN said was forgotten to make room for another one.
    SynForgotten,
    /// An entry was found whose socket had ended without a probe's notice.
    Stale,
    /// There was no memory for the client.
    NoMemory,
}

const EVENTS: usize = 13;

/// The data of one namespace. Fields are dropped in order.
pub(crate) struct Namespace {
    settings: SetOnce<Settings>,
    /// Who is believed about clients.
    pub(crate) trust: Trust,
    /// What has happened.
    pub(crate) counters: Counters<EVENTS>,
    /// Connections that were accepted before anybody counted.
    accepted_before: u64,
    files: [NetFile; 3],
}

static SLOT: Slot<Namespace> = Slot::new();

impl PerNet for Namespace {
    fn slot() -> &'static Slot<Self> {
        &SLOT
    }

    fn new(net: &Net) -> Result<Pin<KBox<Self>>> {
        let namespace = Namespace {
            settings: SetOnce::new(),
            trust: Trust::new(),
            counters: Counters::new()?,
            accepted_before: sock::passive_opens(net),
            files: [
                NetFile::new::<StatsFile>(net)?,
                NetFile::new::<HealthFile>(net)?,
                NetFile::list::<ClientsFile>(net)?,
            ],
        };
        let namespace = KBox::pin(namespace, GFP_KERNEL)?;
        let (path, name) = (c"net/ipv4/toa", c"trust");
        // SAFETY: The list stays where it is, and the settings are dropped before it, with the
        // namespace's data or when the module goes.
        let settings = unsafe { Settings::register_text(net, path, name, &namespace.trust) }?;
        namespace.settings.populate(settings);
        Ok(namespace)
    }

    fn exit(&self, _net: &Net) {
        // A reader of a file uses the counters.
        self.files.iter().for_each(NetFile::remove);
    }
}

impl Namespace {
    /// The data of a socket's namespace.
    #[inline]
    pub(crate) fn of_sock<'a>(sock: &'a Sock, guard: &'a Guard) -> Option<&'a Self> {
        Self::of_guarded(sock.live_net(guard)?, guard)
    }

    /// Counts what has happened.
    pub(crate) fn count(&self, event: Event) {
        self.counters.add(event as usize);
    }

    /// How often it has happened.
    pub(crate) fn sum(&self, event: Event) -> u64 {
        self.counters.sum(event as usize)
    }

    /// Connections that were accepted without a probe having been called.
    ///
    /// The kernel counts the children it makes, a few of which it drops at once, when two processors
    /// end the same handshake.
    pub(crate) fn missed(&self, net: &Net) -> u64 {
        let accepted = sock::passive_opens(net).wrapping_sub(self.accepted_before);
        let seen = self
            .sum(Event::SynRecvSockToa)
            .wrapping_add(self.sum(Event::SynRecvSockNoToa))
            .wrapping_add(self.sum(Event::NoMemory));
        accepted.saturating_sub(seen)
    }
}
