// SPDX-License-Identifier: GPL-2.0

//! The engine's data of one network namespace.
//!
//! Made with the namespace, or when the module is loaded; ended in this order: no more packets come
//! in, the connections end, the rest is freed.

use flow_method::Scene;
use kernel::prelude::*;
use kernel::sync::{new_mutex, Mutex};
use kernel_net::lock::SpinLockBh;
use kernel_net::net::{Net, PerNet, Slot};
use kernel_net::netfilter::{Entry, Hooks};
use kernel_net::sysctl::Settings;

use crate::binding::FirstPacket;
use crate::flows::Flows;
use crate::local_address::LocalAddresses;
use crate::reply::{ReassembledReply, Reply};
use crate::server_ports::AllPorts;
use crate::tunables;

/// What the namespace has registered elsewhere. Fields are dropped in order.
struct Attachments {
    _hooks: Hooks,
    _settings: Settings,
}

/// The data of one namespace.
#[pin_data]
pub(crate) struct Namespace {
    /// Counters and settings.
    pub(crate) scene: Scene,
    /// The local addresses of its services.
    pub(crate) local_addresses: LocalAddresses,
    /// Held while local addresses change.
    #[pin]
    pub(crate) writers: Mutex<()>,
    /// The ports of its local addresses.
    pub(crate) ports: AllPorts,
    flows: Flows,
    #[pin]
    attachments: SpinLockBh<Option<Attachments>>,
}

impl Namespace {
    /// Its connections.
    pub(crate) fn flows(&self) -> &Flows {
        &self.flows
    }
}

static SLOT: Slot<Namespace> = Slot::new();

impl PerNet for Namespace {
    fn slot() -> &'static Slot<Self> {
        &SLOT
    }

    fn new(net: &Net) -> Result<Pin<KBox<Self>>> {
        let (scene, ports, flows) = (Scene::new()?, AllPorts::new(), Flows::new());
        let namespace = KBox::pin_init(
            pin_init!(Self {
                scene,
                local_addresses: LocalAddresses::new(),
                writers <- new_mutex!(()),
                ports,
                flows,
                attachments <- SpinLockBh::new(None),
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: The namespace's data owns the attachments, and `pre_exit` drops them before the
        // data and the namespace go away.
        let attachments = unsafe {
            Attachments {
                _settings: tunables::register(net, &namespace.scene.tunables)?,
                _hooks: Hooks::register(
                    net,
                    [
                        Entry::ipv4::<Reply>(),
                        Entry::ipv4::<ReassembledReply>(),
                        Entry::ipv4::<FirstPacket>(),
                    ],
                )?,
            }
        };
        *namespace.attachments.lock() = Some(attachments);
        Ok(namespace)
    }

    fn pre_exit(&self) {
        // Taken out first: unregistering sleeps, the lock does not.
        let attachments = self.attachments.lock().take();
        drop(attachments);
    }

    fn exit(&self, _net: &Net) {
        self.flows.end_where(|_| true);
    }
}
