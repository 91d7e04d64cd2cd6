// SPDX-License-Identifier: GPL-2.0

//! What each network namespace has: settings, hooks, counters and files.

use core::net::{Ipv4Addr, Ipv6Addr};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use kernel::pr_info_once;
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel_defrag::Defragmentation;
use kernel_net::lock::SpinLockBh;
use kernel_net::net::{Net, PerNet, Slot};
use kernel_net::netfilter::{Entry, Hooks};
use kernel_net::percpu::Counters;
use kernel_net::rcu::{self, Guard};
use kernel_net::switch::Switch;
use kernel_net::sysctl::{Setting, Settings, Text};
use kernel_net::timer::Timer;
use kernel_net::trust::{Standing, Trust};
use nat::{Family, Tuple};
use wire::toa::Toa;

use crate::filter::Filter;
use crate::forward::Forwarding;
use crate::inbound::Arrival;
use crate::mappings::{Account, Client, Learned, Mapping, Mappings, MAPPINGS};
use crate::outbound::Departure;
use crate::stats::{Event, Files, EVENTS};

/// Mappings a namespace may have, unless it is set: 32 megabytes.
const MOST: i32 = 1 << 18;

/// Where the settings are.
const SETTINGS: &CStr = c"net/ipv4/uoa";

/// What is taken down before the data go.
struct Attachments {
    _settings: [Settings; 4],
    _hooks: Hooks,
    _files: Files,
}

/// One namespace.
#[pin_data]
pub(crate) struct Namespace {
    pub(crate) counters: Counters<EVENTS>,
    pub(crate) account: Arc<Account>,
    mappings: Arc<Timer<Mappings>>,
    pub(crate) filter: Arc<Filter>,
    trust: Trust,
    is_transparent: AtomicBool,
    /// What transparent mode takes.
    #[pin]
    transparency: Switch<(Hooks, Defragmentation)>,
    #[pin]
    forwarding: Forwarding,
    #[pin]
    attachments: SpinLockBh<Option<Attachments>>,
}

static SLOT: Slot<Namespace> = Slot::new();

impl PerNet for Namespace {
    fn slot() -> &'static Slot<Self> {
        &SLOT
    }

    fn new(net: &Net) -> Result<Pin<KBox<Self>>> {
        let mappings = {
            let guard = rcu::read_lock();
            MAPPINGS.read(&guard).cloned().ok_or(ENODEV)?
        };
        let filter = mappings.filter().clone();
        let account = Arc::new(Account::new(MOST, crate::initial_timeout()), GFP_KERNEL)?;
        let counters = Counters::new()?;
        let namespace = KBox::pin_init(
            pin_init!(Self {
                counters,
                account,
                mappings,
                filter,
                trust: Trust::new(),
                is_transparent: AtomicBool::new(false),
                transparency <- Switch::new(net),
                forwarding <- Forwarding::new(net),
                attachments <- SpinLockBh::new(None),
            }),
            GFP_KERNEL,
        )?;
        let (files, numbers) = (Files::new(net)?, namespace.numbers());
        // SAFETY: `pre_exit` takes all of it down, before the data and the namespace go away; in between
        // RCU has waited.
        let attachments = unsafe {
            let hooks = [Entry::of::<Arrival>(Family::V4, &namespace)];
            Attachments {
                _files: files,
                _hooks: Hooks::register(net, hooks)?,
                _settings: [
                    Settings::register(net, SETTINGS, numbers)?,
                    Settings::register_text(net, SETTINGS, c"trust", &namespace.trust)?,
                    Settings::register_text(net, SETTINGS, c"transparent", &*namespace)?,
                    Settings::register_text(net, SETTINGS, c"forward", &namespace.forwarding)?,
                ],
            }
        };
        *namespace.attachments.lock() = Some(attachments);
        Ok(namespace)
    }

    fn pre_exit(&self) {
        // Taken out first: unregistering sleeps, the lock does not.
        let attachments = self.attachments.lock().take();
        // With the settings goes who might switch them on again.
        drop(attachments);
        self.transparency.off();
        self.forwarding.close();
    }

    fn exit(&self, _net: &Net) {
        self.mappings.close(&self.account);
    }
}

