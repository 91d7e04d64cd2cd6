// SPDX-License-Identifier: GPL-2.0
//! A blocking netlink socket: one question, and all the messages that answer it, collected or one by
//! one.

use std::fmt::Debug;
use std::io;
use std::ops::ControlFlow;

use netlink_packet_core::{
    NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable,
    NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST,
};
use netlink_sys::{Socket as RawSocket, SocketAddr};

use crate::error::{Action, Error, Object, Refusal};
use crate::wire::attr::{attributes, WireError};

/// Twice what the kernel puts into one datagram of a listing.
const BUFFER: usize = 64 * 1024;
/// What may wait in a socket that reads a long listing.
const LISTING_BUFFER: usize = 1024 * 1024;
/// How often a listing that changed meanwhile is read anew.
const ATTEMPTS: usize = 16;
/// Header of a netlink message, which leads what an error message holds.
const HEADER: usize = 16;
/// Attribute of an extended acknowledgement that holds the sentence.
const EXTACK_MESSAGE: u16 = 1;

/// What kind of question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// One request, an acknowledgement and perhaps an answer before it.
    Do,
    /// A listing.
    Dump,
}

/// What the question is about; it ends up in errors.
#[derive(Clone, Debug)]
pub struct Subject {
    /// What is being done.
    pub action: Action,
    /// To what.
    pub object: Object,
}

impl Subject {
    /// Pairs the two.
    #[must_use]
    pub fn new(action: Action, object: Object) -> Self {
        Self { action, object }
    }

    /// The error for a refusal with this errno, given as the kernel gives it.
    fn refused(&self, code: i32, text: Option<String>) -> Error {
        Error::Refused(Refusal {
            action: self.action,
            object: self.object.clone(),
            errno: code.saturating_neg(),
            text,
        })
    }

    /// The error for a message that makes no sense.
    #[must_use]
    pub fn malformed(&self, source: WireError) -> Error {
        Error::Malformed {
            what: self.object.to_string(),
            source,
        }
    }
}

/// A socket of one netlink protocol.
pub struct Socket {
    raw: RawSocket,
    sequence: u32,
}

/// How the answers to a question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// That was all.
    Complete,
    /// What was listed changed meanwhile.
    Changed,
    /// The reader wants no more.
    Stopped,
}

/// What looks at the messages of a listing, one by one.
pub type Visitor<'a> = &'a mut dyn FnMut(&[u8]) -> Result<ControlFlow<()>, WireError>;

/// What looks at the messages of an answer, one by one and with their headers.
type Reader<'a> = &'a mut dyn FnMut(&[u8]) -> Result<ControlFlow<()>, Error>;

impl Socket {
    /// Opens a socket of this protocol, NETLINK_GENERIC or NETLINK_ROUTE.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the kernel gives none.
    pub fn open(protocol: isize) -> Result<Self, Error> {
        let open = || -> io::Result<RawSocket> {
            let mut raw = RawSocket::new(protocol)?;
            raw.bind_auto()?;
            raw.connect(&SocketAddr::new(0, 0))?;
            // Old kernels lack these two; then there is just no sentence to a refusal.
            let _ = raw.set_ext_ack(true);
            let _ = raw.set_cap_ack(true);
            Ok(raw)
        };
        open()
            .map(|raw| Self { raw, sequence: 0 })
            .map_err(|source| Error::Io {
                what: "open a netlink socket".to_owned(),
                source,
            })
    }

    /// Asks, and returns the answers.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if the kernel refuses, [`Error::Interrupted`] if a listing keeps changing.
    pub fn ask<M>(
        &mut self,
        question: Question,
        flags: u16,
        request: &M,
        subject: &Subject,
    ) -> Result<Vec<M>, Error>
    where
        M: NetlinkSerializable + NetlinkDeserializable + Clone + Debug,
    {
        for _ in 0..ATTEMPTS {
            self.send(question, flags, request)?;
            let mut answers = Vec::new();
            let end = self.receive::<M>(subject, &mut |bytes| {
                let message = deserialize::<M>(bytes, subject)?;
                if let NetlinkPayload::InnerMessage(answer) = message.payload {
                    answers.push(answer);
                }
                Ok(ControlFlow::Continue(()))
            })?;
            if question == Question::Do || end != End::Changed {
                return Ok(answers);
            }
        }
        Err(Error::Interrupted(subject.object.to_string()))
    }

