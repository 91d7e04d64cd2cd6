// SPDX-License-Identifier: GPL-2.0
//! The kernel's families, opened when they are needed and loaded when they are missing.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::MetadataExt;

use ipvs_netlink::{
    module, Action, Alias, Dest, Error, FastPaths, Flow, Ipvs, LocalAddress, Method, Options,
    ServiceId,
};

use super::alias::Registry;
use crate::failure::Failure;
use crate::families::Aliases;

const IPVS_MODULE: &str = "ip_vs";
const ENGINE_MODULE: &str = "ip_vs_flow";
pub(super) const FULLNAT_MODULE: &str = "ip_vs_fullnat";

/// What is open.
pub(super) struct Session {
    ipvs: Ipvs,
    flow: Option<Flow>,
}

impl Session {
    /// Opens the stock family, loading ip_vs if it is not there.
    pub(super) fn open() -> Result<Self, Failure> {
        let ipvs = match Ipvs::open() {
            Err(Error::NoFamily(_)) => {
                // Whether it helped shows when the family is asked for again.
                let _ = module::load(IPVS_MODULE);
                Ipvs::open().map_err(|error| match error {
                    Error::NoFamily(_) if !is_root() => Failure::runtime(
                        "the module ip_vs is not loaded and loading it needs root: modprobe ip_vs",
                    ),
                    Error::NoFamily(_) => Failure::runtime(
                        "the kernel has no IPVS and the module ip_vs cannot be loaded: modprobe ip_vs",
                    ),
                    error => failure(error),
                })?
            }
            other => other.map_err(failure)?,
        };
        Ok(Self { ipvs, flow: None })
    }

    /// The stock family.
    pub(super) fn ipvs(&mut self) -> &mut Ipvs {
        &mut self.ipvs
    }

    /// The engine's family, loading FullNAT if it is not there.
    pub(super) fn flow(&mut self) -> Result<&mut Flow, Failure> {
        if self.flow_if_loaded()?.is_none() {
            let _ = module::load(FULLNAT_MODULE);
        }
        self.flow_if_loaded()?.ok_or_else(no_fullnat)
    }

    /// The engine's family, if the engine is there.
    pub(super) fn flow_if_loaded(&mut self) -> Result<Option<&mut Flow>, Failure> {
        // Asking for a family that is not there makes the kernel run modprobe, every time.
        if self.flow.is_none() && module::is_loaded(ENGINE_MODULE) {
            self.flow = match Flow::open() {
                Err(Error::NoFamily(_)) => None,
                other => Some(other.map_err(failure)?),
            };
        }
        Ok(self.flow.as_mut())
    }

    /// Makes sure that a FullNAT server will be served: without the module its packets would end in
    /// the director's own stack.
    pub(super) fn need_fullnat(&mut self) -> Result<(), Failure> {
        if !module::is_loaded(FULLNAT_MODULE) && !module::load(FULLNAT_MODULE) {
            return Err(no_fullnat());
        }
        self.flow().map(drop)
    }

    /// Drops the local addresses of a service, or all; that there are none is fine.
    pub(super) fn forget_laddrs(&mut self, service: Option<&ServiceId>) -> Result<(), Failure> {
        let Some(flow) = self.flow_if_loaded()? else {
            return Ok(());
        };
        match flow.delete_laddrs(service) {
            Err(error) if has_none(&error) => Ok(()),
            other => other.map_err(failure),
        }
    }

    /// All local addresses with their services, if the engine is there.
    pub(super) fn laddrs(&mut self) -> Result<Vec<(ServiceId, LocalAddress)>, Failure> {
        match self.flow_if_loaded()? {
            Some(flow) => flow.laddrs(None).map_err(failure),
            None => Ok(Vec::new()),
        }
    }

    /// Options of one service or of all, if the engine is there; only of services that were told
    /// something.
    pub(super) fn options(
        &mut self,
        service: Option<&ServiceId>,
    ) -> Result<Vec<(ServiceId, Options)>, Failure> {
        match self.flow_if_loaded()?.map(|flow| flow.options(service)) {
            None => Ok(Vec::new()),
            Some(Err(error)) if has_none(&error) => Ok(Vec::new()),
            Some(other) => other.map_err(failure),
        }
    }

    /// Interfaces and their fast paths, if the engine is there and has any.
    pub(super) fn fast_paths(&mut self) -> Result<Option<FastPaths>, Failure> {
        match self.flow_if_loaded()?.map(Flow::fast_paths) {
            None => Ok(None),
            Some(Err(error)) if has_none(&error) => Ok(None),
            Some(other) => other.map(Some).map_err(failure),
        }
    }

    /// All services with their servers, as IPVS has them.
    pub(super) fn dests(&mut self) -> Result<Vec<(ServiceId, Vec<Dest>)>, Failure> {
        let mut found = Vec::new();
        for service in self.ipvs.services().map_err(failure)? {
            // A service that is deleted meanwhile has none.
            let dests = self.ipvs.dests(&service.id).map_err(failure)?;
            found.push((service.id, dests));
        }
        Ok(found)
    }
}

impl Registry for Session {
    fn aliases(&mut self) -> Result<Aliases, Failure> {
        match self.flow_if_loaded()?.map(Flow::aliases) {
            None => Ok(Aliases::default()),
            Some(Err(error)) if has_none(&error) => Ok(Aliases::default()),
            Some(other) => Ok(other.map_err(failure)?.into_iter().collect()),
        }
    }

    fn make(&mut self, alias: Ipv4Addr, server: Ipv6Addr) -> Result<bool, Failure> {
        let alias = Alias {
            addr: alias,
            server,
        };
        match self.flow()?.add_alias(&alias) {
            Err(error) if error.errno() == Some(libc::EEXIST) => Ok(false),
            other => other.map(|()| true).map_err(failure),
        }
    }

    fn unmake(&mut self, alias: Ipv4Addr) -> Result<(), Failure> {
        let Some(flow) = self.flow_if_loaded()? else {
            return Ok(());
        };
        match flow.delete_alias(alias) {
            Err(error) if error.errno() == Some(libc::ENOENT) => Ok(()),
            other => other.map_err(failure),
        }
    }

    fn used(&mut self) -> Result<BTreeSet<Ipv4Addr>, Failure> {
        let services = self.dests()?;
        let dests = services.iter().flat_map(|(_, dests)| dests);
        Ok(dests.filter_map(alias_of).collect())
    }
}

/// The address of a server that may be an alias.
pub(super) fn alias_of(dest: &Dest) -> Option<Ipv4Addr> {
    match dest.config.id.addr {
        IpAddr::V4(addr) if dest.config.method == Method::FullNat => Some(addr),
        _ => None,
    }
}

/// Whether the engine has nothing of what was asked about, or does not even serve its family or
/// protocol.
pub(super) fn has_none(error: &Error) -> bool {
    matches!(
        error.errno(),
        Some(libc::ENOENT | libc::ESRCH | libc::EAFNOSUPPORT | libc::EOPNOTSUPP)
    )
}

fn no_fullnat() -> Failure {
    Failure::runtime("FullNAT needs the module ip_vs_fullnat: modprobe ip_vs_fullnat")
}

/// A failure in the library's words.
pub(super) fn failure(error: Error) -> Failure {
    Failure::runtime(error.to_string())
}

/// The same for what was read only in order to change it.
pub(super) fn changing(error: Error) -> Failure {
    match error {
        Error::Refused(mut refusal) => {
            refusal.action = Action::Change;
            Failure::runtime(refusal.to_string())
        }
        error => failure(error),
    }
}

/// Whether the effective user is root: /proc/self belongs to it.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
