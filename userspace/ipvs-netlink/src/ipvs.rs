// SPDX-License-Identifier: GPL-2.0
//! The stock family.

use crate::error::{Action, Error, Object};
use crate::family::{Body, Channel, Family};
use crate::request::{self, IpvsRequest};
use crate::socket::Subject;
use crate::wire::attr::{attributes, WireError};
use crate::wire::ids::{self, top};
use crate::{
    Daemon, DaemonState, Dest, DestConfig, DestId, Info, Service, ServiceConfig, ServiceId,
    Timeouts,
};

/// Marks messages of the stock family.
pub enum IpvsFamily {}

impl Family for IpvsFamily {
    const NAME: &'static str = ids::FAMILY_NAME;
    const VERSION: u8 = ids::VERSION;
}

/// A connection to the stock family `IPVS`.
pub struct Ipvs(Channel<IpvsFamily>);

/// The first attribute of this number in a message.
fn part<'a, F>(answer: &'a Body<F>, id: u16, name: &'static str) -> Result<&'a [u8], WireError> {
    attributes(answer.attributes(), name)?
        .into_iter()
        .find(|attribute| attribute.id == id)
        .map(|attribute| attribute.payload)
        .ok_or(WireError::Missing(name))
}

impl Ipvs {
    /// Opens a socket in the network namespace of the caller.
    ///
    /// # Errors
    ///
    /// [`Error::NoFamily`] if the module ip_vs is not there; every method can also fail with
    /// [`Error::Refused`], and those that read with [`Error::Malformed`].
    pub fn open() -> Result<Self, Error> {
        Channel::open().map(Self)
    }

    fn change(
        &mut self,
        request: &IpvsRequest,
        action: Action,
        object: Object,
    ) -> Result<(), Error> {
        self.0.ask(request, &Subject::new(action, object)).map(drop)
    }

    /// Asks for exactly one value.
    fn value<T>(
        &mut self,
        request: &IpvsRequest,
        object: Object,
        parse: impl Fn(&IpvsRequest) -> Result<T, WireError>,
    ) -> Result<T, Error> {
        let subject = Subject::new(Action::Read, object);
        let answers = self.0.ask(request, &subject)?;
        let answer = answers
            .first()
            .ok_or_else(|| Error::NoAnswer(subject.object.to_string()))?;
        parse(answer).map_err(|error| subject.malformed(error))
    }

    /// Asks for any number of values.
    fn values<T>(
        &mut self,
        request: &IpvsRequest,
        object: Object,
        parse: impl Fn(&IpvsRequest) -> Result<T, WireError>,
    ) -> Result<Vec<T>, Error> {
        let subject = Subject::new(Action::Read, object);
        let answers = self.0.list(request, &subject)?;
        let values = answers.iter().map(parse).collect::<Result<_, _>>();
        values.map_err(|error| subject.malformed(error))
    }

    /// Version and size of the table of connections.
    ///
    /// # Errors
    ///
    /// See [`Ipvs::open`]; likewise for all that follow.
    pub fn info(&mut self) -> Result<Info, Error> {
        let object = Object::Whole("the state of IPVS");
        self.value(&request::get_info(), object, |answer| {
            Info::parse(answer.attributes())
        })
    }

    /// All services.
    ///
    /// # Errors
    ///
    /// See [`Ipvs::open`].
    pub fn services(&mut self) -> Result<Vec<Service>, Error> {
        self.values(
            &request::list_services(),
            Object::Whole("the services"),
            |answer| Service::parse(part(answer, top::SERVICE, "service")?),
        )
    }

    /// One service.
    ///
    /// # Errors
    ///
    /// See [`Ipvs::open`].
    pub fn service(&mut self, id: &ServiceId) -> Result<Service, Error> {
        self.value(&request::get_service(id), Object::Service(*id), |answer| {
            Service::parse(part(answer, top::SERVICE, "service")?)
        })
    }

    /// Adds a service.
    ///
    /// # Errors
    ///
    /// See [`Ipvs::open`].
    pub fn add_service(&mut self, config: &ServiceConfig) -> Result<(), Error> {
        let object = Object::Service(config.id);
        self.change(&request::new_service(config), Action::Add, object)
    }