    /// Asks for a listing and shows every message's payload to `reader` as it comes, until that
    /// breaks off. What changes while it is read may be in it or not.
    ///
    /// The kernel makes no other listing for a socket that has not read one to its end, so the socket
    /// is used up.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if the kernel refuses, and whatever `reader` fails with.
    pub fn stream<M>(
        mut self,
        request: &M,
        subject: &Subject,
        reader: Visitor<'_>,
    ) -> Result<(), Error>
    where
        M: NetlinkSerializable + NetlinkDeserializable + Clone + Debug,
    {
        // The kernel waits for its reader anyway; a small buffer only makes it wait more often.
        let _ = self.raw.set_rx_buf_sz(LISTING_BUFFER);
        self.send(Question::Dump, 0, request)?;
        self.receive::<M>(subject, &mut |bytes| {
            let payload = bytes.get(HEADER..).unwrap_or_default();
            reader(payload).map_err(|error| subject.malformed(error))
        })
        .map(drop)
    }

    fn send<M>(&mut self, question: Question, flags: u16, request: &M) -> Result<(), Error>
    where
        M: NetlinkSerializable + Clone,
    {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.sequence_number = self.sequence;
        header.flags = flags
            | NLM_F_REQUEST
            | match question {
                Question::Do => NLM_F_ACK,
                Question::Dump => NLM_F_DUMP,
            };
        let mut message =
            NetlinkMessage::new(header, NetlinkPayload::InnerMessage(request.clone()));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.raw.send(&bytes, 0).map_err(|source| Error::Io {
            what: "send to the kernel".to_owned(),
            source,
        })?;
        Ok(())
    }

