// SPDX-License-Identifier: GPL-2.0
//! The answer of `serve`, one line: `ACCEPTED PEER LOCAL REQUEST`.
//!
//! `ACCEPTED` is the address accept(2) gave, `PEER` what getpeername(2) says now, `LOCAL` the server's own address and
//! `REQUEST` the line it was sent. For UDP the first two are the datagram's source.

use std::net::SocketAddr;

/// What a server said about one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply<'a> {
    pub(crate) accepted: SocketAddr,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    pub(crate) request: &'a [u8],
}

impl<'a> Reply<'a> {
    /// Appends the line to `out`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let heading = format!("{} {} {} ", self.accepted, self.peer, self.local);
        out.extend_from_slice(heading.as_bytes());
        out.extend_from_slice(self.request);
        out.push(b'\n');
    }

    /// Reads a line without its newline.
    pub(crate) fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.splitn(4, |&byte| byte == b' ');
        let mut address = || std::str::from_utf8(fields.next()?).ok()?.parse().ok();
        let (accepted, peer, local) = (address()?, address()?, address()?);
        let request = fields.next()?;
        Some(Self {
            accepted,
            peer,
            local,
            request,
        })
    }
}

/// Takes the first complete line out of `input`.
pub(crate) fn take_line(input: &mut Vec<u8>) -> Option<Vec<u8>> {
    let end = input.iter().position(|&byte| byte == b'\n')?;
    let rest = input.split_off(end + 1);
    let mut line = std::mem::replace(input, rest);
    line.pop();
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_reply_is_read_back() {
        let reply = Reply {
            accepted: "172.16.0.1:40000".parse().unwrap(),
            peer: "192.168.229.204:1025".parse().unwrap(),
            local: "[fd00::1]:80".parse().unwrap(),
            request: b"request with spaces",
        };
        let mut wire = Vec::new();
        reply.write(&mut wire);
        wire.extend_from_slice(b"rest");
        let line = take_line(&mut wire).unwrap();
        assert_eq!(Reply::parse(&line), Some(reply));
        assert_eq!(wire, b"rest");
        assert_eq!(take_line(&mut wire), None);
    }

    #[test]
    fn a_line_that_is_no_reply_is_refused() {
        assert_eq!(Reply::parse(b"HTTP/1.1 400 Bad Request"), None);
        assert_eq!(Reply::parse(b""), None);
    }
}