impl Namespace {
    /// The settings that are numbers.
    fn numbers(&self) -> [Setting; 2] {
        [
            Setting {
                name: c"map_max",
                value: NonNull::from(&self.account.most),
                min: &1,
                max: &(1 << 22),
            },
            Setting {
                name: c"map_timeout",
                value: NonNull::from(&self.account.timeout),
                min: &1,
                max: &86_400,
            },
        ]
    }

    /// Counts.
    #[inline]
    pub(crate) fn count(&self, event: Event) {
        self.counters.add(event as usize);
    }

    /// Whether programs are shown their clients.
    #[inline]
    pub(crate) fn is_transparent(&self) -> bool {
        self.is_transparent.load(Relaxed)
    }

    /// The table.
    pub(crate) fn mappings(&self) -> &Mappings {
        &self.mappings
    }

    /// The mapping of a flow.
    #[inline]
    pub(crate) fn find<'a>(&'a self, wire: &Tuple, guard: &'a Guard) -> Option<&'a Mapping> {
        self.mappings.find(&self.account, wire, guard)
    }

    /// The flow that a datagram of a program of this host answers.
    pub(crate) fn find_answered<'a>(
        &'a self,
        answer: &Tuple,
        is_free: bool,
        guard: &'a Guard,
    ) -> Option<&'a Mapping> {
        self.mappings
            .find_answered(&self.account, answer, is_free, guard)
    }

    /// A datagram of that tuple had a client's address, or should have had.
    pub(crate) fn learn(&self, wire: &Tuple, client: Option<Toa>, guard: &Guard) {
        let Some(client) = client.and_then(plausible) else {
            return self.count(Event::UoaNone);
        };
        self.count(Event::UoaGot);
        match self.trust.standing(mapped(wire), guard) {
            Standing::Trusted => (),
            Standing::Anyone => pr_info_once!(
                "addresses of clients are believed whoever sends them; to believe directors only: sysctl net.ipv4.uoa.trust=PREFIX,...\n"
            ),
            Standing::Stranger => return self.count(Event::Stranger),
        }
        self.count(
            match self.mappings.learn(&self.account, wire, client, guard) {
                Learned::New => {
                    self.mappings.start();
                    Event::UoaSaved
                }
                Learned::Known => Event::UoaSaved,
                Learned::Full => Event::Full,
                Learned::NoMemory => Event::NoMemory,
            },
        );
    }
}

/// Whose datagram it is, IPv4 in its mapped form.
fn mapped(wire: &Tuple) -> Ipv6Addr {
    match wire.family {
        Family::V4 => Ipv4Addr::from(wire.source.v4()).to_ipv6_mapped(),
        Family::V6 => Ipv6Addr::from(*wire.source.octets()),
    }
}

/// A client that can have sent a datagram, and to whom one can be sent.
fn plausible(client: Toa) -> Option<Client> {
    let is_mapped = client.family == Family::V6
        && Ipv6Addr::from(*client.address.octets())
            .to_ipv4_mapped()
            .is_some();
    let is_real = client.address.is_unicast(client.family) && !is_mapped && client.port != 0;
    is_real.then_some(Client {
        family: client.family,
        address: client.address,
        port: nat::Port::new(client.port),
    })
}

/// `net.ipv4.uoa.transparent`: hooks that no namespace has to pay for if it does not ask for them, and
/// datagrams of IPv6 whole.
impl Text for Namespace {
    fn write(&self, text: &[u8]) -> Result {
        match text.trim_ascii() {
            b"0" => {
                self.is_transparent.store(false, Relaxed);
                self.transparency.off();
            }
            b"1" => {
                // SAFETY: `pre_exit` switches it off, when nobody writes the setting any more, and the
                // namespace is there until then. The data stay for an RCU grace period longer.
                unsafe {
                    self.transparency.on(|net| {
                        let hooks = [
                            Entry::of::<Arrival>(Family::V6, self),
                            Entry::of::<Departure>(Family::V4, self),
                            Entry::of::<Departure>(Family::V6, self),
                        ];
                        let hooks = Hooks::register(net, hooks)?;
                        Ok((hooks, Defragmentation::enable(net)?))
                    })?;
                }
                self.is_transparent.store(true, Relaxed);
            }
            _ => return Err(EINVAL),
        }
        Ok(())
    }

    fn read<'a>(&'a self, _guard: &'a Guard) -> &'a [u8] {
        match self.is_transparent() {
            false => b"0",
            true => b"1",
        }
    }
}