    fn receive<M>(&self, subject: &Subject, reader: Reader<'_>) -> Result<End, Error>
    where
        M: NetlinkDeserializable + Debug,
    {
        let mut changed = false;
        let mut datagram = Vec::with_capacity(BUFFER);
        // BOUND: the kernel ends every answer with NLMSG_DONE, an acknowledgement or an error.
        loop {
            self.datagram(&mut datagram)?;
            let mut rest = datagram.as_slice();
            // BOUND: every turn takes at least one header off `rest`.
            while !rest.is_empty() {
                let header = Header::parse(rest).map_err(|error| subject.malformed(error))?;
                let (bytes, after) = rest.split_at(header.length);
                rest = after
                    .get(header.length.next_multiple_of(4) - header.length..)
                    .unwrap_or_default();
                if header.sequence != self.sequence {
                    // Left over from a question that ended early.
                    continue;
                }
                changed |= header.flags & NLM_F_DUMP_INTR != 0;
                if header.kind >= FIRST_KIND {
                    if reader(bytes)?.is_break() {
                        return Ok(End::Stopped);
                    }
                    continue;
                }
                match deserialize::<M>(bytes, subject)?.payload {
                    NetlinkPayload::Error(error) => match error.code {
                        None => return Ok(End::Complete),
                        Some(code) => {
                            let text = extack_of_error(&error.header, header.flags);
                            return Err(subject.refused(code.get(), text));
                        }
                    },
                    NetlinkPayload::Done(done) if done.code < 0 => {
                        let text = extack_message(&done.extended_ack);
                        return Err(subject.refused(done.code, text));
                    }
                    NetlinkPayload::Done(_) if changed => return Ok(End::Changed),
                    NetlinkPayload::Done(_) => return Ok(End::Complete),
                    NetlinkPayload::Overrun(_) => return Ok(End::Changed),
                    _ => {}
                }
            }
        }
    }

    /// One datagram, whole, in place of what is in the buffer.
    fn datagram(&self, buffer: &mut Vec<u8>) -> Result<(), Error> {
        // BOUND: a signal interrupts at most as often as signals arrive.
        let length = loop {
            buffer.clear();
            match self.raw.recv(buffer, libc::MSG_TRUNC) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let length = length.map_err(|source| Error::Io {
            what: "receive from the kernel".to_owned(),
            source,
        })?;
        if length > buffer.len() {
            return Err(Error::Malformed {
                what: "a request".to_owned(),
                source: WireError::Message(format!("a datagram of {length} bytes is too long")),
            });
        }
        Ok(())
    }
}

/// Kinds of messages below this one are netlink's own: errors, ends of listings.
const FIRST_KIND: u16 = 16;

/// What of a message's header is needed to know what the message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    length: usize,
    kind: u16,
    flags: u16,
    sequence: u32,
}

impl Header {
    /// The header of the first message of a datagram, whose length fits into the datagram.
    fn parse(datagram: &[u8]) -> Result<Self, WireError> {
        let length = message_length(datagram)?;
        let Some(&[_, _, _, _, k0, k1, f0, f1, s0, s1, s2, s3, ..]) =
            datagram.first_chunk::<HEADER>()
        else {
            return Err(WireError::CutOff("a netlink message"));
        };
        Ok(Self {
            length,
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
        })
    }
}

fn deserialize<M>(bytes: &[u8], subject: &Subject) -> Result<NetlinkMessage<M>, Error>
where
    M: NetlinkDeserializable + Debug,
{
    NetlinkMessage::<M>::deserialize(bytes)
        .map_err(|error| subject.malformed(WireError::Message(error.to_string())))
}

/// Length of the first message of a datagram, checked against the datagram.
fn message_length(datagram: &[u8]) -> Result<usize, WireError> {
    let length = datagram
        .first_chunk::<4>()
        .map(|bytes| u32::from_ne_bytes(*bytes))
        .and_then(|length| usize::try_from(length).ok());
    match length {
        Some(length) if (HEADER..=datagram.len()).contains(&length) => Ok(length),
        _ => Err(WireError::CutOff("a netlink message")),
    }
}

/// The sentence in an error message: behind the header of the request, and behind its payload
/// unless the kernel left that out.
fn extack_of_error(payload: &[u8], flags: u16) -> Option<String> {
    if flags & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    let request = if flags & NLM_F_CAPPED != 0 {
        HEADER
    } else {
        message_length(payload).ok()?.next_multiple_of(4)
    };
    extack_message(payload.get(request..)?)
}

fn extack_message(tlvs: &[u8]) -> Option<String> {
    let found = attributes(tlvs, "extended acknowledgement").ok()?;
    let message = found.iter().find(|tlv| tlv.id == EXTACK_MESSAGE)?;
    message.text("message").ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::attr::Attributes;

    fn request_header(length: u32) -> Vec<u8> {
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend([0; 12]);
        bytes
    }

    fn tlvs(text: &str) -> Vec<u8> {
        let mut tlvs = Attributes::new();
        tlvs.u32(2, 40).text(EXTACK_MESSAGE, text);
        tlvs.to_bytes()
    }

    #[test]
    fn sentence_follows_the_header_of_a_capped_request() {
        let mut payload = request_header(200);
        payload.extend(tlvs("no such local address"));
        let text = extack_of_error(&payload, NLM_F_CAPPED | NLM_F_ACK_TLVS);
        assert_eq!(text.as_deref(), Some("no such local address"));
    }

    #[test]
    fn sentence_follows_the_whole_request_otherwise() {
        let mut payload = request_header(22);
        payload.extend([0xff; 6 + 2]);
        payload.extend(tlvs("wrong family"));
        let text = extack_of_error(&payload, NLM_F_ACK_TLVS);
        assert_eq!(text.as_deref(), Some("wrong family"));
    }

    #[test]
    fn damaged_sentences_are_no_sentences() {
        let mut payload = request_header(200);
        payload.extend(tlvs("text"));
        for cut in 0..payload.len() {
            // Every length must be survived; only the whole holds the text.
            let _ = extack_of_error(&payload[..cut], NLM_F_CAPPED | NLM_F_ACK_TLVS);
            let _ = extack_of_error(&payload[..cut], NLM_F_ACK_TLVS);
        }
        assert_eq!(extack_of_error(&payload, NLM_F_CAPPED), None);
        assert_eq!(extack_of_error(&payload, NLM_F_ACK_TLVS), None);
    }

    #[test]
    fn lying_lengths_are_refused() {
        for length in [0, 1, 15, 17, u32::MAX] {
            let mut bytes = request_header(length);
            bytes.truncate(16);
            assert!(message_length(&bytes).is_err(), "length {length}");
        }
        assert_eq!(message_length(&request_header(16)), Ok(16));
        assert!(message_length(&[1, 0, 0]).is_err());
    }
}
