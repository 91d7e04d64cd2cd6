// SPDX-License-Identifier: GPL-2.0
//! What can be said about a virtual service.

use std::net::{IpAddr, Ipv4Addr};

use ipvs_netlink::{Netmask, OptionChanges, Protocol, ServiceConfig, ServiceFlags, ServiceId};

use super::endpoint::{endpoint, number};
use super::{fullnat, MAX_TIMEOUT};
use crate::cli::Args;
use crate::failure::Failure;
use crate::names::Resolve;

/// Scheduler of a service that is told none.
pub const DEFAULT_SCHEDULER: &str = "wlc";
/// Longest name of a scheduler; the kernel's field has a zero byte besides.
const NAME_MAX: usize = 15;

/// What was said; what was not is None.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceOptions {
    /// Scheduler.
    pub scheduler: Option<String>,
    /// Flags of the scheduler.
    pub sched_flags: Option<SchedFlags>,
    /// Seconds of persistence; 0 turns it off.
    pub persistent: Option<u32>,
    /// Granularity of persistence.
    pub netmask: Option<Netmask>,
    /// Persistence engine.
    pub engine: Option<String>,
    /// One-packet scheduling.
    pub one_packet: bool,
    /// How FullNAT serves it.
    pub fullnat: OptionChanges,
}

/// Flags of a scheduler, and whose they are if their names say so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchedFlags {
    /// IP_VS_SVC_F_SCHED*.
    pub bits: u32,
    /// The scheduler they are named after.
    pub scheduler: Option<&'static str>,
}

/// The service that a command line names, if it names one.
///
/// # Errors
///
/// [`Failure::Usage`] if the name makes no sense.
pub fn id(args: &Args, names: &dyn Resolve) -> Result<Option<ServiceId>, Failure> {
    let addressed = [
        ("-t", &args.tcp_service, Protocol::TCP),
        ("-u", &args.udp_service, Protocol::UDP),
        ("--sctp-service", &args.sctp_service, Protocol::SCTP),
    ];
    for (option, text, protocol) in addressed {
        if let Some(text) = text {
            let (addr, port) = endpoint(option, text, protocol, names)?;
            return Ok(Some(ServiceId::Address {
                protocol,
                addr,
                port: port.unwrap_or(0),
            }));
        }
    }
    args.fwmark_service
        .as_deref()
        .map(|text| {
            Ok(ServiceId::Fwmark {
                ipv6: args.ipv6,
                mark: number("-f", text, 1..=u32::MAX)?,
            })
        })
        .transpose()
}

impl ServiceOptions {
    /// Reads the options about a service.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] naming the option whose value makes no sense.
    pub fn new(args: &Args, id: Option<ServiceId>) -> Result<Self, Failure> {
        let name = |option, text: &Option<String>| match text.as_deref() {
            Some(name) if name.is_empty() || name.len() > NAME_MAX => Err(Failure::usage(format!(
                "{option}: {name:?} is not a name of 1 to {NAME_MAX} characters"
            ))),
            name => Ok(name.map(str::to_owned)),
        };
        let persistent = args.persistent.as_deref();
        let shortest = u32::from(!args.edit_service);
        let ipv6 = id.is_some_and(|id| i32::from(id.family()) == libc::AF_INET6);
        Ok(Self {
            scheduler: name("-s", &args.scheduler)?,
            sched_flags: args.sched_flags.as_deref().map(sched_flags).transpose()?,
            persistent: persistent
                .map(|text| number("-p", text, shortest..=MAX_TIMEOUT))
                .transpose()?,
            netmask: args
                .netmask
                .as_deref()
                .map(|text| netmask(text, ipv6))
                .transpose()?,
            engine: name("--pe", &args.pe)?,
            one_packet: args.ops.is_some(),
            fullnat: fullnat::options(args)?,
        })
    }

    /// Checks what holds for every service.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] naming the option that does not fit.
    pub fn check(&self, id: &ServiceId) -> Result<(), Failure> {
        fullnat::check(&self.fullnat, id)?;
        if let ServiceId::Address { protocol, .. } = id {
            if self.one_packet && *protocol != Protocol::UDP {
                return Err(Failure::usage(format!(
                    "-o: one-packet scheduling is for UDP, not for {id}"
                )));
            }
        }
        if self.persistent == Some(0) && (self.netmask.is_some() || self.engine.is_some()) {
            return Err(Failure::usage("-p 0 excludes -M and --pe"));
        }
        match (
            self.sched_flags.and_then(|flags| flags.scheduler),
            &self.scheduler,
        ) {
            (Some(wanted), Some(scheduler)) if wanted != scheduler => Err(Failure::usage(format!(
                "--sched-flags: these flags are of the scheduler {wanted}, not of {scheduler}"
            ))),
            _ => Ok(()),
        }
    }

