// SPDX-License-Identifier: GPL-2.0
//! The family of FullNAT's engine.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::ControlFlow;

use flow_abi::top;

use crate::error::{Action, Error, Object};
use crate::family::{Channel, Family};
use crate::request::{self, FlowRequest};
use crate::socket::Subject;
use crate::wire::attr::{each, WireError};
use crate::wire::flow::parse_service;
use crate::{
    Alias, Connection, Counter, FastPaths, LocalAddress, OptionChanges, Options, ServiceId, Wanted,
    Wish,
};

/// Marks messages of the engine's family.
pub enum FlowFamily {}

impl Family for FlowFamily {
    const NAME: &'static str = flow_abi::FAMILY_NAME;
    const VERSION: u8 = flow_abi::VERSION;
}

/// A connection to the family `IPVS_FLOW`.
pub struct Flow(Channel<FlowFamily>);

fn part<'a>(answer: &'a FlowRequest, id: u16, name: &'static str) -> Result<&'a [u8], WireError> {
    nest(answer.attributes(), id, name)
}

/// The first attribute of this number.
fn nest<'a>(attributes: &'a [u8], id: u16, name: &'static str) -> Result<&'a [u8], WireError> {
    for attribute in each(attributes, name) {
        let attribute = attribute?;
        if attribute.id == id {
            return Ok(attribute.payload);
        }
    }
    Err(WireError::Missing(name))
}

impl Flow {
    /// Opens a socket in the network namespace of the caller.
    ///
    /// # Errors
    ///
    /// [`Error::NoFamily`] if the module ip_vs_flow is not there; every method can also fail with
    /// [`Error::Refused`], and those that read with [`Error::Malformed`].
    pub fn open() -> Result<Self, Error> {
        Channel::open().map(Self)
    }

    fn values<T>(
        &mut self,
        request: &FlowRequest,
        object: Object,
        parse: impl Fn(&FlowRequest) -> Result<T, WireError>,
    ) -> Result<Vec<T>, Error> {
        let subject = Subject::new(Action::Read, object);
        let answers = self.0.list(request, &subject)?;
        let values = answers.iter().map(parse).collect::<Result<_, _>>();
        values.map_err(|error| subject.malformed(error))
    }

    /// Gives a service a local address.
    ///
    /// # Errors
    ///
    /// See [`Flow::open`]; likewise for all that follow.
    pub fn add_laddr(&mut self, service: &ServiceId, addr: &IpAddr) -> Result<(), Error> {
        let subject = Subject::new(Action::Add, Object::LocalAddress(*service, *addr));
        self.0
            .ask(&request::new_laddr(service, addr), &subject)
            .map(drop)
    }

    /// Takes a local address away from a service.
    ///
    /// # Errors
    ///
    /// See [`Flow::open`].
    pub fn delete_laddr(&mut self, service: &ServiceId, addr: &IpAddr) -> Result<(), Error> {
        let subject = Subject::new(Action::Delete, Object::LocalAddress(*service, *addr));
        let request = request::delete_laddr(Some(service), Some(addr));
        self.0.ask(&request, &subject).map(drop)
    }

    /// Takes all local addresses away from one service, or from all.
    ///
    /// # Errors
    ///
    /// See [`Flow::open`].
    pub fn delete_laddrs(&mut self, service: Option<&ServiceId>) -> Result<(), Error> {
        let subject = Subject::new(Action::Delete, Object::LocalAddresses(service.copied()));
        let request = request::delete_laddr(service, None);
        self.0.ask(&request, &subject).map(drop)
    }

    /// Local addresses with the service each belongs to.
    ///
    /// # Errors
    ///
    /// See [`Flow::open`].
    pub fn laddrs(
        &mut self,
        service: Option<&ServiceId>,
    ) -> Result<Vec<(ServiceId, LocalAddress)>, Error> {
        self.values(
            &request::list_laddrs(service),
            Object::LocalAddresses(service.copied()),
            |answer| {
                let service = parse_service(part(answer, top::SERVICE, "service")?)?;
                let laddr = LocalAddress::parse(part(answer, top::LADDR, "local address")?)?;
                Ok((service, laddr))
            },
        )
    }

    /// Shows FullNAT connections to `reader` as the kernel lists them, until that breaks off; however
    /// many there are, they take no memory.
    ///
    /// # Errors
    ///
    /// See [`Flow::open`].
    pub fn connections(
        &mut self,
        wanted: &Wanted,
        reader: &mut dyn FnMut(&Connection) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let object = Object::Whole("the FullNAT connections");
        self.0.stream(
            &request::list_connections(wanted),
            &Subject::new(Action::Read, object),
            &mut |attributes| {
                let connection = Connection::parse(nest(attributes, top::CONN, "connection")?)?;
                Ok(reader(&connection))
            },
        )
    }

