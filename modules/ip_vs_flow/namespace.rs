// SPDX-License-Identifier: GPL-2.0

//! The engine's data of one network namespace.
//!
//! Made with the namespace, or when the module is loaded; ended in this order: no more packets come
//! in, the connections end, the rest is freed.

use flow_method::{Counter, Scene};
use kernel::prelude::*;
use kernel::sync::{new_mutex, Mutex};
use kernel_defrag::Defragmentation;
use kernel_net::device::{Device, Event, Rtnl, Watch, Watcher};
use kernel_net::lock::SpinLockBh;
use kernel_net::net::{Net, PerNet, Slot};
use kernel_net::netfilter::{Entry, Hooks, Verdict};
use kernel_net::next_hop::NextHops;
use kernel_net::skb::Packet;
use kernel_net::sysctl::Settings;
use nat::Family;

use crate::address_filter::AddressFilter;
use crate::aliases::Aliases;
use crate::binding::FirstPacket;
use crate::fast_path::FastPath;
use crate::flows::Flows;
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
    // First to be dropped, if the rest could not be made.
    #[pin]
    attachments: SpinLockBh<Option<Attachments>>,
    /// Until the last connection has ended: devices may leave as long as one leads over them.
    #[pin]
    watch: SpinLockBh<Option<Watch>>,
    /// Counters and settings.
    pub(crate) scene: Scene,
    /// What is set for its services.
    pub(crate) services: Services,
    /// Which packets may be replies.
    pub(crate) local_filter: AddressFilter,
    /// Servers IPVS knows by another address.
    pub(crate) aliases: Aliases,
    /// Held while services or aliases change.
    #[pin]
    pub(crate) writers: Mutex<()>,
    /// The ways out that its flows know.
    pub(crate) next_hops: NextHops,
    /// Its packets that pass the IP layer by.
    #[pin]
    pub(crate) fast_path: FastPath,
    /// The ports of its local addresses.
    pub(crate) ports: AllPorts,
    flows: Flows,
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

impl Watcher for Namespace {
    fn event(&self, event: Event, device: &Device, rtnl: &Rtnl) {
        if event == Event::Leaving {
            self.next_hops.forget(device);
        }
        self.fast_path.event(event, device, rtnl);
    }
}

extern "C" {
    /// The tracepoint `ip_vs_flow:ip_vs_flow_drop`; in `trace.c`.
    fn ip_vs_flow_trace_drop(
        skb: *const kernel::bindings::sk_buff,
        reason: *const kernel::ffi::c_char,
    );
}

/// `kfunc.c` reads it, too.
#[export_name = "ip_vs_flow_number"]
static SLOT: Slot<Namespace> = Slot::new();

impl PerNet for Namespace {
    fn slot() -> &'static Slot<Self> {
        &SLOT
    }

    fn new(net: &Net) -> Result<Pin<KBox<Self>>> {
        let (scene, ports, flows) = (Scene::new()?, AllPorts::new(), Flows::new());
        let namespace = KBox::pin_init(
            pin_init!(Self {
                attachments <- SpinLockBh::new(None),
                watch <- SpinLockBh::new(None),
                scene,
                services: Services::new(),
                local_filter: AddressFilter::new(),
                aliases: Aliases::new(),
                writers <- new_mutex!(()),
                next_hops: NextHops::new(),
                fast_path <- FastPath::new(),
                ports,
                flows,
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: `exit` drops it, before the data and the namespace go away.
        let watch = unsafe { Watch::new(net, &*namespace)? };
        *namespace.watch.lock() = Some(watch);
        // SAFETY: The namespace's data owns the attachments, and `pre_exit` drops them before the
        // data and the namespace go away; in between RCU has waited.
        let attachments = unsafe {
            Attachments {
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
            }
        };
        *namespace.attachments.lock() = Some(attachments);
        Ok(namespace)
    }

    fn pre_exit(&self) {
        // Taken out first: unregistering sleeps, the lock does not.
        let attachments = self.attachments.lock().take();
        drop(attachments);
        self.fast_path.stop();
    }

    fn exit(&self, _net: &Net) {
        self.flows.end_where(|_| true);
        // Taken out first, as above.
        let watch = self.watch.lock().take();
        drop(watch);
    }
}
