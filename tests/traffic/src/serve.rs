// SPDX-License-Identifier: GPL-2.0
//! `traffic serve`: answers every line and every datagram with what the server sees of its peer.
//!
//! The first word of a TCP request can ask for more: `close` closes the connection behind the answer, `reset` resets
//! it, `bulk` starts a bulk transfer. The program says `ready` once it listens.

use crate::bulk;
use crate::reply::take_line;
use crate::reply::Reply;
use mio::net::TcpListener;
use mio::net::TcpStream;
use mio::net::UdpSocket;
use mio::Events;
use mio::Interest;
use mio::Poll;
use mio::Token;
use std::collections::HashMap;
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

const LISTENER: Token = Token(0);
const DATAGRAMS: Token = Token(1);
const FIRST_CONNECTION: usize = 2;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Address and port, for TCP and for UDP.
    #[arg(default_value = "0.0.0.0:8000")]
    address: SocketAddr,
}

struct Connection {
    stream: TcpStream,
    accepted: SocketAddr,
    input: Vec<u8>,
    output: Vec<u8>,
    last: bool,
}

/// What to do with a connection after an event.
enum Next {
    Wait,
    Close,
    Bulk(Vec<u8>),
}

pub(crate) fn run(options: &Options) -> io::Result<bool> {
    let mut poll = Poll::new()?;
    let mut listener = listen(options.address)?;
    let mut datagrams = UdpSocket::bind(options.address)?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    poll.registry()
        .register(&mut datagrams, DATAGRAMS, Interest::READABLE)?;
    println!("ready");
    io::stdout().flush()?;

    let mut connections: HashMap<Token, Connection> = HashMap::new();
    let mut number = FIRST_CONNECTION;
    let mut events = Events::with_capacity(1024);
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            outcome => outcome?,
        }
        for event in &events {
            match event.token() {
                LISTENER => {
                    // BOUND: accept fails once the queue is empty.
                    while let Ok((mut stream, accepted)) = listener.accept() {
                        let token = Token(number);
                        number += 1;
                        let interest = Interest::READABLE | Interest::WRITABLE;
                        if poll
                            .registry()
                            .register(&mut stream, token, interest)
                            .is_ok()
                        {
                            let (input, output) = (Vec::new(), Vec::new());
                            connections.insert(
                                token,
                                Connection {
                                    stream,
                                    accepted,
                                    input,
                                    output,
                                    last: false,
                                },
                            );
                        }
                    }
                }
                DATAGRAMS => answer_datagrams(&datagrams),
                token => {
                    let Some(connection) = connections.get_mut(&token) else {
                        continue;
                    };
                    match connection.advance() {
                        Ok(Next::Wait) => continue,
                        Ok(Next::Bulk(request)) => {
                            if let Some(connection) = connections.remove(&token) {
                                connection.start_bulk(&poll, request)?;
                            }
                        }
                        Ok(Next::Close) | Err(_) => drop(connections.remove(&token)),
                    }
                }
            }
        }
    }
}

/// mio's own listen queue is 1024 long, too short for a burst of 10,000 connections.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM,
        None,
    )?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(65535)?;
    Ok(TcpListener::from_std(socket.into()))
}

fn answer_datagrams(socket: &UdpSocket) {
    let mut buffer = [0; 65536];
    let Ok(local) = socket.local_addr() else {
        return;
    };
    // BOUND: recv_from fails once the queue is empty.
    while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
        let mut out = Vec::new();
        Reply {
            accepted: peer,
            peer,
            local,
            request: &buffer[..length],
        }
        .write(&mut out);
        // A full queue or a vanished peer loses the answer, as UDP may.
        let _ = socket.send_to(&out, peer);
    }
}

impl Connection {
    /// Reads, answers and writes as far as it goes without waiting.
    fn advance(&mut self) -> io::Result<Next> {
        let mut buffer = [0; 65536];
        let mut ended = false;
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    ended = true;
                    break;
                }
                Ok(length) => self.input.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            if self.input.starts_with(b"bulk ") {
                // The rest of the stream belongs to the transfer.
                break;
            }
        }
        while let Some(line) = take_line(&mut self.input) {
            if line.starts_with(b"bulk ") {
                return Ok(Next::Bulk(line));
            }
            self.answer(&line)?;
        }
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(length) => drop(self.output.drain(..length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Next::Wait),
                Err(error) => return Err(error),
            }
        }
        Ok(if ended || self.last {
            Next::Close
        } else {
            Next::Wait
        })
    }

    fn answer(&mut self, line: &[u8]) -> io::Result<()> {
        let (peer, local) = (self.stream.peer_addr()?, self.stream.local_addr()?);
        Reply {
            accepted: self.accepted,
            peer,
            local,
            request: line,
        }
        .write(&mut self.output);
        if line.starts_with(b"reset ") {
            // The answer still leaves: linger 0 drops only what is unsent when the socket closes.
            socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))?;
        }
        self.last |= line.starts_with(b"close ") || line.starts_with(b"reset ");
        Ok(())
    }

    /// Gives the connection to a thread of its own.
    fn start_bulk(mut self, poll: &Poll, request: Vec<u8>) -> io::Result<()> {
        poll.registry().deregister(&mut self.stream)?;
        let stream = std::net::TcpStream::from(self.stream);
        stream.set_nonblocking(false)?;
        let early = self.input;
        std::thread::spawn(move || bulk::answer(stream, &request, &early));
        Ok(())
    }
}
