// SPDX-License-Identifier: GPL-2.0
//! What can go wrong, named by what was being done to which object.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::wire::attr::WireError;
use crate::{DaemonState, DestId, ServiceId};

/// What EOPNOTSUPP means for things that the first engine did not have.
const OLD_ENGINE: &str =
    "the module ip_vs_flow that is loaded is older than this program: load the new one";

/// What was being done when the kernel refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Something new was to be made.
    Add,
    /// Something was to be changed.
    Change,
    /// Something was to be taken away.
    Delete,
    /// Something was to be read.
    Read,
    /// Counters were to be reset.
    Zero,
    /// A daemon was to be started.
    Start,
    /// A daemon was to be stopped.
    Stop,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Action::Add => "add",
            Action::Change => "change",
            Action::Delete => "delete",
            Action::Read => "read",
            Action::Zero => "zero",
            Action::Start => "start",
            Action::Stop => "stop",
        })
    }
}

/// What it was being done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// A virtual service.
    Service(ServiceId),
    /// A real server of a service.
    Dest(ServiceId, DestId),
    /// All servers of a service.
    Dests(ServiceId),
    /// A local address of a service.
    LocalAddress(ServiceId, IpAddr),
    /// All local addresses, of one service or of all.
    LocalAddresses(Option<ServiceId>),
    /// FullNAT's options of a service.
    Options(ServiceId),
    /// The alias of a real server.
    Alias(Ipv4Addr, Option<Ipv6Addr>),
    /// The way to an address.
    Route(IpAddr),
    /// An address of an interface.
    InterfaceAddress(IpAddr, String),
    /// The fast path of an interface.
    FastPath(String),
    /// The fast paths of all interfaces.
    FastPaths,
    /// A sync daemon.
    Daemon(DaemonState),
    /// A thing there is only one of, or the whole of something: "time-outs", "connections".
    Whole(&'static str),
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Object::Service(id) => write!(f, "service {id}"),
            Object::Dest(service, dest) => write!(f, "server {dest} of service {service}"),
            Object::Dests(service) => write!(f, "servers of service {service}"),
            Object::LocalAddress(service, addr) => {
                write!(f, "local address {addr} of service {service}")
            }
            Object::LocalAddresses(Some(service)) => {
                write!(f, "local addresses of service {service}")
            }
            Object::LocalAddresses(None) => f.write_str("local addresses"),
            Object::Options(service) => write!(f, "FullNAT options of service {service}"),
            Object::Alias(addr, Some(server)) => write!(f, "alias {addr} of server {server}"),
            Object::Alias(addr, None) => write!(f, "alias {addr}"),
            Object::Route(addr) => write!(f, "route to {addr}"),
            Object::InterfaceAddress(addr, name) => write!(f, "address {addr} on {name}"),
            Object::FastPath(name) => write!(f, "the fast path of {name}"),
            Object::FastPaths => f.write_str("the fast paths"),
            Object::Daemon(DaemonState::Master) => f.write_str("the master sync daemon"),
            Object::Daemon(DaemonState::Backup) => f.write_str("the backup sync daemon"),
            Object::Whole(name) => f.write_str(name),
        }
    }
}

/// The kernel's "no".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was being done.
    pub action: Action,
    /// To what.
    pub object: Object,
    /// The positive errno.
    pub errno: i32,
    /// The kernel's own sentence, from the extended acknowledgement.
    pub text: Option<String>,
}

impl Refusal {
    /// The reason in words: the kernel's, or else what this errno means for this object.
    #[must_use]
    pub fn cause(&self) -> String {
        if let Some(text) = &self.text {
            return text.clone();
        }
        let known = match (self.errno, &self.object) {
            (libc::EPERM | libc::EACCES, _) => "needs root (CAP_NET_ADMIN)",
            (libc::ESRCH, Object::Daemon(_)) => "it does not run",
            (libc::EEXIST, Object::Daemon(_)) => "it runs already",
            (
                libc::EOPNOTSUPP,
                Object::Options(_) | Object::Alias(..) | Object::FastPath(_) | Object::FastPaths,
            ) => OLD_ENGINE,
            (libc::EEXIST, Object::Alias(..)) => "it stands for another server",
            (libc::ENOENT, Object::Alias(..)) => "there is no such alias",
            (libc::ENODEV, Object::Daemon(_)) => "no such multicast interface",
            (libc::EEXIST, _) => "it exists already",
            (libc::ESRCH, _) => "no such service",
            (libc::ENOENT, Object::Service(_)) => {
                "the kernel has no such scheduler or persistence engine"
            }
            (libc::ENOENT, Object::Dest(..)) => "no such server",
            (libc::ENOENT, Object::LocalAddress(..)) => "the service has no such local address",
            (libc::ENODEV, _) => "no such interface",
            (libc::EADDRNOTAVAIL, Object::InterfaceAddress(..)) => "no such address there",
            (libc::ERANGE, Object::Dest(..)) => {
                "the weight or a connection threshold is out of range"
            }
            (libc::EAFNOSUPPORT, _) => "the address family is not supported here",
            (libc::EINVAL, Object::Dest(..)) => "the kernel does not accept such a server",
            (libc::EINVAL, Object::Service(_)) => "the kernel does not accept such a service",
            _ => return io::Error::from_raw_os_error(self.errno).to_string(),
        };
        known.to_owned()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot {} {}: {}",
            self.action,
            self.object,
            self.cause()
        )
    }
}

/// All errors of the crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel refused a request.
    #[error("{0}")]
    Refused(Refusal),
    /// The kernel does not know the generic netlink family: a module is missing.
    #[error("the kernel does not know the netlink family {0}")]
    NoFamily(&'static str),
    /// A message of the kernel could not be understood.
    #[error("the kernel's answer on {what} makes no sense: {source}")]
    Malformed {
        /// What had been asked about.
        what: String,
        /// Where the message went wrong.
        source: WireError,
    },
    /// The kernel's answer was of a kind that the question does not have.
    #[error("the kernel did not answer the question about {0}")]
    NoAnswer(String),
    /// A listing changed under our hands each time it was read.
    #[error("the listing of {0} changed every time it was read")]
    Interrupted(String),
    /// An operation of the operating system failed.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// A line of a file below /proc is not as expected.
    #[error("{file}, line {line}: {what}")]
    Proc {
        /// The file.
        file: &'static str,
        /// The line, counted from one.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
}

impl Error {
    /// The errno of a refusal.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Error::Refused(refusal) => Some(refusal.errno),
            Error::Io { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}