    /// Changes a service; everything about it is replaced.
    ///
    /// # Errors
    ///
    /// See [`Ipvs::open`].
    pub fn change_service(&mut self, config: &ServiceConfig) -> Result<(), Error> {
        let object = Object::Service(config.id);
        self.change(&request::set_service(config), Action::Change, object)
    }

    /// Deletes a service and its servers.
    ///
    /// # Errors
    ///
    /// See [`Ipvs::open`].
    pub fn delete_service(&mut self, id: &ServiceId) -> Result<(), Error> {
        let object = Object::Service(*id);
        self.change(&request::delete_service(id), Action::Delete, object)
    }

    /// Deletes all services and servers.
    ///
    /// # Errors
    ///
    /// See [`Ipvs::open`].
    pub fn flush(&mut self) -> Result<(), Error> {
        let object = Object::Whole("all services");
        self.change(&request::flush(), Action::Delete, object)
    }

    /// The servers of a service; none if there is no such service.
    ///
    /// # Errors
    ///
    /// See [`Ipvs::open`].
    pub fn dests(&mut self, service: &ServiceId) -> Result<Vec<Dest>, Error> {
        let family = service.family();
        self.values(
            &request::list_dests(service),
            Object::Dests(*service),
            |answer| Dest::parse(part(answer, top::DEST, "server")?, family),
        )
    }

    /// Adds a server.
    ///
    /// # Errors
    ///
    /// See [`Ipvs::open`].
    pub fn add_dest(&mut self, service: &ServiceId, config: &DestConfig) -> Result<(), Error> {
        let object = Object::Dest(*service, config.id);
        self.change(&request::new_dest(service, config), Action::Add, object)
    }

    /// Changes a server; everything about it is replaced.
    ///
    /// # Errors
    ///
    /// See [`Ipvs::open`].
    pub fn change_dest(&mut self, service: &ServiceId, config: &DestConfig) -> Result<(), Error> {
        let object = Object::Dest(*service, config.id);
        self.change(&request::set_dest(service, config), Action::Change, object)
    }

    /// Deletes a server.
    ///
    /// # Errors
    ///
    /// See [`Ipvs::open`].
    pub fn delete_dest(&mut self, service: &ServiceId, id: &DestId) -> Result<(), Error> {
        let object = Object::Dest(*service, *id);
        self.change(&request::delete_dest(service, id), Action::Delete, object)
    }

    /// Resets the counters of one service or of all.
    ///
    /// # Errors
    ///
    /// See [`Ipvs::open`].
    pub fn zero(&mut self, service: Option<&ServiceId>) -> Result<(), Error> {
        let object = service.map_or(Object::Whole("all counters"), |id| Object::Service(*id));
        self.change(&request::zero(service), Action::Zero, object)
    }

    /// Time-outs.
    ///
    /// # Errors
    ///
    /// See [`Ipvs::open`].
    pub fn timeouts(&mut self) -> Result<Timeouts, Error> {
        let object = Object::Whole("the time-outs");
        self.value(&request::get_timeouts(), object, |answer| {
            Timeouts::parse(answer.attributes())
        })
    }

    /// Sets the time-outs that are not 0.
    ///
    /// # Errors
    ///
    /// See [`Ipvs::open`].
    pub fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<(), Error> {
        let object = Object::Whole("the time-outs");
        self.change(&request::set_timeouts(timeouts), Action::Change, object)
    }

    /// The sync daemons that run.
    ///
    /// # Errors
    ///
    /// See [`Ipvs::open`].
    pub fn daemons(&mut self) -> Result<Vec<Daemon>, Error> {
        self.values(
            &request::list_daemons(),
            Object::Whole("the sync daemons"),
            |answer| Daemon::parse(part(answer, top::DAEMON, "daemon")?),
        )
    }

    /// Starts a sync daemon.
    ///
    /// # Errors
    ///
    /// See [`Ipvs::open`].
    pub fn start_daemon(&mut self, daemon: &Daemon) -> Result<(), Error> {
        let object = Object::Daemon(daemon.state);
        self.change(&request::start_daemon(daemon), Action::Start, object)
    }

    /// Stops a sync daemon.
    ///
    /// # Errors
    ///
    /// See [`Ipvs::open`].
    pub fn stop_daemon(&mut self, state: DaemonState, sync_id: u32) -> Result<(), Error> {
        let object = Object::Daemon(state);
        self.change(&request::stop_daemon(state, sync_id), Action::Stop, object)
    }
}
