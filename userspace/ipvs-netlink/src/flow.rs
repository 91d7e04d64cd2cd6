// SPDX-License-Identifier: GPL-2.0
//! The family of FullNAT's engine.

use std::net::IpAddr;

use flow_abi::top;

use crate::error::{Action, Error, Object};
use crate::family::{Channel, Family};
use crate::request::{self, FlowRequest};
use crate::socket::Subject;
use crate::wire::attr::{attributes, WireError};
use crate::wire::flow::parse_service;
use crate::{Connection, ConnectionKey, Counter, LocalAddress, ServiceId};

/// Marks messages of the engine's family.
pub enum FlowFamily {}

impl Family for FlowFamily {
    const NAME: &'static str = flow_abi::FAMILY_NAME;
    const VERSION: u8 = flow_abi::VERSION;
}

/// A connection to the family `IPVS_FLOW`.
pub struct Flow(Channel<FlowFamily>);

fn part<'a>(answer: &'a FlowRequest, id: u16, name: &'static str) -> Result<&'a [u8], WireError> {
    attributes(answer.attributes(), name)?
        .into_iter()
        .find(|attribute| attribute.id == id)
        .map(|attribute| attribute.payload)
        .ok_or(WireError::Missing(name))
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

    /// FullNAT connections: all, or the one of this name.
    ///
    /// # Errors
    ///
    /// See [`Flow::open`].
    pub fn connections(&mut self, key: Option<&ConnectionKey>) -> Result<Vec<Connection>, Error> {
        self.values(
            &request::list_connections(key),
            Object::Whole("the FullNAT connections"),
            |answer| Connection::parse(part(answer, top::CONN, "connection")?),
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
}