    /// One FullNAT connection.
    ///
    /// # Errors
    ///
    /// See [`Flow::open`].
    pub fn connection(&mut self, wanted: &Wanted) -> Result<Option<Connection>, Error> {
        let mut found = None;
        self.connections(wanted, &mut |connection| {
            found = Some(*connection);
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// Changes options of a service.
    ///
    /// # Errors
    ///
    /// See [`Flow::open`].
    pub fn set_options(
        &mut self,
        service: &ServiceId,
        changes: &OptionChanges,
    ) -> Result<(), Error> {
        let subject = Subject::new(Action::Change, Object::Options(*service));
        self.0
            .ask(&request::set_options(service, changes), &subject)
            .map(drop)
    }

    /// Options with the service each belongs to; services that were told nothing may be missing.
    ///
    /// # Errors
    ///
    /// See [`Flow::open`].
    pub fn options(
        &mut self,
        service: Option<&ServiceId>,
    ) -> Result<Vec<(ServiceId, Options)>, Error> {
        let object = service.map_or(Object::Whole("the FullNAT options"), |id| {
            Object::Options(*id)
        });
        self.values(&request::list_options(service), object, |answer| {
            let service = parse_service(part(answer, top::SERVICE, "service")?)?;
            let options = Options::parse(part(answer, top::OPTIONS, "options")?)?;
            Ok((service, options))
        })
    }

    /// Makes an alias; that it is there already is fine.
    ///
    /// # Errors
    ///
    /// See [`Flow::open`]; with EEXIST if the alias stands for another server.
    pub fn add_alias(&mut self, alias: &Alias) -> Result<(), Error> {
        let object = Object::Alias(alias.addr, Some(alias.server));
        let subject = Subject::new(Action::Add, object);
        self.0.ask(&request::new_alias(alias), &subject).map(drop)
    }

    /// Takes an alias away.
    ///
    /// # Errors
    ///
    /// See [`Flow::open`].
    pub fn delete_alias(&mut self, addr: Ipv4Addr) -> Result<(), Error> {
        let subject = Subject::new(Action::Delete, Object::Alias(addr, None));
        self.0.ask(&request::delete_alias(addr), &subject).map(drop)
    }

    /// All aliases.
    ///
    /// # Errors
    ///
    /// See [`Flow::open`].
    pub fn aliases(&mut self) -> Result<Vec<Alias>, Error> {
        self.values(
            &request::list_aliases(),
            Object::Whole("the aliases"),
            |answer| Alias::parse(part(answer, top::ALIAS, "alias")?),
        )
    }

    /// Counters, as many as the kernel has.
    ///
    /// # Errors
    ///
    /// See [`Flow::open`].
    pub fn counters(&mut self) -> Result<Vec<Counter>, Error> {
        self.values(
            &request::list_counters(),
            Object::Whole("the counters"),
            |answer| Counter::parse(part(answer, top::COUNTER, "counter")?),
        )
    }

    /// Interfaces and their fast paths.
    ///
    /// # Errors
    ///
    /// See [`Flow::open`].
    pub fn fast_paths(&mut self) -> Result<FastPaths, Error> {
        let subject = Subject::new(Action::Read, Object::FastPaths);
        let mut found = FastPaths::default();
        for answer in self.0.list(&request::list_interfaces(), &subject)? {
            part(&answer, top::INTERFACE, "interface")
                .and_then(|interface| found.add(interface))
                .map_err(|error| subject.malformed(error))?;
        }
        Ok(found)
    }

    /// Asks for the fast path of all interfaces, those of the future included; what was asked for
    /// single ones is forgotten.
    ///
    /// # Errors
    ///
    /// See [`Flow::open`].
    pub fn set_fast_paths(&mut self, wish: Wish) -> Result<(), Error> {
        let subject = Subject::new(Action::Change, Object::FastPaths);
        let request = request::set_interface(0, wish);
        self.0.ask(&request, &subject).map(drop)
    }

    /// Asks for the fast path of one interface, given by its number; its name is for errors.
    ///
    /// # Errors
    ///
    /// See [`Flow::open`].
    pub fn set_fast_path(&mut self, index: u32, name: &str, wish: Wish) -> Result<(), Error> {
        let subject = Subject::new(Action::Change, Object::FastPath(name.to_owned()));
        let request = request::set_interface(index, wish);
        self.0.ask(&request, &subject).map(drop)
    }
}
