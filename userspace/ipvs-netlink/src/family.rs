// SPDX-License-Identifier: GPL-2.0
//! Generic netlink: finding a family by name, and asking it.

use std::fmt::{self, Debug};
use std::marker::PhantomData;

use netlink_packet_core::{DecodeError, Emitable, ParseableParametrized};
use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use netlink_packet_generic::{GenlFamily, GenlHeader, GenlMessage};
use netlink_sys::protocols::NETLINK_GENERIC;

use crate::error::{Action, Error, Object};
use crate::socket::{Question, Socket, Subject, Visitor};
use crate::wire::attr::{Attributes, WireError};

/// Bytes in front of the attributes of a generic netlink message: command, version and padding.
const GENL_HEADER: usize = 4;

/// A generic netlink family.
pub trait Family {
    /// Its name.
    const NAME: &'static str;
    /// Its version.
    const VERSION: u8;
}

/// A message of a family: the command and the attributes, still as bytes.
pub struct Body<F> {
    command: u8,
    attributes: Vec<u8>,
    family: PhantomData<F>,
}

impl<F> Body<F> {
    /// A request.
    #[must_use]
    pub fn new(command: u8, attributes: &Attributes) -> Self {
        Self {
            command,
            attributes: attributes.to_bytes(),
            family: PhantomData,
        }
    }

    /// The attributes.
    #[must_use]
    pub fn attributes(&self) -> &[u8] {
        &self.attributes
    }

    /// The command.
    #[must_use]
    pub fn command(&self) -> u8 {
        self.command
    }
}

impl<F> Clone for Body<F> {
    fn clone(&self) -> Self {
        Self {
            command: self.command,
            attributes: self.attributes.clone(),
            family: PhantomData,
        }
    }
}

impl<F> Debug for Body<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("command", &self.command)
            .field("attributes", &self.attributes)
            .finish()
    }
}

impl<F: Family> GenlFamily for Body<F> {
    fn family_name() -> &'static str {
        F::NAME
    }

    fn command(&self) -> u8 {
        self.command
    }

    fn version(&self) -> u8 {
        F::VERSION
    }
}

impl<F> Emitable for Body<F> {
    fn buffer_len(&self) -> usize {
        self.attributes.len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.attributes);
    }
}

impl<F> ParseableParametrized<[u8], GenlHeader> for Body<F> {
    fn parse_with_param(attributes: &[u8], header: GenlHeader) -> Result<Self, DecodeError> {
        Ok(Self {
            command: header.cmd,
            attributes: attributes.to_vec(),
            family: PhantomData,
        })
    }
}

/// A socket and the number the kernel gave the family.
pub(crate) struct Channel<F> {
    socket: Socket,
    id: u16,
    family: PhantomData<F>,
}

impl<F: Family> Channel<F> {
    /// Opens a socket and finds the family.
    pub(crate) fn open() -> Result<Self, Error> {
        let mut socket = Socket::open(NETLINK_GENERIC)?;
        let id = find(&mut socket, F::NAME)?;
        Ok(Self {
            socket,
            id,
            family: PhantomData,
        })
    }

    /// Asks for something to be done; an answer is the exception.
    pub(crate) fn ask(
        &mut self,
        request: &Body<F>,
        subject: &Subject,
    ) -> Result<Vec<Body<F>>, Error> {
        self.send(Question::Do, request, subject)
    }

    /// Asks for a listing.
    pub(crate) fn list(
        &mut self,
        request: &Body<F>,
        subject: &Subject,
    ) -> Result<Vec<Body<F>>, Error> {
        self.send(Question::Dump, request, subject)
    }

    /// Asks for a listing and shows the attributes of each message to `reader` as they come.
    ///
    /// On a socket of its own, so that `reader` may break off and the channel be used in between.
    pub(crate) fn stream(
        &self,
        request: &Body<F>,
        subject: &Subject,
        reader: Visitor<'_>,
    ) -> Result<(), Error> {
        let mut message = GenlMessage::from_payload(request.clone());
        message.set_resolved_family_id(self.id);
        Socket::open(NETLINK_GENERIC)?.stream(&message, subject, &mut |payload| {
            let attributes = payload.get(GENL_HEADER..);
            reader(attributes.ok_or(WireError::CutOff("a generic netlink message"))?)
        })
    }

    fn send(
        &mut self,
        question: Question,
        request: &Body<F>,
        subject: &Subject,
    ) -> Result<Vec<Body<F>>, Error> {
        let mut message = GenlMessage::from_payload(request.clone());
        message.set_resolved_family_id(self.id);
        let answers = self.socket.ask(question, 0, &message, subject)?;
        Ok(answers.into_iter().map(|answer| answer.payload).collect())
    }
}

/// The number of a family.
fn find(socket: &mut Socket, name: &'static str) -> Result<u16, Error> {
    let message = GenlMessage::from_payload(GenlCtrl {
        cmd: GenlCtrlCmd::GetFamily,
        nlas: vec![GenlCtrlAttrs::FamilyName(name.to_owned())],
    });
    let subject = Subject::new(Action::Read, Object::Whole("the netlink family"));
    let answers = match socket.ask(Question::Do, 0, &message, &subject) {
        Err(error) if error.errno() == Some(libc::ENOENT) => return Err(Error::NoFamily(name)),
        other => other?,
    };
    answers
        .iter()
        .flat_map(|answer| &answer.payload.nlas)
        .find_map(|nla| match nla {
            GenlCtrlAttrs::FamilyId(id) => Some(*id),
            _ => None,
        })
        .ok_or(Error::NoFamily(name))
}
