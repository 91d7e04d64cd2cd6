// SPDX-License-Identifier: GPL-2.0

//! The engine's data of one network namespace.
//!
//! Made with the namespace, or when the module is loaded; ended in this order: no more packets come
//! in, the connections end, the rest is freed.

use flow_method::{Counter, Scene};
use kernel::prelude::*;
use kernel::sync::{new_mutex, Mutex};
use kernel_ipvs::Defragmentation;
use kernel_net::device::{Device, DeviceEvent, DeviceWatch, DeviceWatcher};
use kernel_net::lock::SpinLockBh;
use kernel_net::net::{Net, PerNet, Slot};
use kernel_net::netfilter::{Entry, Hooks, Verdict};
use kernel_net::next_hop::NextHops;
use kernel_net::skb::Packet;
use kernel_net::sysctl::Settings;
use nat::Family;

use crate::aliases::Aliases;
use crate::binding::FirstPacket;
use crate::flows::Flows;
use crate::local_filter::LocalFilter;
use crate::reply::Reply;
use crate::server_ports::AllPorts;
use crate::services::Services;
use crate::tunables;

/// What the namespace has registered elsewhere. Fields are dropped in order.
struct Attachments {
    _hooks: Hooks,
    _settings: Settings,
    defragmentation: Option<Defragmentation>,
}

/// The data of one namespace.
#[pin_data]
pub(crate) struct Namespace {
    /// Counters and settings.
    pub(crate) scene: Scene,
    /// What is set for its services.
    pub(crate) services: Services,
    /// Which packets may be replies.
    pub(crate) local_filter: LocalFilter,
    /// Servers IPVS knows by another address.
    pub(crate) aliases: Aliases,
    /// Held while services or aliases change.
    #[pin]
    pub(crate) writers: Mutex<()>,
    /// The ports of its local addresses.
    pub(crate) ports: AllPorts,
    /// Where its packets go.
    pub(crate) hops: NextHops,
    flows: Flows,
    #[pin]
    attachments: SpinLockBh<Option<Attachments>>,
    /// Kept longer than they are: the devices go in between, and packets may still be on their way.
    #[pin]
    devices: SpinLockBh<Option<DeviceWatch<Namespace>>>,
}

impl Namespace {
    /// Its connections.
    pub(crate) fn flows(&self) -> &Flows {
        &self.flows
    }

    /// Drops a packet, so that it can be seen why.
    pub(crate) fn drop_packet(&self, packet: &Packet<'_>, reason: Counter) -> Verdict {
        self.scene.count(reason);
        // SAFETY: The packet is valid, and the name a string that ends.
        unsafe { ip_vs_flow_trace_drop(packet.as_ptr(), reason.name().as_char_ptr()) };
        Verdict::Drop
    }

    /// Has IPv6 fragments put together from now on. Process context.
    pub(crate) fn defragment_v6(&self, net: &Net) -> Result {
        // SAFETY: `pre_exit` drops it with the other attachments, before the namespace goes away; if
        // they are gone already, it is dropped here.
        let new = unsafe { Defragmentation::enable(net) }?;
        let mut attachments = self.attachments.lock();
        let surplus = match attachments.as_mut() {
            Some(attachments) if attachments.defragmentation.is_none() => {
                attachments.defragmentation.replace(new)
            }
            _ => Some(new),
        };
        // Disabling sleeps, the lock does not.
        drop(attachments);
        drop(surplus);
        Ok(())
    }
}

extern "C" {
    /// The tracepoint `ip_vs_flow:ip_vs_flow_drop`; in `trace.c`.
    fn ip_vs_flow_trace_drop(
        skb: *const kernel::bindings::sk_buff,
        reason: *const kernel::ffi::c_char,
    );
}

impl DeviceWatcher for Namespace {
    fn event(&self, event: DeviceEvent, device: &Device) {
        match event {
            DeviceEvent::Unregister => self.hops.forget(device),
        }
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
                services: Services::new(),
                local_filter: LocalFilter::new(),
                aliases: Aliases::new(),
                writers <- new_mutex!(()),
                ports,
                hops: NextHops::new(),
                flows,
                attachments <- SpinLockBh::new(None),
                devices <- SpinLockBh::new(None),
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: The namespace's data owns them. `pre_exit` drops the attachments before the data and
        // the namespace go away, and in between RCU has waited; `exit` drops the watch.
        let (devices, attachments) = unsafe {
            let devices = DeviceWatch::register(net, &*namespace)?;
            let attachments = Attachments {
                _settings: tunables::register(net, &namespace.scene.tunables)?,
                _hooks: Hooks::register(
                    net,
                    [
                        Entry::of::<Reply>(Family::V4, &namespace),
                        Entry::of::<Reply>(Family::V6, &namespace),
                        Entry::of::<FirstPacket>(Family::V4, &namespace),
                        Entry::of::<FirstPacket>(Family::V6, &namespace),
                    ],
                )?,
                defragmentation: None,
            };
            (devices, attachments)
        };
        *namespace.attachments.lock() = Some(attachments);
        *namespace.devices.lock() = Some(devices);
        Ok(namespace)
    }

    fn pre_exit(&self) {
        // Taken out first: unregistering sleeps, the lock does not.
        let attachments = self.attachments.lock().take();
        drop(attachments);
    }

    fn exit(&self, _net: &Net) {
        self.flows.end_where(|_| true);
        // As above.
        let devices = self.devices.lock().take();
        drop(devices);
    }
}