    /// Checks what holds for a service that does not exist yet.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] naming the option that does not fit.
    pub fn check_new(&self, id: &ServiceId) -> Result<(), Failure> {
        self.check(id)?;
        if let (Some(flags), None) = (self.sched_flags, &self.scheduler) {
            if let Some(wanted) = flags.scheduler {
                return Err(Failure::usage(format!(
                    "--sched-flags: these flags need the scheduler {wanted} (-s {wanted})"
                )));
            }
        }
        match id {
            // A service of all addresses and ports stands for the traffic that is routed through.
            ServiceId::Address { addr, port: 0, .. }
                if self.persistent.is_none() && !addr.is_unspecified() =>
            {
                Err(Failure::usage(format!(
                    "service {id}: port 0 means all ports and needs persistence (-p)"
                )))
            }
            _ if self.persistent.is_some() => Ok(()),
            _ if self.netmask.is_some() => Err(Failure::usage("-M needs persistence (-p)")),
            _ if self.engine.is_some() => Err(Failure::usage("--pe needs persistence (-p)")),
            _ => Ok(()),
        }
    }

    /// The configuration of a new service.
    #[must_use]
    pub fn create(&self, id: ServiceId) -> ServiceConfig {
        let ipv6 = i32::from(id.family()) == libc::AF_INET6;
        self.overlay(ServiceConfig {
            id,
            scheduler: DEFAULT_SCHEDULER.to_owned(),
            flags: ServiceFlags::default(),
            timeout: 0,
            netmask: Netmask::host(ipv6),
            engine: None,
        })
    }

    /// Whether something is said that IPVS itself is to know.
    #[must_use]
    pub fn concern_ipvs(&self) -> bool {
        let rest = Self {
            fullnat: OptionChanges::default(),
            ..self.clone()
        };
        rest != Self::default()
    }

    /// The configuration of a service after the options were put on top of what it had.
    #[must_use]
    pub fn overlay(&self, old: ServiceConfig) -> ServiceConfig {
        let mut new = old;
        if let Some(scheduler) = &self.scheduler {
            new.scheduler.clone_from(scheduler);
        }
        if let Some(flags) = self.sched_flags {
            let none = new.flags.with(ServiceFlags::SCHED, false);
            new.flags = none.with(flags.bits, true);
        }
        if self.one_packet {
            new.flags = new.flags.with(ServiceFlags::ONE_PACKET, true);
        }
        if let Some(netmask) = self.netmask {
            new.netmask = netmask;
        }
        if let Some(engine) = &self.engine {
            new.engine = Some(engine.clone());
        }
        if let Some(seconds) = self.persistent {
            new.flags = new.flags.with(ServiceFlags::PERSISTENT, seconds != 0);
            new.timeout = seconds;
            if seconds == 0 {
                new.netmask = Netmask::host(matches!(new.netmask, Netmask::Prefix(_)));
                new.engine = None;
            }
        }
        new
    }
}

/// Flags of a scheduler by name.
fn sched_flags(text: &str) -> Result<SchedFlags, Failure> {
    let mut found = SchedFlags::default();
    for name in text.split(',') {
        found.bits |= match name {
            "flag-1" | "sh-fallback" | "mh-fallback" => ServiceFlags::SCHED1,
            "flag-2" | "sh-port" | "mh-port" => ServiceFlags::SCHED2,
            "flag-3" => ServiceFlags::SCHED3,
            _ => {
                return Err(Failure::usage(format!(
                    "--sched-flags: there is no flag {name}"
                )))
            }
        };
        let owner = match name.get(..3) {
            Some("sh-") => Some("sh"),
            Some("mh-") => Some("mh"),
            _ => None,
        };
        match (found.scheduler, owner) {
            (Some(one), Some(two)) if one != two => {
                return Err(Failure::usage(format!(
                    "--sched-flags: {text} has flags of {one} and of {two}"
                )))
            }
            _ => found.scheduler = found.scheduler.or(owner),
        }
    }
    Ok(found)
}

fn netmask(text: &str, ipv6: bool) -> Result<Netmask, Failure> {
    if ipv6 {
        return number("-M", text, 1..=128).map(Netmask::Prefix);
    }
    let mask = match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(mask)) => mask,
        Ok(IpAddr::V6(_)) => return Err(Failure::usage(format!("-M: {text} is not IPv4"))),
        Err(_) => {
            let length: u32 = number("-M", text, 1..=32)?;
            Ipv4Addr::from(u32::MAX << (32 - length))
        }
    };
    let bits = u32::from(mask);
    if bits == 0 || bits.leading_ones() + bits.trailing_zeros() != 32 {
        return Err(Failure::usage(format!("-M: {text} is not a netmask")));
    }
    Ok(Netmask::Mask(mask))
}
